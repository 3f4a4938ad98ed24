"""Alerts: what was raised, what became of it, sending it again; and at which shares of its cap a budget tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tallystick.control.alert_document import alert_document, delivery_documents, mute_document
from tallystick.control.callers import CallerOf, DirectoryOf, PartsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.core.alerts.budget_threshold import BadThresholds, read_percents
from tallystick.stores.sql.alerts_deliveries import replay
from tallystick.stores.sql.alerts_channels import find_channel
from tallystick.stores.sql.alerts_handling import (
    NOTE_CHARS_MAX, REASON_CHARS_MAX, MuteSpec, acknowledge, mute, mutes, unmute,
)
from tallystick.stores.sql.alerts_raised import find_alert, list_alerts
from tallystick.stores.sql.alerts_thresholds import set_percents
from tallystick.stores.sql.directory import organization

AlertId = Annotated[int, Path(ge=1, lt=1 << 62)]
BudgetId = Annotated[int, Path(ge=1, lt=1 << 62)]
MuteId = Annotated[int, Path(ge=1, lt=1 << 62)]
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class Alert(BaseModel):
    """An alert. `thread` is what it is about, `mark` the step, `scopes` whose it is; amounts in `facts` are in the budget's
    unit (nanos)."""

    id: int
    kind: str
    thread: str
    mark: str
    severity: str
    title: str
    text: str
    facts: dict[str, Any]
    path: str | None
    raised_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    scopes: list[str]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None


class Attempt(BaseModel):
    """One sending: `sent`, `retry` (it may go better later) or `refused`."""

    at: datetime
    result: str
    status: int
    said: str
    took_ms: int


class Delivery(BaseModel):
    """What one channel was to say. `state`: waiting, sent, failed or skipped."""

    channel: str
    event: str
    message_id: str
    state: str
    next_at: datetime | None
    done_at: datetime | None
    attempts: list[Attempt]


class OneAlert(Alert):
    """An alert and the log of its deliveries."""

    deliveries: list[Delivery]


class AlertPage(BaseModel):
    """A page of alerts, newest first."""

    items: list[Alert]
    next_cursor: str | None


class Replay(BaseModel):
    """Which channel is to say it again; every one that was to say it, where none is named."""

    model_config = ConfigDict(extra="forbid")

    channel: Annotated[str | None, Field(max_length=64)] = None


class Replayed(BaseModel):
    """How many deliveries were put out again."""

    deliveries: int


class Thresholds(BaseModel):
    """Percents of the cap: `50,80,100`; `none` for no alerts."""

    model_config = ConfigDict(extra="forbid")

    percents: Annotated[str, Field(min_length=1, max_length=200)]


class BudgetThresholds(BaseModel):
    """At which shares a budget tells from now on."""

    budget_id: int
    percents: list[int]


class Acknowledgement(BaseModel):
    """That somebody sees to it, and what they say about it."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=NOTE_CHARS_MAX)] = ""


class Acknowledged(BaseModel):
    """How many alerts of the thread were open."""

    alerts: int


class NewMute(BaseModel):
    """A mute to begin: of an alert's thread, of a kind, of a budget; at least one of these. It ends within ninety days."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=REASON_CHARS_MAX)]
    alert_id: Annotated[int, Field(ge=1, lt=1 << 62)] | None = None
    kind: Annotated[str, Field(max_length=64, pattern="^[a-z_]*$")] = ""
    budget_id: Annotated[int, Field(ge=1, lt=1 << 62)] | None = None


class OneMute(BaseModel):
    """A mute."""

    id: int
    thread: str | None
    kind: str | None
    budget_id: int | None
    until: datetime
    reason: str
    set_at: datetime
    set_by: str


class AllMutes(BaseModel):
    """The mutes in force; there is only one page."""

    items: list[OneMute]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/alerts", tags=["alerts"])
    router.add_api_route("", read_alerts, methods=["GET"], response_model=AlertPage)
    router.add_api_route("/mutes", read_mutes, methods=["GET"], response_model=AllMutes)
    router.add_api_route("/mutes", begin_mute, methods=["POST"], response_model=OneMute, status_code=201)
    router.add_api_route("/mutes/{mute_id}", end_mute, methods=["DELETE"], response_model=OneMute)
    router.add_api_route("/{alert_id}", read_alert, methods=["GET"], response_model=OneAlert)
    router.add_api_route("/{alert_id}/replay", replay_alert, methods=["POST"], response_model=Replayed, status_code=202)
    router.add_api_route("/{alert_id}/acknowledge", acknowledge_alert, methods=["POST"], response_model=Acknowledged)
    router.add_api_route("/thresholds/{budget_id}", set_thresholds, methods=["PUT"], response_model=BudgetThresholds)
    return router


def read_alerts(parts: PartsOf, caller: CallerOf, limit: Limit = LIMIT, cursor: Cursor = None,
                open_only: Annotated[bool, Query(alias="open", description="Only what is not resolved.")] = False) -> Response:
    """Alerts, newest first."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        found = list_alerts(db, here.id, before=place_of(cursor)[0] if cursor else None, open_only=open_only, limit=limit + 1)
    return answer({"items": [alert_document(row) for row in found[:limit]],
                   "next_cursor": cursor_of(found[limit - 1].id) if len(found) > limit else None})


def read_alert(parts: PartsOf, caller: CallerOf, alert_id: AlertId) -> Response:
    """One alert and the log of its deliveries."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        row = find_alert(db, here.id, alert_id)
        if row is None:
            raise Problem(404, "not_found", "There is no such alert.")
        return answer({**alert_document(row), "deliveries": delivery_documents(db, row)})


def replay_alert(parts: PartsOf, caller: CallerOf, alert_id: AlertId, asked: Replay) -> Response:
    """Send an alert again, to every channel that was to say it or to one. The message ids stay."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        channel = find_channel(db, here.id, asked.channel) if asked.channel is not None else None
        if find_alert(db, here.id, alert_id) is None or (asked.channel is not None and channel is None):
            raise Problem(404, "not_found", "There is no such alert, or no such channel.")
        count = replay(db, alert_id, channel.id if channel else None, parts.clock.now_us())
    return Response(answer({"deliveries": count}).body, 202, media_type="application/json")


def acknowledge_alert(parts: PartsOf, caller: CallerOf, alert_id: AlertId, said: Acknowledgement) -> Response:
    """Say that you see to what is open of an alert's thread."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        return answer({"alerts": acknowledge(db, here.id, alert_id, actor_of(caller), said.note, parts.clock.now_us())})


def read_mutes(parts: PartsOf, caller: CallerOf) -> Response:
    """What nothing is said of for a while."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        return answer({"items": [mute_document(row) for row in mutes(db, here.id, parts.clock.now_us())], "next_cursor": None})


def begin_mute(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewMute) -> Response:
    """Say nothing of something until a moment. What is still so then is said then."""
    here = organization(parts.database, caller.organization)
    spec = MuteSpec((new.until - _EPOCH) // timedelta(microseconds=1), new.reason, new.alert_id, new.kind, new.budget_id)
    with directory.sequencer.append(parts.clock.now_us()) as pen:
        made = mute(pen, here.id, spec, actor_of(caller))
    return Response(answer(mute_document(made)).body, 201, media_type="application/json")


def end_mute(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, mute_id: MuteId) -> Response:
    """End a mute now."""
    here = organization(parts.database, caller.organization)
    with directory.sequencer.append(parts.clock.now_us()) as pen:
        return answer(mute_document(unmute(pen, here.id, mute_id, actor_of(caller))))


def set_thresholds(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, budget_id: BudgetId, asked: Thresholds) -> Response:
    """At which shares of its cap a budget tells; the usual ones are 50, 80, 90 and 100%."""
    here = organization(parts.database, caller.organization)
    try:
        percents = read_percents(asked.percents)
    except BadThresholds as fault:
        raise Problem(400, "invalid_request", str(fault)) from None
    set_percents(directory.sequencer, here.id, budget_id, percents, parts.clock.now_us(), actor_of(caller))
    return answer({"budget_id": budget_id, "percents": list(percents)})
