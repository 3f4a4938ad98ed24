"""Ninety days of invented calls for `tallystick demo`, told to the real line: each one runs through the exchange, is
priced by the shipped book, written to the real spool and shipped into the ledger, only by a clock that
is set by hand. No provider is asked and nothing was ever billed; every call is marked. What is asked stands in
`sample_company.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import uuid_utils

from tallystick.cli.sample_company import DAYS, Asked as Told, story
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

SPAN_US: Final = DAYS * 86_400_000_000
MARK: Final = "sample"
DIMENSIONS: Final[Mapping[str, str]] = {MARK: "true"}
_DAY_US: Final = 86_400_000_000
_SHIP_EVERY: Final = 250
_SEGMENT_BYTES: Final = 1 << 20
_LATENCY_US_MAX: Final = 25_000_000          # a call ends within its slot


@dataclass(slots=True)
class HandClock:
    """ports.Clock, set by hand."""

    at_us: int

    def now_us(self) -> int:
        return self.at_us

    def monotonic_us(self) -> int:
        return self.at_us


def write(folder: Path, sequencer: Sequencer, book: PriceBook, callers: Mapping[tuple[str, str], Principal], clock: HandClock) -> int:
    """Tell the calls from the clock's time until ninety days later; how many. `callers`: by team and project. Raises
    StoreFault."""
    bounds = Bounds(_SEGMENT_BYTES, backlog_age_us_max=2 * SPAN_US)      # by the hand clock, a batch may be a day apart
    spool = open_spool(folder / "spool" / "0", lambda: uuid_utils.uuid7().hex, PosixDisk(), clock, bounds=bounds)
    shipper = Shipper(spool, sequencer, clock, folder / "quarantine", describe=RowDescriptions(book))
    try:
        return asyncio.run(_tell_all(spool, shipper, Rules(book), callers, clock))
    finally:
        spool.close()


async def _tell_all(spool: Spool, shipper: Shipper, rules: Rules, callers: Mapping[tuple[str, str], Principal], clock: HandClock) -> int:
    chance = Random(20)                                  # noqa: S311 - the same days each time; nothing secret hangs on it
    start_us, count = clock.at_us, 0
    for count, (told, at_us) in enumerate(_timed(start_us, chance), start=1):
        clock.at_us = at_us
        await _tell(_Sample(told, chance, clock, callers[told.project.team, told.project.name]), rules, spool)
        if not count % _SHIP_EVERY:
            _ship(shipper)
    _ship(shipper)
    clock.at_us = start_us + SPAN_US
    return count


def _timed(start_us: int, chance: Random) -> Iterator[tuple[Told, int]]:
    """The calls and their moments. The story begins with the clock's day; what it tells of before the clock is left out."""
    midnight_us = start_us // _DAY_US * _DAY_US
    weekday = datetime.fromtimestamp(midnight_us // 1_000_000, UTC).weekday()
    for told in story(weekday, (start_us + SPAN_US - midnight_us) // 1_000_000, chance):
        if (at_us := midnight_us + told.second * 1_000_000) >= start_us:
            yield told, at_us


def _ship(shipper: Shipper) -> None:
    while shipper.step():
        pass


class _Sample:
    """One invented call: what was asked, and how it went."""

    def __init__(self, told: Told, chance: Random, clock: HandClock, caller: Principal) -> None:
        self.told = told
        self.clock = clock
        self.caller = caller
        model = told.version.model
        provider = next(known for known in PROVIDERS if known.id == model.provider)
        route, _ = provider.route_for("POST", model.path)
        request_id = f"req_{uuid_utils.uuid7(nanoseconds=clock.at_us * 1000).hex}"
        self.opening = Opening(request_id, clock.at_us, provider, route)
        self.latency_us = min(_LATENCY_US_MAX, 300_000 + told.output_tokens * chance.randint(4_000, 9_000))

    def asked(self) -> Asked:
        opening, told, model = self.opening, self.told, self.told.version.model
        facts = Facts(model=model.name, stream=told.outcome == "cut", output_limit=4_000)
        call = Call(opening.request_id, opening.provider.id, "POST", model.path, opening.route.operation,
                    opening.route.dialect.name if opening.route.dialect else None, facts, told.input_tokens * 4, opening.at_us)
        labels = {"user": told.user, "prompt_key": told.prompt.key, "prompt_version": told.version.name,
                  "environment": told.project.environment, "cost_center": told.project.cost_center}
        if told.project.agent and told.session:
            labels |= {"agent": told.project.agent, "session": told.session}
        if told.outcome == "refused":        # one that reaches for another team's budget
            labels["team"] = "sample-elsewhere"
        return Asked(call, Claims(labels, tags=((MARK, ""),), dimensions=DIMENSIONS))

    def delivered(self) -> Delivered:
        self.clock.at_us += self.latency_us
        told, model = self.told, self.told.version.model.name
        served = Served(status=200, first_byte_us=self.latency_us // 4, latency_us=self.latency_us, reply_bytes=told.output_tokens * 5)
        if told.outcome == "failed":
            return Delivered(replace(served, status=429, own_error=True), self.clock.at_us)
        if told.outcome == "cut":
            reading = Reading(model=model, output_bytes=told.output_tokens * 4)
            return Delivered(replace(served, reading=reading, fault="reset"), self.clock.at_us)
        cached = round(told.input_tokens * told.version.cached)
        usage = usage_of(input_text=told.input_tokens - cached, cached_text=cached, output_text=told.output_tokens)
        return Delivered(replace(served, reading=Reading(usage, model=model, ended=True)), self.clock.at_us)


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
