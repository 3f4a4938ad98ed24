"""One instance's budgets, as the line asks for them (`ports.Budgets`): which are in force, who holds what, and why a
call is not let through.

A budget that appears, or turns hard, while calls run must count them too. In one step, without a wait, the
new books take effect and every open call holds on the new nodes; then the database leases what that takes.
Until all that was settled before that step is counted, nothing is granted on those nodes: only then does the
database know what was spent, and only then this instance acknowledges the change (decisions.md, "in force
when the command returns").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from tallystick.core.attempt import Admission, Settlement
from tallystick.core.broker import Attempt
from tallystick.core.budget import NO_BUDGETS, Budget, BudgetBook, Unit
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import Denied, Room, StoreFault
from tallystick.core.holding import draws_of, late_draw
from tallystick.core.lean import altered
from tallystick.core.money import decimal_text
from tallystick.core.windows import END_OF_TIME_US
from tallystick.stores.lending import Lacking, Lender, Lending
from tallystick.stores.sql import leases
from tallystick.stores.sql.budget_rows import books

log = structlog.get_logger(__name__)

WANTED_WITHIN_US: Final = 1_000_000
HELD_RETRY_AFTER_S: Final = 5
TEND_EVERY_US: Final = 1_000_000
_UNITS: Final[Mapping[Unit, str]] = {"money": "usd", "tokens": "tokens", "calls": "calls"}


@dataclass(slots=True)
class _Change:
    """A change of the control plane on its way into force."""

    number: int
    place: tuple[int, int]                   # of the spool, when the new books took effect


class BudgetKeeper:
    """All of it runs on the event loop; `lending.run_aside` runs the database's part beside it."""

    def __init__(self, lending: Lending, place: Callable[[], tuple[int, int]],
                 open_header: Callable[[str, str, int], None] = lambda _organization, _value, _now_us: None,
                 follow: Callable[[], object] = lambda: None, behind: Callable[[], bool] = lambda: False,
                 ruled: Callable[[], Collection[str]] = tuple) -> None:
        """`place`: how far the spool is written. `open_header`: makes the node that bounds calls of one (team, project)
        by a header of theirs; blocking. `follow`: takes up whatever else a change may be of, before this instance says
        that the change is in force; blocking. `behind`: whether the spool has records that no shipment has reached yet.
        `ruled`: the organisations that have policies."""
        self.books: dict[str, BudgetBook] = {}           # what `core.exchange.Rules` looks into
        self._lending = lending
        self._lender = Lender(lending)
        self._place = place
        self._open_header = open_header
        self._follow = follow
        self._behind = behind
        self._ruled = ruled
        self._capped: frozenset[str] = frozenset()       # organisations with a hard budget of their own
        self._admitted: dict[Attempt, Admission] = {}
        self._stated: dict[Attempt, int] = {}            # settlements on their way to the disk: of how many holds they speak
        self._by_id: dict[int, Budget] = {}
        self._start = (0, 0)                             # all before it was shipped before the first call
        self._seen = -1                                  # the change counter that the books stand for
        self._acknowledged = -1
        self._coming: _Change | None = None
        self._changed: set[int] = set()                  # budgets whose idle leases must go back: their caps moved
        self._tended_us = -TEND_EVERY_US                 # by the monotonic clock

    @property
    def lender(self) -> Lender:
        return self._lender

    async def start(self) -> None:
        """Take up the budgets, once the spool is shipped. Raises StoreFault, also where it is not: what earlier calls cost
        would pass for money that is still there."""
        if self._behind():
            raise StoreFault("what earlier calls cost is not in the ledger yet")
        await self._lender.start(-1)                     # from here on a change waits for this instance to follow it
        change, found = await self._lending.aside(self._read)
        self._put(found)
        self._seen = self._acknowledged = change
        self._start = self._place()

    # --- ports.Budgets -------------------------------------------------------------------------

    async def hold(self, admission: Admission) -> Admission | Denied:
        """Hold what the admission says, and what its own header bounds; the admission as it is to be written down."""
        attempt = (admission.request_id, admission.attempt)
        if self._lender.cut_off and self._is_governed(admission):
            return Denied("budget_unavailable", f"{self._silence()} Until then it lets no call through that a budget or a policy "
                          "may forbid; try again, or another gateway.", retry_after_s=HELD_RETRY_AFTER_S)
        if admission.budget_nanos is None and not admission.holds:
            self._admitted[attempt] = admission
            return admission
        before = self._by_id                             # what the admission was worked out by
        try:
            caps: dict[NodeKey, int] = {}
            if admission.budget_nanos is not None and admission.billable and not admission.sandbox:
                node = (await self._header(admission)).node("", admission.at_us)
                caps[node] = admission.budget_nanos
                admission = replace(admission, holds=(*admission.holds, Draw(node, admission.hold_nanos)))
            lacking = await self._lender.hold(attempt, admission.holds, caps)
            while lacking is None and (come := self._come_since(before, admission)):
                before = self._by_id
                self._lender.cancel(attempt)             # budgets that came while it waited hold it too
                admission = replace(admission, holds=(*admission.holds, *come))
                lacking = await self._lender.hold(attempt, admission.holds, caps)
        except StoreFault as fault:
            log.warning("budgets cannot be asked", request_id=admission.request_id, reason=str(fault))
            return Denied("budget_unavailable", "Whether this call fits its budgets cannot be told just now; try again.", retry_after_s=5)
        if lacking is not None:
            return self._denied(lacking)
        self._admitted[attempt] = admission
        return admission

    def cancel(self, admission: Admission) -> None:
        """The admission could not be made durable: nothing went upstream."""
        attempt = (admission.request_id, admission.attempt)
        if self._admitted.pop(attempt, None) is not None and admission.holds:
            self._lender.cancel(attempt)

    def drawn(self, settlement: Settlement) -> Settlement:
        """The settlement with what it draws of each node its attempt holds."""
        attempt = (settlement.request_id, settlement.attempt)
        admission = self._admitted.get(attempt)
        holds = self._lender.broker.draws_of(attempt)
        if admission is None or not holds:
            return settlement
        self._stated[attempt] = len(holds)
        return altered(settlement, draws=draws_of(holds, admission, settlement, self._unit_of))

    def settled(self, settlement: Settlement, place: tuple[int, int]) -> None:
        """The settlement is durable, and its record ends at this place of the spool."""
        attempt = (settlement.request_id, settlement.attempt)
        stated = self._stated.pop(attempt, None)
        if self._admitted.pop(attempt, None) is not None:
            self._lender.settled(attempt, settlement.draws, place, stated)

    def fault(self) -> str | None:
        """Why calls that a budget or a policy may forbid are refused, None while they are not."""
        return self._silence() if self._lender.cut_off and (self._capped or self._ruled()) else None

    # --- what runs beside the calls ------------------------------------------------------------

    async def step(self) -> None:
        """A bounded piece of housekeeping, every tenth of a second: follow the ledger and the control plane, say that
        this instance lives, give back what others want. Raises StoreFault."""
        upto, change = await self._lending.aside(self._look)
        if upto is not None:
            self._lender.shipped(upto)
        if change != self._seen and self._coming is None:
            await self._take_up()
        await self._finish_change(upto)
        if self._lending.clock.monotonic_us() - self._tended_us >= TEND_EVERY_US:
            await self._tend()

    async def stop(self) -> None:
        """At a graceful stop, after the last shipment: give everything back. Raises StoreFault."""
        upto, _ = await self._lending.aside(self._look)
        if upto is not None:
            self._lender.shipped(upto)
        await self._lender.stop()

    # --- inside --------------------------------------------------------------------------------

    async def _take_up(self) -> None:
        """Put new books in force, and hold open calls on what is new in them."""
        change, found = await self._lending.aside(self._read)
        before = self._by_id                             # from here on nothing else runs
        self._put(found)
        fresh = [(slug, budget) for slug, book in found.items() for budget in book.budgets if _fresh(budget, before)]
        self._adopt(fresh)
        self._lender.bar(budget.id for _, budget in fresh)
        changed = {number for number, budget in before.items() if self._by_id.get(number) != budget}
        self._lender.doubt(changed)
        self._changed |= changed
        self._seen, self._coming = change, _Change(change, self._place())

    def _adopt(self, fresh: list[tuple[str, Budget]]) -> None:
        """Hold every open call on the new budgets that it falls under."""
        for attempt, admission in self._admitted.items():
            for slug, budget in fresh:
                draw = late_draw(budget, admission) if slug == admission.attribution.organization else None
                if draw is not None:
                    self._lender.broker.adopt(attempt, draw)

    def _come_since(self, before: Mapping[int, Budget], admission: Admission) -> tuple[Draw, ...]:
        """What a call must hold of hard budgets that came into force since then."""
        if self._by_id is before:
            return ()
        book = self.books.get(admission.attribution.organization, NO_BUDGETS)
        draws = (late_draw(budget, admission) for budget in book.budgets if _fresh(budget, before))
        return tuple(draw for draw in draws if draw is not None)

    async def _finish_change(self, upto: tuple[int, int] | None) -> None:
        """Once all that was settled before the new books took effect is counted, grants may begin, and the change is in
        force here."""
        coming = self._coming
        if coming is None:
            return
        await self._lender.cover()
        if coming.place > self._start and (upto is None or upto < coming.place):
            return
        changed = set(self._changed)
        await self._lender.give_back([node for node in tuple(self._lender.broker.nodes) if node.budget in changed])
        if self._coming is not coming:                   # a header's call has taken up another change meanwhile
            return
        self._changed -= changed
        self._lender.unbar()
        self._coming, self._acknowledged = None, coming.number
        await self._tend()

    async def _tend(self) -> None:
        self._tended_us = self._lending.clock.monotonic_us()
        await self._lender.tend(self._acknowledged, wanted_since_us=self._lending.clock.now_us() - WANTED_WITHIN_US)

    async def _header(self, admission: Admission) -> Budget:
        """The budget whose nodes bound calls by their own header. Raises StoreFault."""
        labels, organization = admission.attribution.labels, admission.attribution.organization
        value = f"{labels.get('team', '')}/{labels.get('project', '')}"
        found = self.books.get(organization, NO_BUDGETS).header(value)
        if found is None:
            now_us = self._lending.clock.now_us()
            await self._lending.aside(lambda: self._open_header(organization, value, now_us))
            await self._take_up()
            found = self.books.get(organization, NO_BUDGETS).header(value)
        if found is None:
            raise StoreFault(f"the header budget of {value} could not be opened")
        return found

    def _denied(self, lacking: Lacking) -> Denied:
        """Why a call is not let through, in figures that a program can read."""
        short = lacking.short
        budget = self._by_id.get(short.node.budget)
        unit: Unit = budget.unit if budget is not None else "money"
        scope = _scope_text(budget, short.node.subject)
        cap, spent, held, needed = (_figure(unit, amount) for amount in (short.cap, short.settled, short.leased, short.needed))
        said = {"budget_id": str(short.node.budget), "scope": scope, f"limit_{_UNITS[unit]}": cap, f"spent_{_UNITS[unit]}": spent,
                f"held_{_UNITS[unit]}": held, f"needed_{_UNITS[unit]}": needed}
        if budget is not None and budget.policy:
            said["policy_id"] = str(budget.policy)
        if short.end_us < END_OF_TIME_US:
            said["resets_at"] = datetime.fromtimestamp(short.end_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        about = f"The budget of {scope} is {cap} {_UNITS[unit]}: {spent} spent, {held} held, {needed} needed by this call at most."
        if lacking.held:
            return Denied("budget_held", f"{about} There is room once other calls end.", retry_after_s=HELD_RETRY_AFTER_S, details=said)
        room = Room(short.node.budget, unit, short.cap - short.settled) if budget is not None and budget.clamp and unit != "calls" else None
        return Denied("budget_exceeded", about, details=said, room=room)

    def _is_governed(self, admission: Admission) -> bool:
        """Whether a change that this instance has not heard of may forbid the call. Of an organisation without hard budgets and
        policies calls are only metered, and go on."""
        organization = admission.attribution.organization
        return bool(admission.holds) or admission.budget_nanos is not None or organization in self._capped or organization in self._ruled()

    def _silence(self) -> str:
        if self._lender.fenced:
            return "This gateway was written off, or started again elsewhere, and has to be started anew."
        return f"This gateway has not followed its database for {self._lender.silent_us // 1_000_000} seconds."

    def _put(self, found: Mapping[str, BudgetBook]) -> None:
        self.books.clear()
        self.books.update(found)
        self._capped = frozenset(slug for slug, book in found.items()
                                 if any(budget.mode == "hard" and budget.scope.kind != "header" for budget in book.budgets))
        self._by_id = {budget.id: budget for book in found.values() for budget in book.budgets}

    def _unit_of(self, budget_id: int) -> Unit | None:
        found = self._by_id.get(budget_id)
        return found.unit if found is not None else None

    def _read(self) -> tuple[int, dict[str, BudgetBook]]:
        with self._lending.database.read() as db:
            change = int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])
            found = books(db)
        self._follow()
        return change, found

    def _look(self) -> tuple[tuple[int, int] | None, int]:
        with self._lending.database.read() as db:
            change = int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])
            return leases.counted_upto(db, self._lending.instance), change


def _fresh(budget: Budget, before: Mapping[int, Budget]) -> bool:
    """Whether it binds now and did not then."""
    return budget.mode == "hard" and (budget.id not in before or before[budget.id].mode != "hard")


def _scope_text(budget: Budget | None, subject: str) -> str:
    if budget is None:
        return "a budget that is gone"
    if budget.scope.kind == "org":
        return "the organisation"
    if budget.scope.kind == "header":
        return f"this call's own header for {budget.scope.value}"
    return f"{budget.scope.kind} {subject or budget.scope.value}"


def _figure(unit: Unit, amount: int) -> str:
    return decimal_text(amount) if unit == "money" else str(amount)
