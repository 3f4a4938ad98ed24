"""Sends alerts, and looks for those that no call brings up. A round: sweep when it is time or something changed, walk a piece
round the ledger, claim what is due, say it, write down how it went. Channels are spoken to side by side, one after another
within each; a round ends well before its claims do.

What is sent may arrive twice (this process may die between sending and writing that down), and says so by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import sleep
from typing import Final, Protocol

import structlog

from tallystick.channels import channel_of
from tallystick.channels.channel import Mail, Notice, Outcome, Reply, Request, Target
from tallystick.core.alerts.alert import moment_text
from tallystick.core.alerts.sending import GROUP_FROM
from tallystick.core.errors import UpstreamFault
from tallystick.core.peers import Network
from tallystick.ports import Clock
from tallystick.stores.sealing import BrokenSeal
from tallystick.stores.sql import alerts_deliveries as outbox, alerts_ledger
from tallystick.stores.sql.alerts_channels import Channels
from tallystick.stores.sql.alerts_deliveries import Claimed, DeliveryRow
from tallystick.stores.sql.alerts_raised import EASED, RESOLVED, AlertRow, open_marks
from tallystick.stores.sql.alerts_sweep import sweep
from tallystick.transport import mail, outbound

log = structlog.get_logger(__name__)

PERIOD_S: Final = 1.0
BREATH_S: Final = 0.005                      # between two pieces of the walk round the ledger, for calls
SWEEP_EVERY_US: Final = 60_000_000
SAY_S: Final = 20.0                          # one message, all its requests
ROUND_S: Final = 20.0                        # after it no further message is begun: a stop need not wait long
TALK_STEPS_MAX: Final = 8                    # requests that one notice may take


class Post(Protocol):
    """Performs what channels ask for. Tests bring their own network."""

    async def request(self, request: Request) -> Reply:
        """Raises BadAddress and UpstreamFault."""
        ...

    async def mail(self, message: Mail) -> Reply:
        """Raises UpstreamFault."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """The real one. `networks`: of the operator's own that may be reached; `server`: the operator's, None: there is none."""

    networks: tuple[Network, ...] = ()
    server: mail.MailServer | None = None

    async def request(self, request: Request) -> Reply:
        found = await outbound.exchange(request.method, request.url, request.headers, request.body, self.networks)
        return Reply(found.status, found.headers, found.body)

    async def mail(self, message: Mail) -> Reply:
        if self.server is None:
            raise UpstreamFault("connect", "no mail server is configured ([alerts.smtp])", written=False)
        status, said = await asyncio.to_thread(mail.send, self.server, message.message, message.recipients)
        return Reply(status, body=said)


@dataclass(slots=True)
class Alerts:
    """The job. `public_url`: how people reach this installation, for links. `ledger_key`: whose signatures the ledger has;
    None: nobody walks round it here."""

    channels: Channels
    clock: Clock
    post: Post
    public_url: str = ""
    ledger_key: bytes | None = None
    _looked_us: int = field(default=0, init=False)
    _swept_us: int = field(default=0, init=False)
    _change: int = field(default=-1, init=False)
    _forecast_since: dict[str, int] = field(default_factory=dict, init=False)

    def step(self) -> bool:
        """One round; whether there may be more to do at once. Raises StoreFault."""
        database, now_us = self.channels.database, self.clock.now_us()
        change = database.change_count()
        if change != self._change or now_us - self._swept_us >= SWEEP_EVERY_US:
            sweep(database, now_us, self._forecast_since)
            self._change, self._swept_us = change, now_us
        if self.ledger_key is not None and now_us - self._looked_us >= alerts_ledger.LOOK_EVERY_US:
            self._looked_us = now_us
            alerts_ledger.look(database, self.ledger_key, now_us, lambda: sleep(BREATH_S))
        with database.read() as db:
            if not outbox.is_due(db, now_us):
                return False
        with database.write() as db:
            claimed = outbox.claim(db, now_us)
        if claimed:
            asyncio.run(self._round(claimed))
        return bool(claimed)

    async def _round(self, claimed: Sequence[Claimed]) -> None:
        await asyncio.gather(*(self._say_all(one) for one in claimed))

    async def _say_all(self, claimed: Claimed) -> None:
        """Everything for one channel; what is not begun within the round is for the next."""
        ends_s = asyncio.get_running_loop().time() + ROUND_S
        for part in _parts(claimed):
            if asyncio.get_running_loop().time() < ends_s:
                await self._say(claimed, part)
            else:
                await asyncio.to_thread(self._release, part)

    def _release(self, part: Sequence[tuple[DeliveryRow, AlertRow]]) -> None:
        with self.channels.database.write() as db:
            for delivery, _ in part:
                outbox.release(db, delivery)

    async def _say(self, claimed: Claimed, part: Sequence[tuple[DeliveryRow, AlertRow]]) -> None:
        started_us = self.clock.now_us()
        thread, database = part[0][1].thread, self.channels.database
        notices, ticket = await asyncio.to_thread(self._notices, claimed, part)
        outcome = await self._outcome(claimed, notices, ticket)
        if outcome.result != "sent":
            log.warning("an alert could not be sent", channel=claimed.channel.name, status=outcome.status, again=outcome.result == "retry")

        def write() -> None:
            with database.write() as db:
                for delivery, _ in part:
                    outbox.finish(db, delivery, thread, outcome, started_us, self.clock.now_us())

        await asyncio.to_thread(write)

    async def _outcome(self, claimed: Claimed, notices: Sequence[Notice], ticket: str | None) -> Outcome:
        """Let the channel speak, and perform what it asks for."""
        row = claimed.channel
        channel = channel_of(row.kind)
        if channel is None:
            return Outcome("refused", said=f"there is no channel {row.kind}")
        try:
            values = {**{each.name: each.default for each in channel.fields}, **row.settings, **self.channels.secrets_of(row)}
        except BrokenSeal:
            return Outcome("refused", said="the channel's secrets do not open; set it again")
        talk = channel.say(notices, Target(values, ticket, self.clock.now_us() // 1_000_000))
        try:
            async with asyncio.timeout(SAY_S):
                asked = next(talk)
                for _ in range(TALK_STEPS_MAX):
                    asked = talk.send(await (self.post.mail(asked) if isinstance(asked, Mail) else self.post.request(asked)))
        except StopIteration as end:
            said: Outcome = end.value
            return said
        except outbound.BadAddress as fault:
            return Outcome("refused", said=str(fault))
        except UpstreamFault as fault:
            return Outcome("retry", said=str(fault))
        except TimeoutError:
            return Outcome("retry", said="it took too long")
        return Outcome("refused", said="the service does not come to an end")

    def _notices(self, claimed: Claimed, part: Sequence[tuple[DeliveryRow, AlertRow]]) -> tuple[list[Notice], str | None]:
        with self.channels.database.read() as db:
            names: Mapping[int, str] = dict(db.execute("SELECT id, slug FROM organization").fetchall())
            found = [self._notice(delivery, alert, names[alert.organization], tuple(open_marks(db, alert))) for delivery, alert in part]
            return found, outbox.ticket_of(db, claimed.channel.id, part[0][1].thread)

    def _notice(self, delivery: DeliveryRow, alert: AlertRow, organization: str, marks: tuple[str, ...]) -> Notice:
        over = delivery.event in (EASED, RESOLVED)
        return Notice(
            delivery.message_id, delivery.event, alert.id, organization, alert.kind, alert.thread, alert.severity, alert.title, alert.text,
            alert.facts, moment_text(alert.resolved_us if over and alert.resolved_us is not None else alert.at_us),
            alert.resolution if over else "", marks, self.public_url.rstrip("/") + alert.path if self.public_url and alert.path else "")


def _parts(claimed: Claimed) -> list[Sequence[tuple[DeliveryRow, AlertRow]]]:
    """What makes one message each: a burst is one for people, and one by one for programs."""
    channel = channel_of(claimed.channel.kind)
    if channel is not None and channel.groups and len(claimed.deliveries) >= GROUP_FROM:
        return [claimed.deliveries]
    return [(one,) for one in claimed.deliveries]
