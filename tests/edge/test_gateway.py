"""What the gateway owes the books when it is itself at fault."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any

import pytest

from tallystick.core.call import Facts, ReplyHead
from tallystick.core.custody import Kept
from tallystick.core.dialect import Provider, Route
from tallystick.core.errors import StoreFault
from tallystick.core.exchange import Rules
from tallystick.core.secret import Secret
from tallystick.core.usage import Reading
from tallystick.edge.body import BodyLimits
from tallystick.edge.gateway import Gateway, Ports, Setup
from tallystick.ports import UpstreamRequest
from tallystick.providers import provider
from tallystick.stores.memory import MemoryJournal, NoBudgets
from tallystick.telemetry import Telemetry
from tests.build.edge import PROVIDERS, Issued
from tests.build.prices import book_of

AT_US = 1_795_000_000_000_000


class Careless:
    """A dialect whose meter breaks on the second piece."""

    name = "careless"

    def facts(self, _body: object, _path_model: str | None) -> Facts:
        return Facts(model="m-1", output_limit=100)

    def meter(self, _facts: Facts, _head: ReplyHead) -> Careless:
        self.pieces = 0
        return self

    ended = False

    def feed(self, _data: bytes) -> None:
        self.pieces += 1
        if self.pieces == 2:
            raise ZeroDivisionError

    def finish(self) -> Reading:
        return Reading()


class World:
    """Clock, ids, custody and a provider, as little as it takes."""

    def __init__(self) -> None:
        self.pieces = [b"data: 1\n\n", b"data: 2\n\n"]
        self.status = 200
        self.headers = [(b"Content-Type", b"text/event-stream")]
        self.closed = False
        self.outcome = MemoryJournal()
        self.asked: UpstreamRequest

    def now_us(self) -> int:
        return AT_US

    monotonic_us = now_us

    def request_id(self) -> str:
        return "req_1"

    def mark(self, *_: str) -> bytes:
        return b""

    async def find(self, *_: object) -> Kept | None:
        return None

    def keep(self, _mark: bytes, _kept: Kept) -> None: ...

    async def send(self, request: UpstreamRequest) -> World:
        self.asked = request
        return self

    @property
    def at_end(self) -> bool:
        return not self.pieces

    async def next(self) -> bytes | None:
        return self.pieces.pop(0) if self.pieces else None

    async def close(self) -> None:
        self.closed = True


def call(world: World, provider: Provider, path: bytes, body: bytes, *, own: bool = True) -> MemoryJournal:
    """One call with a key of ours and the caller's own credential (`own`), through the bare app."""
    journal = MemoryJournal()
    setup = Setup({provider.id: provider}, {provider.id: "https://provider.example"},
                  Rules(book_of(openai={"m-1": {"input_text": "2", "output_text": "10"}})), BodyLimits())
    ports = Ports(**dict.fromkeys((port.name for port in fields(Ports)), world)  # type: ignore[arg-type]
                  | {"keyring": Issued("tsk_a"), "journal": journal, "budgets": NoBudgets()})
    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "raw_path": path, "query_string": b"",
        "headers": [(b"x-tallystick-key", b"tsk_a"), (b"content-length", b"%d" % len(body)),
                    *([(b"authorization", b"Bearer sk-own")] if own else [])]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message: dict[str, Any]) -> None: ...

    world.outcome = journal
    asyncio.run(Gateway(ports, setup, Telemetry("0"))(scope, receive, send))
    return journal


def test_a_defect_of_ours_leaves_no_attempt_open() -> None:
    """A meter that raises: the caller sees a broken call, and the books its worst case, once."""
    world = World()
    careless = replace(PROVIDERS["openai"], routes=(Route("POST", "/v1/chat/completions", "chat", dialect=Careless()),))  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        call(world, careless, b"/v1/chat/completions", b'{"model":"m-1"}')
    [admission], [settlement] = world.outcome.admissions.values(), world.outcome.settlements.values()
    assert admission.hold_nanos > 100 * 10_000
    assert (settlement.cost_nanos, settlement.basis, settlement.outcome) == (admission.hold_nanos, "worst_case", "cut")
    assert world.closed


@pytest.mark.parametrize(("path", "origin", "theirs"), [
    (b"/proxy/bedrock/model/m/converse", "https://provider.example", "/model/m/converse"),
    (b"/proxy/bedrock/eu-west-1/model/a%2Fb/converse", "https://bedrock-runtime.eu-west-1.amazonaws.com", "/model/a%2Fb/converse"),
])
def test_a_region_in_the_path_chooses_the_host(path: bytes, origin: str, theirs: str) -> None:
    world, bedrock = World(), provider("bedrock")
    assert bedrock is not None
    world.headers, world.pieces = [(b"content-type", b"application/json")], [b"{}"]
    call(world, bedrock, path, b"{}")
    assert (world.asked.origin, world.asked.url_path) == (origin, theirs)


class Speechless(World):
    """Its store cannot be read; it does have a stored credential."""

    async def find(self, *asked: object) -> Any:
        if len(asked) == 1:                      # custody: one mark
            raise StoreFault("the database cannot be read")
        return Secret("sk-stored")


def test_a_store_that_cannot_say_whose_a_response_is_opens_none() -> None:
    responses = provider("openai")
    assert responses is not None
    world = Speechless()
    journal = call(world, responses, b"/v1/responses", b'{"model":"gpt-4o","input":"hi","previous_response_id":"resp_1"}', own=False)
    assert (journal.admissions, [refusal.code for refusal in journal.refusals]) == ({}, ["journal_unavailable"])
