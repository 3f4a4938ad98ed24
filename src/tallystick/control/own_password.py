"""One's own password: changed by whoever proves once more that it is them, with the old one and, where there is one, a code
of the second factor. Whatever else was opened by the old password ends with it.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from tallystick.control.auth import LoginOf
from tallystick.control.callers import CallerOf, PartsOf, account_of, peer_of
from tallystick.control.figures import answer
from tallystick.control.passwords import CHARS_MAX, fault_of
from tallystick.control.problems import Problem
from tallystick.stores.sql.accounts import set_password
from tallystick.stores.sql.journal import Sequencer

_CODE_CHARS_MAX: Final = 40
Password = Annotated[SecretStr, Field(max_length=CHARS_MAX)]


class NewPassword(BaseModel):
    """The password there is, a code where there is a second factor, and the password from now on."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    password: Password
    code: Annotated[SecretStr | None, Field(min_length=1, max_length=_CODE_CHARS_MAX)] = None
    new_password: Password


class Changed(BaseModel):
    """How many other sessions were ended."""

    ended: int


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/auth", tags=["auth"])
    router.add_api_route("/password", change, methods=["POST"], response_model=Changed)
    return router


async def change(request: Request, parts: PartsOf, caller: CallerOf, login: LoginOf, asked: NewPassword) -> Response:
    """Change one's own password. One's other sessions and all login tokens end; the session that asks goes on."""
    account, new = account_of(caller), asked.new_password.get_secret_value()
    if fault := fault_of(new):
        raise Problem(400, "invalid_request", fault)
    code = asked.code.get_secret_value() if asked.code else None
    await login.check(account.email, asked.password.get_secret_value(), peer_of(request), code)
    hashed = await login.passwords.hash(new)
    keep = caller.session.id if caller.session else None
    ended, _ = await run_in_threadpool(set_password, Sequencer(parts.database), account.id, hashed, parts.clock.now_us(), account.id, keep)
    return answer({"ended": ended})
