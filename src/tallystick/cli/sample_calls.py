"""A week of invented calls for `tallystick demo`, told to the real line: each one runs through the exchange, is
priced by the shipped book, written to the real spool and shipped into the ledger, only by a clock that
is set by hand. No provider is asked and nothing was ever billed; every call is marked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final

import uuid_utils

from tallystick.core.call import Call, Facts
from tallystick.core.exchange import Admit, Asked, Authenticate, Caller, Delivered, Forward, Opening, Read, Refuse, Rules, Settle, exchange
from tallystick.core.identity import Claims, Principal
from tallystick.core.pricebook import PriceBook
from tallystick.core.settlement import Served
from tallystick.core.usage import Reading, usage_of
from tallystick.jobs.shipper import Shipper
from tallystick.providers import PROVIDERS
from tallystick.stores.disk import PosixDisk
from tallystick.stores.price_files import RowDescriptions
from tallystick.stores.recovery import open_spool
from tallystick.stores.spool import Bounds, Spool
from tallystick.stores.sql.journal import Sequencer

CALLS: Final = 300
WEEK_US: Final = 7 * 86_400_000_000
MARK: Final = "sample"
DIMENSIONS: Final[Mapping[str, str]] = {MARK: "true"}
_SHIP_EVERY: Final = 25
_SEGMENT_BYTES: Final = 1 << 20
# Path, provider, model: what teams ask for.
_ASKED: Final = (
    ("/v1/chat/completions", "openai", "gpt-4o-mini"), ("/v1/chat/completions", "openai", "gpt-5.4"),
    ("/v1/messages", "anthropic", "claude-sonnet-4-5"), ("/v1/messages", "anthropic", "claude-opus-4-6"),
    ("/v1beta/models/gemini-2.5-flash:generateContent", "google", "gemini-2.5-flash"),
    ("/v1/chat/completions", "mistral", "mistral-large-2512"),
)
_USERS: Final = ("sample-ada", "sample-ben", "sample-chi", "sample-dee")
_PROMPTS: Final = (("summarise", "1"), ("summarise", "2"), ("classify", "1"), ("draft-reply", "3"))


@dataclass(slots=True)
class HandClock:
    """ports.Clock, set by hand."""

    at_us: int

    def now_us(self) -> int:
        return self.at_us

    def monotonic_us(self) -> int:
        return self.at_us


def write(folder: Path, sequencer: Sequencer, book: PriceBook, callers: list[Principal], clock: HandClock, count: int = CALLS) -> None:
    """Tell so many calls of the week that begins at the clock's time; it ends where the week does. Raises
    StoreFault."""
    bounds = Bounds(_SEGMENT_BYTES, backlog_age_us_max=2 * WEEK_US)      # by the hand clock, a batch may be a day apart
    spool = open_spool(folder / "spool" / "0", lambda: uuid_utils.uuid7().hex, PosixDisk(), clock, bounds=bounds)
    shipper = Shipper(spool, sequencer, clock, folder / "quarantine", describe=RowDescriptions(book))
    chance = Random(20)                                  # noqa: S311 - the same week each time; nothing secret hangs on it
    start_us = clock.at_us
    # Two minutes apart or more, so that a call ends before the next begins and records stand in their order.
    places = sorted(chance.sample(range(WEEK_US // 120_000_000), count))
    assert all(before < after for before, after in pairwise(places))
    try:
        for number, place in enumerate(places, start=1):
            clock.at_us = start_us + place * 120_000_000
            asyncio.run(_tell(_Sample(chance, clock, chance.choice(callers)), Rules(book), spool))
            if number % _SHIP_EVERY == 0 or number == count:
                while shipper.step():
                    pass
        clock.at_us = start_us + WEEK_US
    finally:
        spool.close()


class _Sample:
    """One invented call: what was asked, and how it went."""

    def __init__(self, chance: Random, clock: HandClock, caller: Principal) -> None:
        self.clock = clock
        self.caller = caller
        path, provider_id, self.model = chance.choice(_ASKED)
        provider = next(known for known in PROVIDERS if known.id == provider_id)
        route, _ = provider.route_for("POST", path)
        request_id = f"req_{uuid_utils.uuid7(nanoseconds=clock.at_us * 1000).hex}"
        self.opening = Opening(request_id, clock.at_us, provider, route)
        self.output_tokens = chance.randint(40, 1_800)
        self.input_tokens = chance.randint(200, 12_000)
        self.latency_us = self.output_tokens * chance.randint(4_000, 9_000)
        self.path = path
        self.ending = chance.choices(("completed", "refused", "failed", "cut"), (90, 3, 5, 2))[0]
        self.user = chance.choice(_USERS)
        self.prompt = chance.choice(_PROMPTS)

    def asked(self) -> Asked:
        opening, facts = self.opening, Facts(model=self.model, stream=self.ending == "cut", output_limit=2_000)
        call = Call(opening.request_id, opening.provider.id, "POST", self.path, opening.route.operation,
                    opening.route.dialect.name if opening.route.dialect else None, facts, self.input_tokens * 4, opening.at_us)
        labels = {"user": self.user, "prompt_key": self.prompt[0], "prompt_version": self.prompt[1]}
        if self.ending == "refused":         # one that reaches for another team's budget
            labels["team"] = "sample-elsewhere"
        return Asked(call, Claims(labels, tags=((MARK, ""),), dimensions=DIMENSIONS))

    def delivered(self) -> Delivered:
        self.clock.at_us += self.latency_us
        served = Served(status=200, first_byte_us=self.latency_us // 4, latency_us=self.latency_us, reply_bytes=self.output_tokens * 5)
        if self.ending == "failed":
            return Delivered(replace(served, status=429, own_error=True), self.clock.at_us)
        if self.ending == "cut":
            reading = Reading(model=self.model, output_bytes=self.output_tokens * 4)
            return Delivered(replace(served, reading=reading, fault="reset"), self.clock.at_us)
        usage = usage_of(input_text=self.input_tokens, output_text=self.output_tokens)
        return Delivered(replace(served, reading=Reading(usage, model=self.model, ended=True)), self.clock.at_us)


async def _tell(sample: _Sample, rules: Rules, spool: Spool) -> None:
    """Answer the line's commands as the gateway would, with invented answers."""
    line, answer = exchange(sample.opening, rules), None
    while True:
        try:
            answer = await _perform(line.send(answer), sample, spool)
        except StopIteration:
            return


async def _perform(command: object, sample: _Sample, spool: Spool) -> Any:
    match command:
        case Authenticate():
            return Caller(sample.caller, "caller")
        case Read():
            return sample.asked()
        case Admit(admission):
            await spool.admit(admission)
            return admission
        case Forward():
            return sample.delivered()
        case Settle(settlement):
            await spool.settle(settlement)
        case Refuse(refusal):
            await spool.refuse(replace(refusal, status=403))
    return None
