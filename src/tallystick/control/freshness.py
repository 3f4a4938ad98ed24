"""How fresh figures are: how old the newest entry of the organisation's ledger is, and what of this gateway's calls is not in it
yet. Figures are sums of entries, so they are as fresh as that.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.figures import answer
from tallystick.core.ledger import read_body
from tallystick.core.moments import moment_text
from tallystick.stores.sql import tail
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.entries import entries_from
from tallystick.stores.sql.packing import Packer


class FreshnessShown(BaseModel):
    """`newest_at`: the moment of the newest entry, null where there is none, or only its hash is left; `age_s`: how long ago that
    is. `waiting_bytes`: what the gateway that answers has written down and not yet booked; `behind_s`: how old the oldest of that
    is. Other gateways say it of themselves."""

    at: str
    newest_at: str | None
    age_s: int | None
    waiting_bytes: int
    behind_s: int


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/freshness", tags=["organization"])
    router.add_api_route("", read, methods=["GET"], response_model=FreshnessShown)
    return router


def read(parts: PartsOf, caller: CallerOf) -> Response:
    """How old the ledger's newest entry is, and what waits to be booked."""
    waiting_bytes, behind_us = parts.waiting()
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    with parts.database.read() as db:
        last = tail.newest(db, here.id)
        found = entries_from(db, here.id, last, 1) if last >= 0 else []
    packed = found[0].packed if found else None
    newest_us = None if packed is None else int(read_body(Packer().unpack(packed))["at"])
    return answer({
        "at": moment_text(now_us), "newest_at": None if newest_us is None else moment_text(newest_us),
        "age_s": None if newest_us is None else max(0, now_us - newest_us) // 1_000_000,
        "waiting_bytes": waiting_bytes, "behind_s": behind_us // 1_000_000})
