"""What a request asks, read once: its body, whole and strict where a dialect reads it, streamed
through where it is an upload; its facts; what its metadata claims. Two changes are made here and
nowhere else, both to our own matter: our metadata is cut out of the bytes, and a stream that would
state no usage is asked for it (which the relay undoes).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.core.call import Call, Facts
from tallystick.core.errors import Denied
from tallystick.core.identity import Claims
from tallystick.core.jsonbytes import remove_member
from tallystick.core.lean import lean
from tallystick.edge import attribution, promptcost, strict_json
from tallystick.edge.body import BodyLimits, Hold, Receive, Scope, read_body, stream_body, watched
from tallystick.edge.headers import FORM_TYPE, JSON_TYPE
from tallystick.edge.heads import Aim
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


async def read(
    scope: Scope, aim: Aim, claims: Claims, receive: Receive, limits: BodyLimits, hold: Hold,
) -> Inbound | Denied:
    """The request, or why its body cannot be taken. `claims`: of its head. `hold`: as for `read_body`."""
    route, content_type = aim.route, aim.content_type.lower()
    if route.uploads and (route.dialect is None or not content_type.startswith(JSON_TYPE)):
        return _upload(scope, aim, claims, receive, limits)
    body = await read_body(scope, receive, limits, hold)
    if isinstance(body, Denied):
        return body
    # On every other route curl's `-d` says form of the JSON that it sends; no form begins so.
    curls = body.startswith(b"{") and (not content_type or content_type.startswith(FORM_TYPE))
    is_json = bool(body) and (route.dialect is not None or curls)
    if is_json or (body and content_type.startswith(JSON_TYPE)):
        parsed = strict_json.parse(body)
        return parsed if isinstance(parsed, Denied) else _ask(scope, aim, claims, parsed, body, is_json=is_json)
    if route.dialect is not None and route.method == "POST" and not body:
        return Denied("invalid_json", "The request has no body.")
    return Inbound(body, claims, Facts(model=aim.path_model))


def call_of(
    asked: Inbound, aim: Aim, method: str, models: Mapping[tuple[str, str], str], request_id: str, at_us: int,
) -> Call:
    """The call that a request is. `models`: (provider id, deployment) → model."""
    target, route, facts = aim.target, aim.route, asked.facts
    model = models.get((target.provider.id, facts.model)) if facts.model is not None else None
    return Call(
        request_id=request_id, provider=target.provider.id, method=method, path=target.path, operation=route.operation,
        dialect=route.dialect.name if route.dialect is not None else None, facts=facts if model is None else replace(facts, model=model),
        body_bytes=asked.body_bytes, at_us=at_us)


def _upload(scope: Scope, aim: Aim, claims: Claims, receive: Receive, limits: BodyLimits) -> Inbound | Denied:
    """A body of any size, never held; where a meter needs to know what it asks, its form is read as it passes."""
    stream = stream_body(scope, receive, limits)
    if isinstance(stream, Denied):
        return stream
    form = FormFields.of(aim.content_type.decode("latin-1")) if aim.route.dialect is not None else None
    body = watched(stream, form.feed) if form is not None else stream
    return Inbound(body, claims, Facts(model=aim.path_model), form=form)


def _ask(scope: Scope, aim: Aim, claims: Claims, parsed: dict[str, Any], body: bytes, *, is_json: bool) -> Inbound | Denied:
    """What a JSON body asks for."""
    route, target, path_model = aim.route, aim.target, aim.path_model
    if attribution.PROMPTCOST_MEMBER in parsed:
        said = attribution.claims(scope["headers"], parsed)
        if isinstance(said, Denied):
            return said
        claims = said
        body = remove_member(body, attribution.PROMPTCOST_MEMBER)
    facts = route.dialect.facts(parsed, path_model) if route.dialect is not None else Facts(model=path_model)
    if target.promptcost and path_model is None and (missing := promptcost.missing_field(route.operation, parsed)):
        return missing
    unasked = facts.stream and not facts.wants_stream_usage
    asks_usage = target.provider.asks_stream_usage and unasked and route.operation in STREAM_OPTIONS
    return Inbound(inject(body) if asks_usage else body, claims, facts, asked_usage=asks_usage, is_json=is_json)
