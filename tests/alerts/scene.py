"""An installation with budgets, channels and the job that sends, on a clock set by hand. What is sent goes to a service
in memory that can be away."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallystick.channels.channel import Mail, Reply, Request
from tallystick.core.budget import Mode, Scope, parse_limit
from tallystick.core.errors import UpstreamFault
from tallystick.jobs.alerts import Alerts
from tallystick.stores.sql.alerts_channels import Channels, ChannelSpec
from tallystick.stores.sql.alerts_raised import AlertRow, list_alerts
from tallystick.stores.sql.budget_rows import BudgetRow
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.engine import DEFAULT
from tests.build.journal import Journal, admission, open_journal, run, settlement

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Service:
    """Takes whatever is sent, unless it is away or has an answer prepared."""

    away: bool = False
    answers: list[Reply] = field(default_factory=list)
    asked: list[Request | Mail] = field(default_factory=list)
    tried: int = 0

    async def request(self, request: Request) -> Reply:
        self.tried += 1
        if self.away:
            raise UpstreamFault("connect", "nobody there", written=False)
        answer = self.answers.pop(0) if self.answers else Reply(200, {}, b"ok")
        if answer.status < 300:
            self.asked.append(request)
        return answer

    async def mail(self, message: Mail) -> Reply:
        self.tried += 1
        if self.away:
            raise UpstreamFault("connect", "nobody there", written=False)
        self.asked.append(message)
        return Reply(250)

    def said(self) -> list[dict[str, Any]]:
        """The documents that arrived."""
        return [json.loads(request.body) for request in self.asked if isinstance(request, Request)]

    def ids(self) -> list[str]:
        return [dict(request.headers)["webhook-id"] for request in self.asked if isinstance(request, Request)]


@dataclass
class Scene:
    folder: Path
    journal: Journal
    service: Service
    job: Alerts
    number: int = 0

    def restart(self) -> None:
        """Another process over the same files, which remembers nothing."""
        self.journal = self.journal.restart()
        self.job = _job(self.journal, self.service)

    def pass_time(self, us: int) -> None:
        self.journal.clock.us += us

    def send(self, rounds_max: int = 100) -> None:
        """The job's turns, until it has nothing to do."""
        for _ in range(rounds_max):
            if not self.job.step():
                return
        raise AssertionError("the job does not come to rest")

    def spend(self, nanos: int, calls: int = 1) -> None:
        """Calls that cost so much together, settled and shipped."""
        for _ in range(calls):
            self.number += 1
            run(self.journal.spool.admit(admission(self.number, at_us=self.journal.clock.us)))
            run(self.journal.spool.settle(settlement(self.number, at_us=self.journal.clock.us, cost_nanos=nanos // calls)))
        self.journal.ship()

    def budget(self, limit: str, kind: str = "team", value: str = "search", mode: Mode = "hard") -> BudgetRow:
        amount, window = parse_limit(limit)
        return Budgets(self.journal.sequencer).set(
            DEFAULT, BudgetSpec(Scope(kind, value), amount, str(window or "month"), limit=amount.value, mode=mode),  # type: ignore[arg-type]
            self.journal.clock.now_us(), "cli")

    def channel(self, name: str = "ops", kind: str = "webhook", **more: Any) -> None:
        spec = ChannelSpec(name, kind, "https://hooks.example", more.pop("settings", {}),
                           more.pop("secrets", {"url": "https://hooks.example/in", "secret": SECRET}), **more)
        with self.journal.sequencer.append(self.journal.clock.now_us()) as pen:
            self.job.channels.set(pen, DEFAULT, spec, "cli")

    def alerts(self) -> list[AlertRow]:
        """The oldest first."""
        with self.journal.database.read() as db:
            return list_alerts(db, DEFAULT)[::-1]

    def percents(self) -> list[int]:
        return [row.facts["threshold_percent"] for row in self.alerts() if row.kind == "budget_threshold"]


def open_scene(folder: Path) -> Scene:
    journal, service = open_journal(folder), Service()
    return Scene(folder, journal, service, _job(journal, service))


def _job(journal: Journal, service: Service) -> Alerts:
    draws = iter(range(1, 10_000))
    channels = Channels(journal.database, lambda: (b"k" * 32,), lambda size: next(draws).to_bytes(size, "big"))
    return Alerts(channels, journal.clock, service, "https://tally.example")
