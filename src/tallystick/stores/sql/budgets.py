"""The budgets of an organisation: made, changed, raised for a while, removed; each change with its chained CAP
entry, who did it, and the raised change counter, in one transaction.

What is counted survives a change of the limit; another scope, window or unit is another budget. A budget
that is made in mid-window counts from that window's start and begins with what the ledger has booked there.
A change of the time zone acts at the next boundary: the budget ends with its window, and its successor
begins there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallystick.core.budget import EACH, KINDS, Amount, Budget, Mode, Raise, Scope
from tallystick.core.currencies import Rates, in_dollars, same_rate
from tallystick.core.entry import Fields
from tallystick.core.identity import NAME_CHARS_MAX, VALUE_CHARS_MAX
from tallystick.core.windows import BadWindow, bounds, parse_window
from tallystick.stores.sql.budget_rows import COLUMNS, NO_ENVELOPES, BudgetRow, find_budget, rows, value_kind
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.counting import hold_open_jobs
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import note_change
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.leases import Counting
from tallystick.stores.sql.pruned import RowsPruned
from tallystick.stores.sql.spending import spent
from tallystick.stores.sql.team_names import scope_now

ON_EXCEED: Final = ("reject", "clamp")
BUDGETS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class BudgetSpec:
    """A budget as somebody asks for it. `rate`: dollars for one unit of the amount's currency, as configured and named
    in the entry; None for dollars. A name, owner or note of None stays as it is."""

    scope: Scope
    amount: Amount
    window: str = "month"
    zone: str | None = None                  # the organisation's where it says none
    mode: Mode = "hard"
    on_exceed: str = "reject"
    name: str | None = None
    owner: str | None = None
    note: str | None = None
    ends_us: int | None = None
    limit: int = 0                           # in nano-USD, tokens or calls: the amount, converted
    rate: str | None = None


@dataclass(frozen=True, slots=True)
class Budgets:
    """The changes of budgets, each one transaction of the ledger's pen. `by`: the account's id, or `cli`."""

    sequencer: Sequencer

    def set(self, organization: int, spec: BudgetSpec, now_us: int, by: str) -> BudgetRow:
        """Make a budget, or change the one that stands for this scope, window and unit.

        Raises Refused for what cannot stand.
        """
        span, zone = checked(spec)
        with self.sequencer.append(now_us) as pen:
            spec = replace(spec, scope=scope_now(pen.db, organization, spec.scope))
            zone = zone or _zone_of(pen.db, organization)
            old = _standing(pen.db, organization, spec, span, now_us)
            _check_end(spec, now_us)
            if old is None:
                return self.make(pen, organization, spec, span, zone, by)
            if old.zone != zone:
                _, boundary_us = bounds(parse_window(span), ZoneInfo(old.zone), now_us)
                self.end(pen, old, boundary_us, by)
                return self.make(pen, organization, spec, span, zone, by, starts_us=boundary_us)
            return self.alter(pen, old, spec, by)

    def change(self, organization: int, budget_id: int, edit: Callable[[BudgetRow], BudgetSpec], now_us: int, by: str) -> BudgetRow:
        """Change one budget; its scope, window, zone and unit stay, for another of these is another budget. `edit` gives
        what it shall be, from what it is. Raises Refused."""
        with self.sequencer.append(now_us) as pen:
            row = _one(pen.db, organization, budget_id)
            spec = edit(row)
            checked(spec)
            if row.ends_us is not None and row.ends_us <= now_us:
                raise Refused("ended", "This budget has ended; set a new one.")
            if spec.ends_us != row.ends_us:
                _check_end(spec, now_us)
            if (spec.scope, spec.window, spec.zone, spec.amount.unit) != (row.scope, row.span, row.zone, row.unit):
                raise Refused("invalid_request", f"This budget counts {row.unit} on {row.scope} in windows of {row.span}; that stays.")
            return self.alter(pen, row, spec, by)

    def convert_anew(self, rates: Rates, now_us: int, by: str) -> list[tuple[BudgetRow, BudgetRow]]:
        """Convert the limits of budgets in other currencies by the rates in force now; what changed, before and after. A
        currency without a rate keeps its last one."""
        with self.sequencer.append(now_us) as pen:
            changed = []
            for row in rows(pen.db, " WHERE removed_us IS NULL AND rate IS NOT NULL ORDER BY id", ()):
                rate = rates.get(row.currency)
                if rate is None or same_rate(rate, row.rate) or row.currency_nanos is None:
                    continue
                limit = in_dollars(row.currency_nanos, rate)
                changed.append((row, self.alter(pen, row, replace(spec_of(row), limit=limit, rate=rate), by)))
            return changed

    def open_header(self, organization_slug: str, value: str, now_us: int) -> None:
        """Make the budget whose nodes bound calls of `team/project` by a header of theirs, unless it is there. It has no
        limit and begins with what the month has cost so far."""
        with self.sequencer.append(now_us) as pen:
            organization = pen.chain_of(organization_slug).organization
            scope = scope_now(pen.db, organization, Scope("header", value))
            spec = BudgetSpec(scope, Amount(0, "money"), mode="observe", limit=0)
            if _standing(pen.db, organization, spec, "month", now_us) is None:
                self.make(pen, organization, spec, "month", "UTC", "gateway")

    def raise_for(self, organization: int, budget_id: int, extra: int, until_us: int, reason: str, now_us: int, by: str) -> BudgetRow:
        """Add to a limit until a moment; what is negative takes away. Raises Refused."""
        if until_us <= now_us:
            raise Refused("invalid_request", "A raise ends in the future.")
        if not reason.strip() or len(reason) > VALUE_CHARS_MAX or not reason.isprintable():
            raise Refused("invalid_request", f"Say why, in at most {VALUE_CHARS_MAX} characters.")
        with self.sequencer.append(now_us) as pen:
            row = _one(pen.db, organization, budget_id)
            if row.amount + extra < 0:
                raise Refused("invalid_request", "A limit cannot be less than nothing.")
            number = len(row.raises) + 1
            pen.db.execute("INSERT INTO budget_raise (budget, number, amount, until_us, reason, created_us, created_by)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?)", (budget_id, number, extra, until_us, reason, now_us, by))
            return self.say(pen, replace(row, raises=(*row.raises, Raise(extra, until_us))), "raised", by,
                              extra=str(extra), until=until_us, reason=reason)

    def remove(self, organization: int, budget_id: int, now_us: int, by: str) -> None:
        """End a budget; what it counted stays in the ledger. Raises Refused."""
        with self.sequencer.append(now_us) as pen:
            row = _one(pen.db, organization, budget_id)
            pen.db.execute("UPDATE budget SET removed_us = ? WHERE id = ?", (now_us, budget_id))
            self.say(pen, replace(row, removed_us=now_us), "removed", by)

    def make(self, pen: Appending, organization: int, spec: BudgetSpec, span: str, zone: str, by: str,
             starts_us: int | None = None, **more: Any) -> BudgetRow:
        """A new budget, within an open transaction. `starts_us`: when, if not with its window. `more`: what its entry says
        besides."""
        top = pen.db.execute("SELECT coalesce(max(id), 0), count(*) FROM budget").fetchone()
        if top[1] >= BUDGETS_MAX:
            raise Refused("too_many", f"There are {BUDGETS_MAX} budgets; use a template for each user, key or tag.")
        opens_us = bounds(parse_window(span), ZoneInfo(zone), pen.now_us)[0] if starts_us is None else starts_us
        row = BudgetRow(
            int(top[0]) + 1, organization, spec.name or "", spec.scope.kind, spec.scope.value, span, zone, spec.amount.unit, spec.limit,
            spec.amount.currency, spec.amount.value if spec.amount.unit == "money" else None, spec.rate, spec.mode, spec.on_exceed,
            opens_us, spec.ends_us, spec.owner or "", spec.note or "", 1, pen.now_us, by, None)
        pen.db.execute("INSERT INTO budget (" + ", ".join(COLUMNS) + ") VALUES (" + ", ".join("?" * len(COLUMNS)) + ")",  # noqa: S608
                       tuple(getattr(row, column) for column in COLUMNS))
        if row.starts_us <= pen.now_us:
            _begin_with_what_is_booked(pen, row)
        return self.say(pen, row, "made", by, **more)

    def alter(self, pen: Appending, old: BudgetRow, spec: BudgetSpec, by: str, **more: Any) -> BudgetRow:
        """A budget made otherwise, within an open transaction."""
        row = replace(
            old, name=old.name if spec.name is None else spec.name, amount=spec.limit, currency=spec.amount.currency,
            currency_nanos=spec.amount.value if old.unit == "money" else None, rate=spec.rate, mode=spec.mode, on_exceed=spec.on_exceed,
            ends_us=spec.ends_us, owner=old.owner if spec.owner is None else spec.owner, note=old.note if spec.note is None else spec.note)
        if row == old:
            return old
        row = replace(row, version=old.version + 1)
        pen.db.execute(
            "UPDATE budget SET name = ?, amount = ?, currency = ?, currency_nanos = ?, rate = ?, mode = ?, on_exceed = ?, ends_us = ?,"
            " owner = ?, note = ?, version = ? WHERE id = ?",
            (row.name, row.amount, row.currency, row.currency_nanos, row.rate, row.mode, row.on_exceed, row.ends_us, row.owner, row.note,
             row.version, row.id))
        if row.mode == "hard" and old.mode != "hard":
            hold_open_jobs(pen, row.organization, row.budget())
        return self.say(pen, row, "changed", by, **more)

    def end(self, pen: Appending, old: BudgetRow, boundary_us: int, by: str) -> None:
        """End a budget at a moment, within an open transaction."""
        pen.db.execute("UPDATE budget SET ends_us = ?, version = version + 1 WHERE id = ?", (boundary_us, old.id))
        self.say(pen, replace(old, ends_us=boundary_us, version=old.version + 1), "ended", by)

    def say(self, pen: Appending, row: BudgetRow, event: str, by: str, **more: Any) -> BudgetRow:
        """Chain what a budget is from now on. A user's name stands in it as the ledger keeps persons: by number."""
        chain = pen.chain(row.organization)
        fields: Fields = {
            "kind": "CAP", "at": pen.now_us, "event": event, "actor": by, "budget": row.id, "scope": row.kind, "window": row.span,
            "zone": row.zone, "unit": row.unit, "limit": str(row.amount), "mode": row.mode, "on_exceed": row.on_exceed,
            "version": row.version, **more}
        if row.value:
            fields["value"] = chain.define(value_kind(row), row.value)
        for name in ("name", "owner", "note", "rate"):
            if text := getattr(row, name):
                fields[name] = text
        if row.unit == "money" and row.currency != "USD":
            fields["currency"], fields["currency_nanos"] = row.currency, str(row.currency_nanos)
        fields["starts"] = row.starts_us
        if row.ends_us is not None:
            fields["ends"] = row.ends_us
        chain.append(fields)
        note_change(pen.db)
        return row


def spec_of(row: BudgetRow) -> BudgetSpec:
    """A budget as it stands, to be set again with something changed."""
    amount = Amount(row.amount if row.currency_nanos is None else row.currency_nanos, row.unit, row.currency)
    return BudgetSpec(row.scope, amount, row.span, row.zone, row.mode, row.on_exceed, row.name, row.owner, row.note, row.ends_us,
                      row.amount, row.rate)


def _one(db: Connection, organization: int, budget_id: int) -> BudgetRow:
    row = find_budget(db, organization, budget_id)
    if row is None or row.removed_us is not None or row.kind == "header":
        raise Refused("not_found", "There is no such budget.")
    if not rows(db, f" WHERE id = ? AND {NO_ENVELOPES}", (budget_id,)):
        raise Refused("invalid_request", "This budget is an envelope's or a policy's; `tallystick envelopes` and `policies` change it.")
    return row


def _standing(db: Connection, organization: int, spec: BudgetSpec, span: str, now_us: int) -> BudgetRow | None:
    """The budget that stands for this scope, window and unit. One that has ended is not taken up again: it has not counted
    since."""
    found = rows(db, " WHERE organization = ? AND kind = ? AND value = ? AND span = ? AND unit = ? AND removed_us IS NULL"
                  f" AND (ends_us IS NULL OR ends_us > ?) AND {NO_ENVELOPES} ORDER BY id DESC LIMIT 1",
                 (organization, spec.scope.kind, spec.scope.value, span, spec.amount.unit, now_us))
    return found[0] if found else None


def _check_end(spec: BudgetSpec, now_us: int) -> None:
    if spec.ends_us is not None and spec.ends_us <= now_us:
        raise Refused("invalid_request", "A budget ends in the future.")


def _begin_with_what_is_booked(pen: Appending, row: BudgetRow) -> None:
    pen.flush()
    start_us, end_us = bounds(parse_window(row.span), ZoneInfo(row.zone), pen.now_us)
    counting = Counting()
    budget = row.budget()
    try:
        booked = spent(pen.db, row.organization, row.scope, row.unit, max(start_us, row.starts_us), min(end_us, row.ends_us or end_us))
    except RowsPruned as gone:
        raise Refused("pruned", f"What this window has cost so far is not known. {gone}") from None
    for subject, amount in booked.items():
        counting.spend(budget.node(subject, pen.now_us), end_us, amount)
    counting.write(pen.db)
    hold_open_jobs(pen, row.organization, budget)


def _zone_of(db: Connection, organization: int) -> str:
    return str(db.execute("SELECT zone FROM organization WHERE id = ?", (organization,)).fetchone()[0])


def proposed(db: Connection, organization: int, spec: BudgetSpec) -> Budget:
    """The budget as it would be, without a number. Raises Refused for what cannot stand."""
    span, zone = checked(spec)
    return Budget(0, scope_now(db, organization, spec.scope), parse_window(span), ZoneInfo(zone or _zone_of(db, organization)),
                  spec.limit, spec.amount.unit, spec.mode)


def checked(spec: BudgetSpec) -> tuple[str, str | None]:
    """The window and zone as they are written down. Raises Refused."""
    scope = spec.scope
    if scope.kind not in KINDS:
        raise Refused("invalid_request", f"A budget is on one of {', '.join(KINDS)}.")
    if (scope.kind == "org") != (not scope.value) or len(scope.value) > NAME_CHARS_MAX + VALUE_CHARS_MAX or not scope.value.isprintable():
        raise Refused("invalid_request", "A budget on anything but the organisation names what it is on.")
    if scope.kind == "project" and scope.value != EACH and "/" not in scope.value:
        raise Refused("invalid_request", "A project is named TEAM/PROJECT.")
    if scope.kind == "dimension" and "=" not in scope.value:
        raise Refused("invalid_request", "A dimension is named NAME=VALUE, or NAME=* for each value.")
    if spec.limit < 0 or spec.mode not in ("hard", "soft", "observe") or spec.on_exceed not in ON_EXCEED:
        raise Refused("invalid_request", "A limit is at least 0; its mode hard, soft or observe; what exceeds it is rejected or clamped.")
    if any(len(text) > VALUE_CHARS_MAX or not text.isprintable() for text in filter(None, (spec.name, spec.owner, spec.note))):
        raise Refused("invalid_request", f"Name, owner and note have at most {VALUE_CHARS_MAX} characters on one line.")
    try:
        if spec.zone is not None:
            ZoneInfo(spec.zone)
        return str(parse_window(spec.window)), spec.zone
    except BadWindow as fault:
        raise Refused("invalid_request", str(fault)) from None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("invalid_request", f"{spec.zone} is no time zone; say Europe/Berlin, America/New_York, UTC…") from None
