"""Performs the commands of the exchange: the only file that does. It decides nothing: what decides
belongs into `core/exchange.py`, what reads bytes into a meter, what passes them on into the relay.

One instance serves all calls of a process. A call's own state lives in `_Conversation`, from its
first line to its one outcome; nothing is shared between calls but the ports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from functools import partial
from typing import Any, Final

import structlog

from tallystick.core import exchange as line
from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.call import Call, Facts, Meter, ReplyHead
from tallystick.core.credential_health import Standings
from tallystick.core.custody import Kept
from tallystick.core.dialect import ErrorShape, Provider
from tallystick.core.errors import Denied, MayStand, StoreFault, UpstreamFault
from tallystick.core.identity import Claims, Principal
from tallystick.core.money import decimal_text
from tallystick.core.policies.counters import WHOLE, Part
from tallystick.core.retry_after import stated_wait_us
from tallystick.core.settlement import Served, settle
from tallystick.edge import attribution, credentials, inbound, policing, promptcost
from tallystick.edge.body import BodyFault, BodyLimits
from tallystick.edge.carrying import Carrier
from tallystick.edge.doors import Doors, Shares, Stay
from tallystick.edge.headers import to_client
from tallystick.edge.heads import Aim, Head
from tallystick.edge.objects import Objects
from tallystick.edge.outgoing import Outgoing
from tallystick.edge.paths import error_shape, resolve
from tallystick.edge.relay import Client, DrainSlots, Relay, Send, own_error, reply_head
from tallystick.edge.replies import refuse, status_of, upstream_failed
from tallystick.edge.settling import Settling
from tallystick.ports import Budgets, Clock, Credentials, Custody, Ids, Journal, Keyring, RawHeaders, UpstreamReply, Upstreams
from tallystick.providers.dialects.stream_usage import UsageRemover
from tallystick.telemetry import Telemetry

log = structlog.get_logger(__name__)

Receive = Callable[[], Any]
_UNREAD = inbound.Inbound(b"", Claims(), Facts())


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as the line needs it."""

    keyring: Keyring
    journal: Journal
    upstreams: Upstreams
    sandbox: Callable[[Provider, str, Facts, bytes, str], UpstreamReply]
    custody: Custody
    clock: Clock
    ids: Ids
    credentials: Credentials
    budgets: Budgets
    standings: Standings = field(default_factory=lambda: Standings(lambda: 0, 0))     # nothing ever cools


@dataclass(frozen=True, slots=True)
class Setup:
    """What the operator decided: where providers are, how much is too much.

    models: (provider id, deployment) → model.
    """

    providers: Mapping[str, Provider]
    origins: Mapping[str, str]
    rules: line.Rules
    limits: BodyLimits
    models: Mapping[tuple[str, str], str] = field(default_factory=dict)
    anonymous: Principal | None = None
    part: Callable[[], Part] = lambda: WHOLE             # this instance's part of the rates that policies set
    drain: DrainSlots = field(default_factory=DrainSlots)
    doors: Doors = field(default_factory=lambda: Doors(Shares(), monotonic))


class Gateway:
    """ASGI app of the data plane."""

    def __init__(self, ports: Ports, setup: Setup, telemetry: Telemetry) -> None:
        self.ports = ports
        self.setup = setup
        self.telemetry = telemetry
        self._tasks: set[asyncio.Future[None]] = set()   # or they might be collected before they end
        self.settling = Settling(ports.journal, ports.budgets)
        self.admitted: set[_Conversation] = set()
        self.throttle = policing.Throttle(setup.part)

    def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        cycle = scope.get("extensions", {}).get("tallystick")
        if cycle is not None:
            head, lookup = cycle.head, cycle.fields
        else:
            head, lookup = Head(scope["method"], scope["raw_path"], "1.1", scope["headers"]), dict(scope["headers"])
        request_id = self.ports.ids.request_id()
        at_us = self.ports.clock.now_us()
        aim = head.aim or self._aim(scope, lookup)
        if isinstance(aim, Denied):
            refusal = Refusal(request_id, at_us, line.SYSTEM, aim.code)
            return self.refuse(refusal, aim, error_shape(scope["raw_path"], lookup), send)
        head.aim = aim
        return _Conversation(self, scope, receive, send, head, aim, lookup, request_id, at_us).run()

    def _aim(self, scope: Mapping[str, Any], lookup: Mapping[bytes, bytes]) -> Aim | Denied:
        target = resolve(scope["method"], scope["raw_path"], scope["query_string"], lookup, self.setup.providers)
        if isinstance(target, Denied):
            return target
        route, path_model = target.provider.route_for(scope["method"], target.path)
        presented = credentials.present(target, lookup, self.ports.keyring)
        content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        return Aim(target, route, path_model, content_type, attribution.claims(scope["headers"]), presented)

    def cut_killed(self) -> None:
        """Cut the replies that a kill switch does not let run out. Called on the event loop."""
        for conversation in tuple(self.admitted):
            conversation.cut_if_killed()

    async def refuse(self, refusal: Refusal, denied: Denied, shape: ErrorShape, send: Send) -> None:
        """Journal a refusal and answer it."""
        reply = refuse(denied, shape, refusal.request_id)
        await self._journal(replace(refusal, status=reply.status))
        await _answer(send, reply.status, reply.headers, reply.body)

    def refused_at_the_gate(self, request_id: str, denied: Denied) -> None:
        """Journal what the HTTP gate refused and answered before a call could be made of it."""
        refusal = Refusal(request_id, self.ports.clock.now_us(), line.SYSTEM, denied.code, status_of(denied.code))
        task = asyncio.ensure_future(self._journal(refusal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _journal(self, refusal: Refusal) -> None:
        """A journal that fails does not turn a refusal into a pass."""
        try:
            await self.ports.journal.refuse(refusal)
        except StoreFault:
            log.exception("a refusal could not be journaled", request_id=refusal.request_id, code=refusal.code)
        self.telemetry.observe_refusal(refusal)


class _Conversation:
    """One call. The exchange asks, this does."""

    def __init__(
        self, gateway: Gateway, scope: dict[str, Any], receive: Receive, send: Send, head: Head, aim: Aim,
        lookup: Mapping[bytes, bytes], request_id: str, at_us: int,
    ) -> None:
        self._gateway = gateway
        self._ports = gateway.ports
        self._setup = gateway.setup
        self._scope = scope
        self._receive = receive
        self._send = send
        self._head = head
        self._aim = aim
        self._target = aim.target
        self._lookup = lookup
        self._request_id = request_id
        self._at_us = at_us
        self._route, self._path_model = aim.route, aim.path_model
        self._asked = _UNREAD
        self._claims = _UNREAD.claims
        self._caller: credentials.Caller | None = None
        self._carrier = Carrier(gateway.ports.credentials, gateway.ports.standings, aim.target)
        self._outgoing = Outgoing(head, aim.target, lookup, gateway.setup.origins.get(aim.target.provider.id, ""))
        self._edits_reply = False
        self._objects = Objects(gateway.ports.custody, aim.route, request_id, self._mark)
        self._admitted: Admission | None = None          # and not settled yet
        self._relay: Relay | None = None
        self._failure: Denied | None = None
        self._watch = policing.Watch(gateway.setup.rules.policies, gateway.throttle, at_us)
        self._stay = Stay(gateway.setup.doors)

    async def run(self) -> None:
        """Drive the exchange to its outcome."""
        opening = line.Opening(self._request_id, self._at_us, self._target.provider, self._route)
        script = line.exchange(opening, self._setup.rules)
        answer: Any = None
        try:
            while True:
                command = script.send(answer)
                answer = await _PERFORMERS[type(command)](self, command)
        except StopIteration:
            return
        except Exception:
            await self._give_up()
            raise
        finally:
            self._stay.end()
            self._gateway.admitted.discard(self)
            self._watch.end()
            self._relay = None               # it knows this conversation: nothing is left for the garbage collector to find

    def cut_if_killed(self) -> None:
        """Break off the reply where a kill switch says so; it is settled as one that was cut."""
        if self._admitted is not None:
            self._watch.cut(self._admitted, self._relay, self._ports.clock.now_us())

    async def _give_up(self) -> None:
        """A defect of ours must not leave an attempt open until the next start: what it may have cost is booked."""
        if self._relay is not None:
            await self._relay.discard()
        admission, self._admitted = self._admitted, None
        if admission is None:
            return
        book, now_us = line.book_of(admission, self._setup.rules), self._ports.clock.now_us()
        await self._book(settle(admission, Served(fault="cancelled"), book, self._target.provider, now_us))

    async def _book(self, settlement: Settlement) -> None:
        """Make a settlement durable and count it. One that cannot be written yet is no reason to let the caller wait."""
        await self._gateway.settling.book(settlement)
        self._gateway.telemetry.observe_settlement(self._target.provider.id, settlement)

    async def refuse(self, command: line.Refuse) -> None:
        await self._gateway.refuse(command.refusal, command.denied, self._target.error_shape, self._send)

    async def authenticate(self, _: line.Authenticate) -> line.Caller | Denied:
        claims = self._aim.claims
        if isinstance(claims, Denied):
            return claims
        self._claims = claims
        try:
            caller = await self._setup.doors.identify(
                self._scope, self._aim.presented, self._ports.keyring, anonymous=self._setup.anonymous, sandbox=claims.sandbox)
            if isinstance(caller, Denied):
                return caller
            self._caller = caller
            if caller.provider_credential is not None or claims.sandbox:
                sealed = policing.is_sealed(self._target, self._lookup) and not claims.sandbox
                return self._watch.told(line.Caller(caller.principal, "caller", sealed=sealed), self._setup.doors, self._scope)
            return self._watch.told(await self._take_stored(caller.principal), self._setup.doors, self._scope)
        except StoreFault:
            return Denied("journal_unavailable", "The key could not be checked just now; try again.", retry_after_s=5)

    async def _take_stored(self, principal: Principal) -> line.Caller | Denied:
        """The credential that the gateway holds for this key: the one it names, else its project's, else `default`."""
        name = principal.credential or "default"
        return await self._carrier.take(principal.organization, name) or line.Caller(principal, name)

    async def read(self, _: line.Read) -> line.Asked | Denied:
        assert self._caller is not None, "a body is read after its caller is known"
        if denied := self._stay.begin(self._caller.principal.key_id):
            return denied
        asked = await inbound.read(self._scope, self._aim, self._claims, self._receive, self._setup.limits, self._stay.hold)
        if isinstance(asked, Denied):
            return asked
        self._asked, self._claims = asked, asked.claims
        previous, whole = asked.facts.previous_response, isinstance(asked.body, bytes)
        if previous is None or self._carrier.secret is None:
            return line.Asked(self._call(asked), asked.claims, whole=whole)
        try:
            return line.Asked(self._call(asked), asked.claims, await self._objects.find(previous))
        except StoreFault:
            return Denied("journal_unavailable", "Whose the earlier response is could not be looked up; try again.", retry_after_s=5)

    def _mark(self, object_id: str) -> bytes:
        """The mark of one of the provider's objects, seen through the credential of this attempt."""
        caller = self._caller
        assert caller is not None, "objects are looked at after the caller is known"
        own = caller.provider_credential
        credential = own.reveal() if own is not None else f"stored:{self._carrier.name}"
        return self._ports.custody.mark(caller.principal.organization, self._target.provider.id, credential, object_id)

    def _call(self, asked: inbound.Inbound) -> Call:
        return inbound.call_of(asked, self._aim, self._scope["method"], self._setup.models, self._request_id, self._at_us)

    async def admit(self, command: line.Admit) -> Admission | Denied:
        if denied := await self._carrier.change(command.admission):
            return denied
        budgets, wanted = self._ports.budgets, self._watch.room(command)
        if isinstance(wanted, Denied):
            return wanted
        admission = await budgets.hold(wanted)
        if isinstance(admission, Denied):
            return admission
        if denied := self._watch.killed_meanwhile(admission, self._ports.clock.now_us()):
            budgets.cancel(admission)
            return denied
        try:
            await self._ports.journal.admit(admission)
        except StoreFault as fault:
            if not isinstance(fault, MayStand):          # else what it holds stays held, for the next start may book it
                budgets.cancel(admission)
            log.exception("an admission could not be journaled", request_id=self._request_id)
            return Denied("journal_unavailable", "The call could not be journaled, so it was not sent.", retry_after_s=5)
        self._admitted = admission
        self._carrier.goes(admission)
        self._gateway.admitted.add(self)
        return admission

    async def forward(self, command: line.Forward) -> line.Delivered:
        admission, clock = command.admission, self._ports.clock
        await self._let_go()
        name = policing.asked_name(self._setup.models, command)
        self._asked = self._watch.sends(self._asked, command, self._route, name)
        self._target = self._outgoing.target = policing.aimed(self._target, self._route, name)
        started_us = clock.monotonic_us()
        try:
            reply = await self._send_upstream(admission)
        except (UpstreamFault, asyncio.CancelledError) as broken:    # cancelled: the process stops and waits no longer
            fault = broken if isinstance(broken, UpstreamFault) else UpstreamFault("cancelled", "the gateway stops", written=True)
            # A request that the caller never finished sending is none that a provider can bill.
            unfinished = isinstance(fault, BodyFault)
            self._failure = self._watch.cut_by(broken) or (fault.denied if isinstance(fault, BodyFault) else upstream_failed(fault))
            latency_us = clock.monotonic_us() - started_us
            served = Served(fault=fault.kind, written=fault.written and not unfinished, latency_us=latency_us)
            return self._delivered(admission, served)
        head = reply_head(reply, self._asked.facts, self._target.path)
        meter = self._meter(head)
        edit = UsageRemover() if self._asked.asked_usage and head.streaming else self._watch.narrows if head.status == 200 else None
        self._edits_reply = edit is not None
        relay = self._relay = Relay(self._client(), clock, self._setup.drain, head_for=self._client_head, edit=edit)
        served = await relay.carry(reply, meter, head, started_us)
        wait_us: int | None = None
        if served.status >= 400:
            error = own_error(relay.gathered(), head)
            reading = served.reading if error.keys() & {"usage", "usageMetadata"} else None
            served = replace(served, reading=reading, own_error=bool(error))
            wait_us = stated_wait_us(head.headers, error, clock.now_us())
            if self._target.promptcost:
                self._failure = promptcost.key_refused(served.status)
        if relay.gathered() is not None:
            self._failure = self._watch.cut_by(None) or self._failure
        job = await self._objects.find_job(served.reading)
        self._objects.keep(admission, served.reading, job)
        return self._delivered(admission, served, job, wait_us, in_hand=relay.gathered() is not None)

    def _delivered(self, admission: Admission, served: Served, job: Kept | None = None, wait_us: int | None = None, *,
                   in_hand: bool = True) -> line.Delivered:
        self._carrier.observe(admission, served, wait_us)
        return line.Delivered(served, admission.at_us + served.latency_us, job, in_hand, wait_us)

    async def _let_go(self) -> None:
        """Another attempt takes the place of what the one before answered."""
        if self._relay is not None:
            await self._relay.discard()
        self._relay = self._failure = None

    async def _send_upstream(self, admission: Admission) -> UpstreamReply:
        caller, asked = self._caller, self._asked
        assert caller is not None, "a call goes upstream only after it was authenticated"
        if admission.sandbox:
            body = asked.body if isinstance(asked.body, bytes) else b""
            return self._ports.sandbox(
                self._target.provider, self._route.operation, asked.facts, body, self._outgoing.url_path(caller))
        return await self._ports.upstreams.send(self._outgoing.request(
            caller, asked, self._carrier.secret, identity=asked.asked_usage or self._watch.narrows is not None,
            at_us=self._ports.clock.now_us()))

    def _meter(self, head: ReplyHead) -> Meter | None:
        """A form has passed by now: only its reply is judged by what it asked. An error that states usage is billed too."""
        dialect = self._route.dialect
        if dialect is None or not (200 <= head.status < 300 or head.status >= 400):
            return None
        form = self._asked.form
        facts = dialect.facts(form.fields, self._path_model) if form is not None else self._asked.facts
        return dialect.meter(facts, head)

    async def settle_job(self, command: line.SettleJob) -> None:
        await self._book(replace(command.settlement, object_mark=self._objects.made))
        self._objects.made = None            # the poll's own settlement makes nothing

    async def settle(self, command: line.Settle) -> None:
        """The settlement first, then the last piece."""
        await self.book(line.Book(command.settlement))
        await self.give_back(line.GiveBack())

    async def book(self, command: line.Book) -> None:
        settlement = command.settlement
        self._watch.settled = settlement
        made = self._objects.made
        await self._book(replace(settlement, object_mark=made) if made is not None else settlement)
        self._admitted = None

    async def give_back(self, _: line.GiveBack) -> None:
        """Let the answer in hand go: the provider's, or what became of the attempt."""
        if self._failure is not None:
            reply = refuse(self._failure, self._target.error_shape, self._request_id, extra=self._carrier.disclosed)
            await _answer(self._send, reply.status, reply.headers, reply.body)
            if self._relay is not None:
                await self._relay.discard()
            return
        assert self._relay is not None, "a settlement without a failure has a reply"
        assert self._watch.settled is not None, "what goes out is settled"
        await self._relay.finish(_cost_header(self._watch.settled))

    def _client(self) -> Client:
        cycle = self._scope.get("extensions", {}).get("tallystick")
        return Client(self._send, cycle.answer, cycle.gone, cycle.abort, cycle.watch) if cycle is not None else Client(
            self._send, partial(_answer, self._send), gone=lambda: False, abort=_cannot_abort)

    def _client_head(self, headers: RawHeaders, cost_usd: str | None) -> list[tuple[bytes, bytes]]:
        ours = [(b"x-tallystick-request-id", self._request_id.encode())]
        if cost_usd is not None:
            ours.append((b"x-tallystick-cost-usd", cost_usd.encode()))
        ours += self._watch.disclosed
        ours += self._carrier.disclosed
        own = self._caller is not None and self._caller.provider_credential is not None
        return to_client(headers, own_credential=own, edited=self._edits_reply, ours=ours)


_PERFORMERS: Final[Mapping[type[line.Command], Callable[[_Conversation, Any], Awaitable[Any]]]] = {
    line.Authenticate: _Conversation.authenticate,
    line.Read: _Conversation.read,
    line.Admit: _Conversation.admit,
    line.Forward: _Conversation.forward,
    line.SettleJob: _Conversation.settle_job,
    line.Book: _Conversation.book,
    line.GiveBack: _Conversation.give_back,
    line.Settle: _Conversation.settle,
    line.Refuse: _Conversation.refuse,
}


def _cannot_abort() -> None:
    """Without the HTTP gate (tests of the bare app) an exception is the only way to cut a reply."""
    raise ConnectionAbortedError("the provider cut its reply")


def _cost_header(settlement: Settlement) -> str | None:
    return decimal_text(settlement.cost_nanos) if settlement.method in ("stated", "priced", "sandbox") else None


async def _answer(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
