"""The recorded traffic, read for tests: each exchange with what a correct reader gets out of it.

It lies outside the repository (`TALLYSTICK_SHARED`, else `../shared`); tests skip where it is absent.
"""

import base64
import gzip
import json
import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from tallystick import providers
from tallystick.core.call import Facts, ReplyHead
from tallystick.core.usage import Reading, Usage

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("TALLYSTICK_SHARED", ROOT.parent / "shared")) / "corpus"
OURS = {"google-ai-studio": "google", "vertex-ai": "vertex"}
STANDARD = {"standard", "default", "on_demand", "1"}      # 1: on demand, by the number of the enum
NOT_JUDGED = ("AMBIGUOUS", "INCONSISTENT")


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange. `expected` is None where nothing was expected of a reader."""

    id: str
    provider: str
    endpoint: str
    method: str
    path: str
    request: dict
    status: int
    headers: dict
    body: bytes
    streaming: bool
    expected: dict | None
    transport: str = "http"
    frames: tuple = ()                       # of a two-way connection: ("s", bytes) sent, ("r", bytes) received

    @property
    def billable(self):
        expected = self.expected or {}
        return expected.get("usage") is not None and not any(note.startswith(NOT_JUDGED) for note in expected.get("notes", ()))


def present():
    return (CORPUS / "exchanges.jsonl.gz").exists()


def exchanges():
    """Every recorded `http` exchange of the providers in `PROVIDERS`, the response-only samples included."""
    return [exchange for exchange in everything() if exchange.transport == "http" and is_ours(exchange)]


def sessions():
    """Every recorded two-way connection."""
    return [exchange for exchange in everything() if exchange.transport == "ws"]


def is_ours(exchange):
    return providers.provider(exchange.provider) is not None


def everything():
    """Every recorded exchange, whoever the provider and whatever the transport."""
    expected = {row["id"]: row for row in _rows(CORPUS / "expected.jsonl")}
    expected |= {row["id"]: row | {"tier_left_out": True} for row in _rows(CORPUS / "extra_expected.jsonl")}
    rows = (*_rows(CORPUS / "exchanges.jsonl.gz"), *_rows(CORPUS / "extra_responses.jsonl"))
    return [_exchange(row, OURS.get(row["provider"], row["provider"]), expected.get(row["id"])) for row in rows]


def bills(exchange):
    """What a recorded two-way connection bills, one reading for each bill."""
    session = providers.provider(exchange.provider).socket_for(exchange.path).dialect.session(None)
    found = []
    for way, message in exchange.frames:
        if way == "s":
            session.sent(message)
        elif (bill := session.received(message)) is not None:
            found.append(bill)
    assert session.finish() is None, "every answer that was begun was billed"
    return found


def total(readings):
    """A whole session as one reading, in the terms of the expected rows, which add its bills up."""
    stated = [reading for reading in readings if reading.usage is not None]
    usage = Usage()
    for reading in stated:
        usage = usage.plus(reading.usage)
    return Reading(usage=usage, model=stated[0].model if stated else None, parts=tuple(part for reading in stated for part in reading.parts))


def read(exchange, pieces=None):
    """Run an exchange through its route: the reading, or None where its route has no dialect or its
    reply is no success."""
    provider = providers.provider(exchange.provider)
    route, model = provider.route_for(exchange.method, exchange.path)
    if route.dialect is None or not 200 <= exchange.status < 300:
        return None
    facts = route.dialect.facts(exchange.request, model) if exchange.request else Facts(model=model)
    meter = route.dialect.meter(facts, ReplyHead(exchange.status, exchange.headers, exchange.streaming, exchange.path))
    for piece in pieces if pieces is not None else (exchange.body,):
        meter.feed(piece)
    return meter.finish()


def said(reading: Reading | None):
    """A reading in the terms of the expected rows."""
    if reading is None or reading.usage is None:
        return {"usage": None}
    stated = reading.stated
    # What guardrails charge beside a model is read, and the expected rows leave it out.
    return {
        "usage": reading.usage.inclusive(),
        "others": [(part.role, part.model, part.usage.inclusive()) for part in reading.parts if part.role != "guardrail"],
        "cost": stated.usd if stated else None,
        "upstream": stated.upstream_usd if stated and stated.byok else None,
        "tier": _tier(reading.traits.get("tier")),
        "model": reading.model,
    }


def wanted(expected: dict | None, reading: Reading | None):
    """What a row expects, in the same terms. A model is compared where both name one."""
    if expected is None or expected.get("usage") is None:
        return {"usage": None}
    return {
        "usage": _counts(expected["usage"]),
        "others": [(other["role"], other["model"] or _named(reading, place), _counts(other["usage"]))
                   for place, other in enumerate(expected.get("others") or [])],
        "cost": _decimal(expected.get("provider_cost_usd")),
        "upstream": _decimal(expected.get("byok_upstream_cost_usd")),
        "tier": _tier(reading.traits.get("tier") if reading and "tier_left_out" in expected else expected.get("service_tier")),
        "model": expected["model"] if reading is not None and reading.model else None,
    }


def differences(exchange, reading):
    """The names of what was read otherwise than expected; empty where all is right."""
    have, want = said(reading), wanted(exchange.expected, reading)
    return {name: (have.get(name), want[name]) for name in want if have.get(name) != want[name]}


def _named(reading, place):
    """The model of a part that the row does not name and the reader found."""
    return reading.parts[place].model if reading is not None and place < len(reading.parts) else None


def _exchange(row, provider, expected):
    url = urlsplit(row["url"])
    request = row["request_body"]
    if isinstance(request, str):
        try:
            request = json.loads(request)
        except ValueError:
            request = None
    return Exchange(
        id=row["id"], provider=provider, endpoint=row["endpoint"], method=row["method"], path=url.path,
        request=request if isinstance(request, dict) else {}, status=row["status"],
        headers={name.lower(): value for name, value in row["response_headers"].items()},
        body=_bytes(row["response_body"], row["response_body_encoding"]), streaming=row["streaming"], expected=expected,
        transport=row["transport"], frames=tuple(_frames(row)) if row["transport"] == "ws" else (),
    )


def _frames(row):
    """The frames in the order they went; a reconnection (`c`) is none."""
    lines = {"s": iter(row["request_body"].splitlines()), "r": iter(row["response_body"].splitlines())}
    return [(way, next(lines[way]).encode()) for way in row["frames_order"] if way in lines]


def _bytes(body, encoding):
    if body is None:
        return b""
    return base64.b64decode(body) if encoding == "base64" else body.encode()


def _rows(path):
    if not path.exists():
        return []
    data = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]


def _counts(usage):
    return {name: quantity for name, value in usage.items() if (quantity := _decimal(value))}


def _tier(name):
    """The standard tier has many names and may go unsaid; a kind of traffic names its tier last."""
    return None if name is None or name.lower() in STANDARD else name.lower().removeprefix("on_demand_")


def _decimal(value):
    return Decimal(value) if isinstance(value, str) else value
