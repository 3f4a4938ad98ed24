"""Channels that alerts go out by: list, set, remove, try. Addresses and tokens come in and never go out again: what is
shown of them is the origin."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, DirectoryOf, PartsOf, account_of, actor_of
from tallystick.control.channel_form import Asked, channel_document, spec_of
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.core.alerts.alert import Severity, moment_text
from tallystick.stores.sql.alerts_channels import VALUE_CHARS_MAX, Channels, find_channel, list_channels
from tallystick.stores.sql.alerts_deliveries import DeliveryRow, fire_test, last_deliveries
from tallystick.stores.sql.directory import organization

Name = Annotated[str, Path(max_length=64)]
Value = Annotated[str, Field(max_length=VALUE_CHARS_MAX)]


class NewChannel(BaseModel):
    """A channel to set. `values`: its address, tokens and settings, by the names of the kind's fields (docs/alerts.md)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: Literal["webhook", "slack", "teams", "discord", "email", "pagerduty", "jira"]
    values: Annotated[dict[str, Value], Field(max_length=20)]
    kinds: Annotated[list[Annotated[str, Field(max_length=64, pattern="^[a-z_]+$")]], Field(max_length=50)] = []
    severity: Severity = "info"
    quiet_hours: Annotated[str, Field(max_length=11)] = ""
    zone: Annotated[str, Field(max_length=64)] = "UTC"
    breaks_through: Severity | Literal["none"] = "critical"
    scopes: Annotated[list[Annotated[str, Field(max_length=600)]], Field(max_length=50)] = []


class Channel(BaseModel):
    """A channel, without what is sealed. `kinds` empty: alerts of all kinds; `scopes` empty: whoever's they are."""

    name: str
    kind: str
    origin: str
    settings: dict[str, str]
    version: int
    kinds: list[str]
    severity: str
    quiet_hours: str | None
    zone: str | None
    breaks_through: str | None
    scopes: list[str]
    set_at: datetime
    set_by: str


class NamedChannel(Channel):
    """A channel as it was set. `secret`: the signing secret, if one was drawn; shown this once."""

    secret: str | None


class LastDelivery(BaseModel):
    """The newest thing that a channel was to say. `state`: waiting, sent, failed or skipped; `at`: since when."""

    alert_id: int
    state: str
    at: datetime


class ListedChannel(Channel):
    """A channel, and how its last delivery went."""

    last_delivery: LastDelivery | None


class AllChannels(BaseModel):
    """All channels of the organisation; there is only one page."""

    items: list[ListedChannel]
    next_cursor: str | None


class Test(BaseModel):
    """The alert that is on its way; its deliveries say how it went."""

    alert_id: int


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/channels", tags=["alerts"])
    router.add_api_route("", read_channels, methods=["GET"], response_model=AllChannels)
    router.add_api_route("/{name}", set_channel, methods=["PUT"], response_model=NamedChannel)
    router.add_api_route("/{name}", remove_channel, methods=["DELETE"], response_model=Channel)
    router.add_api_route("/{name}/test", try_channel, methods=["POST"], response_model=Test, status_code=202)
    return router


def read_channels(parts: PartsOf, caller: CallerOf) -> Response:
    """All channels by name."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        rows = list_channels(db, here.id)
        last = last_deliveries(db, [row.id for row in rows])
    return answer({"items": [{**channel_document(row), "last_delivery": _last(last.get(row.id))} for row in rows], "next_cursor": None})


def set_channel(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, name: Name, new: NewChannel) -> Response:
    """Make a channel, or put another in the place of the one of that name."""
    here = organization(parts.database, caller.organization)
    asked = Asked(name, new.kind, new.values, tuple(new.kinds), new.severity, new.quiet_hours, new.zone, new.breaks_through,
                  tuple(new.scopes))
    spec, drawn = spec_of(asked, parts.alert_networks, parts.vault.entropy)
    with directory.sequencer.append(parts.clock.now_us()) as pen:
        row = _channels(parts).set(pen, here.id, spec, actor_of(caller))
    return answer({**channel_document(row), "secret": drawn})


def remove_channel(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, name: Name) -> Response:
    """Remove a channel; what waits for it is not sent."""
    here = organization(parts.database, caller.organization)
    with directory.sequencer.append(parts.clock.now_us()) as pen:
        row = _channels(parts).remove(pen, here.id, name, actor_of(caller))
    if row is None:
        raise Problem(404, "not_found", "There is no such channel.")
    return answer(channel_document(row))


def try_channel(parts: PartsOf, caller: CallerOf, name: Name) -> Response:
    """Send a test alert to this channel, quiet hours or not."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        row = find_channel(db, here.id, name)
        if row is None:
            raise Problem(404, "not_found", "There is no such channel.")
        number = fire_test(db, here.id, row, account_of(caller).email, parts.clock.now_us())
    return Response(answer({"alert_id": number}).body, 202, media_type="application/json")


def _last(row: DeliveryRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {"alert_id": row.alert, "state": row.state, "at": moment_text(row.made_us if row.done_us is None else row.done_us)}


def _channels(parts: Parts) -> Channels:
    return Channels(parts.database, parts.vault.keks, parts.vault.entropy)
