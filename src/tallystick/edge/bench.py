"""The test bench of policies: a request that somebody wrote down is read by what reads requests and judged by what judges
calls. No credential in it is looked at, nothing is sent, held, counted or journaled.
"""

from __future__ import annotations

from typing import Any, Final

from tallystick.core.admitting import Asked, Caller, Opening, case_of
from tallystick.core.errors import Denied
from tallystick.core.identity import attribute, check_claims, with_active_version
from tallystick.core.policies.bench import Tried, tried
from tallystick.core.policies.book import PolicyBook
from tallystick.edge import attribution, credentials, inbound
from tallystick.edge.gateway import Setup
from tallystick.edge.heads import Aim
from tallystick.edge.paths import resolve
from tallystick.ports import Keyring, Pasted

_REQUEST_ID: Final = "req_" + "0" * 32
_LENGTH: Final = b"content-length"


async def try_out(setup: Setup, keyring: Keyring, pasted: Pasted) -> Tried | Denied:
    """What policies say of a request, or why it does not come before them."""
    headers = _plain(pasted)
    fields, raw_path, query = dict(headers), *_split(pasted.target)
    target = resolve(pasted.method, raw_path, query, fields, setup.providers)
    if isinstance(target, Denied):
        return target
    route, path_model = target.provider.route_for(pasted.method, target.path)
    claims = attribution.claims(headers)
    if isinstance(claims, Denied):
        return claims
    aim = Aim(target, route, path_model, fields.get(b"content-type", b""), claims, credentials.present(target, {}, keyring))
    scope = {"type": "http", "method": pasted.method, "raw_path": raw_path, "query_string": query, "headers": headers}
    asked = await inbound.read(scope, aim, claims, _Body(pasted.body), setup.limits, lambda _size: None)
    if isinstance(asked, Denied):
        return asked
    principal = pasted.principal
    booked = check_claims(asked.claims) or attribute(principal, asked.claims)
    if isinstance(booked, Denied):
        return booked
    if (active := setup.rules.versions.get(booked.organization)) is not None:
        booked = with_active_version(booked, active)
    call = inbound.call_of(asked, aim, pasted.method, setup.models, _REQUEST_ID, pasted.at_us)
    caller = Caller(principal, principal.credential or "default", pasted.address)
    case = case_of(Opening(_REQUEST_ID, pasted.at_us, target.provider, route), caller, Asked(call, asked.claims), booked, setup.rules)
    return tried(setup.rules.policies.get(booked.organization) or PolicyBook(), case)


class _Body:
    """ASGI's receive over a body in memory."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._body}


def _plain(pasted: Pasted) -> list[tuple[bytes, bytes]]:
    """The headers as a server has them, with the length that the body has."""
    named = [(name.lower(), value) for name, value in pasted.headers]
    kept = [(name, value) for name, value in named if name not in (_LENGTH, b"transfer-encoding")]
    return [*kept, (_LENGTH, str(len(pasted.body)).encode())] if pasted.body else kept


def _split(target: bytes) -> tuple[bytes, bytes]:
    path, _, query = target.partition(b"?")
    return path, query
