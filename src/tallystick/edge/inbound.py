"""What a request asks, read once: its body, whole and strict where a dialect reads it, streamed
through where it is an upload; its facts; what its metadata claims. Two changes are made here and
nowhere else, both to our own matter: our metadata is cut out of the bytes, and a stream that would
state no usage is asked for it (which the relay undoes).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.call import Facts
from tallystick.core.dialect import Route
from tallystick.core.errors import Denied
from tallystick.core.identity import Claims
from tallystick.core.jsonbytes import remove_member
from tallystick.core.lean import lean
from tallystick.edge import attribution, promptcost, strict_json
from tallystick.edge.body import BodyLimits, Hold, Receive, Scope, read_body, stream_body, watched
from tallystick.edge.headers import FORM_TYPE, JSON_TYPE
from tallystick.edge.paths import Target
from tallystick.providers.dialects.form_fields import FormFields
from tallystick.providers.dialects.stream_usage import inject

STREAM_OPTIONS: Final = frozenset({"chat", "completions"})        # operations that know `stream_options.include_usage`


@lean
@dataclass(frozen=True, slots=True)
class Inbound:
    """A request, read. `body` is as it goes upstream.

    form: reads the fields of an upload as it passes. asked_usage: we asked the stream for usage, the
    caller did not. is_json: the body is JSON whatever its Content-Type says.
    """

    body: bytes | AsyncIterator[bytes]
    claims: Claims
    facts: Facts
    form: FormFields | None = None
    asked_usage: bool = False
    is_json: bool = False

    @property
    def body_bytes(self) -> int:
        """The body's size; 0 for one that streams through."""
        return len(self.body) if isinstance(self.body, bytes) else 0


@lean
@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a request goes, and what its head says."""

    scope: Scope
    target: Target
    route: Route
    path_model: str | None
    claims: Claims                           # of the headers


async def read(arrival: Arrival, receive: Receive, limits: BodyLimits, hold: Hold) -> Inbound | Denied:
    """The request, or why its body cannot be taken. `hold`: as for `read_body`."""
    scope, route = arrival.scope, arrival.route
    stated_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    content_type = stated_type.lower()
    if route.uploads and (route.dialect is None or not content_type.startswith(JSON_TYPE)):
        return _upload(arrival, receive, limits, stated_type.decode("latin-1"))
    body = await read_body(scope, receive, limits, hold)
    if isinstance(body, Denied):
        return body
    # On every other route curl's `-d` says form of the JSON that it sends; no form begins so.
    curls = body.startswith(b"{") and (not content_type or content_type.startswith(FORM_TYPE))
    is_json = bool(body) and (route.dialect is not None or curls)
    if is_json or (body and content_type.startswith(JSON_TYPE)):
        parsed = strict_json.parse(body)
        return parsed if isinstance(parsed, Denied) else _ask(arrival, parsed, body, is_json=is_json)
    if route.dialect is not None and route.method == "POST" and not body:
        return Denied("invalid_json", "The request has no body.")
    return Inbound(body, arrival.claims, Facts(model=arrival.path_model))


def _upload(arrival: Arrival, receive: Receive, limits: BodyLimits, content_type: str) -> Inbound | Denied:
    """A body of any size, never held; where a meter needs to know what it asks, its form is read as it passes."""
    stream = stream_body(arrival.scope, receive, limits)
    if isinstance(stream, Denied):
        return stream
    form = FormFields.of(content_type) if arrival.route.dialect is not None else None
    body = watched(stream, form.feed) if form is not None else stream
    return Inbound(body, arrival.claims, Facts(model=arrival.path_model), form=form)


def _ask(arrival: Arrival, parsed: dict[str, Any], body: bytes, *, is_json: bool) -> Inbound | Denied:
    """What a JSON body asks for."""
    route, target, claims = arrival.route, arrival.target, arrival.claims
    if attribution.PROMPTCOST_MEMBER in parsed:
        said = attribution.claims(arrival.scope["headers"], parsed)
        if isinstance(said, Denied):
            return said
        claims = said
        body = remove_member(body, attribution.PROMPTCOST_MEMBER)
    facts = route.dialect.facts(parsed, arrival.path_model) if route.dialect is not None else Facts(model=arrival.path_model)
    if target.promptcost and arrival.path_model is None and (missing := promptcost.missing_field(route.operation, parsed)):
        return missing
    unasked = facts.stream and not facts.wants_stream_usage
    asks_usage = target.provider.asks_stream_usage and unasked and route.operation in STREAM_OPTIONS
    return Inbound(inject(body) if asks_usage else body, claims, facts, asked_usage=asks_usage, is_json=is_json)
