"""Every error of the API is `application/problem+json` (RFC 9457) with a stable `code`. Nothing a
caller sent is repeated in it, save the names of its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tallystick.core.errors import StoreFault
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.pruned import RowsPruned


_REFUSALS: Final = {"exists": 409, "not_found": 404, "ended": 409, "alive": 409, "overlap": 409, "above_the_parent": 409, "forbidden": 403,
                    "last_owner": 409, "account_exists": 409, "own_proposal": 403, "decided": 409, "made_before": 409, "mark_used": 409,
                    "busy": 503, "invitation_gone": 404, "pruned": 410, "reset_gone": 404, "has_envelope": 409}


class Problem(Exception):
    """A request that is refused: raised by handlers, answered by `_refused`."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


def answer(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem document."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail, **more}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every kind of failure of this application in this one form."""
    app.add_exception_handler(Problem, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Refused, _unwanted)
    app.add_exception_handler(RowsPruned, _pruned)
    app.add_exception_handler(StoreFault, _away)
    app.add_exception_handler(Exception, _defect)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return answer(error.status, error.code, error.detail, error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [{"field": ".".join(map(str, fault["loc"])), "fault": fault["type"]} for fault in error.errors()[:20]]
    return answer(400, "invalid_request", "Fields are missing or do not make sense; see errors.", errors=faults)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return answer(error.status_code, code, HTTPStatus(error.status_code).phrase + ".", error.headers)


async def _unwanted(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return answer(_REFUSALS.get(error.code, 400), error.code, str(error))


async def _pruned(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RowsPruned)
    return answer(410, "pruned", str(error), rows_from=error.rows_from.isoformat(), **error.month.document())


async def _away(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoreFault)
    return answer(503, "store_unavailable", "The database cannot be reached; try again.", {"retry-after": "1"})


async def _defect(_: Request, __: Exception) -> JSONResponse:
    """The answer to a mistake of ours; the mistake itself goes on to the server's log."""
    return answer(500, "internal_error", "This is our mistake; the log says more.")
