"""The Budget Negotiator: a team asks for money for a time, with evidence; Finance signs, edits or declines; what is signed
becomes a hard budget with a beginning and an end, and every call of the scope draws on it.

The signature is the budget's CAP entry: who signed, who asked, from what parent. Its number and hash stand with the
envelope, so that anybody who has the ledger can say whether this is what was signed.

At any moment a scope has one envelope at most; a top-up adds to it or extends it. A project's lies in its team's, a
team's in the organisation's, where these have one: what is allocated never exceeds the parent, whose own cap stays as
it is. Moving allocations is a transfer with two legs that sum to zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.core.budget import Amount, Scope
from tallystick.core.currencies import Limit
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql.budget_rows import BudgetRow, rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec, checked, spec_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import note_change
from tallystick.stores.sql.envelope_rows import (
    COLUMNS, EnvelopeRow, allocated, around, fallback_of, find_envelope, is_required, signed_on, used,
)
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.policies import Policies, PolicySpec
from tallystick.stores.sql.policies import checked as check_policy
from tallystick.stores.sql.team_names import scope_now

ENVELOPES_MAX: Final = 10_000                # of an organisation
TEXT_CHARS_MAX: Final = 2_000
_SETTABLE: Final = ("amount", "asked", "starts_us", "ends_us", "owner", "state", "decided_us", "decided_by", "comment", "budget", "parent",
                    "signed_seq", "signed_hash", "fallback")


@dataclass(frozen=True, slots=True)
class EnvelopeSpec:
    """What somebody asks for: so much money for a scope in a time. `starts_us` None: from when it is signed."""

    scope: Scope
    limit: Limit
    asked: str
    ends_us: int
    purpose: str
    starts_us: int | None = None
    owner: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What Finance changes of a request before it signs; None: as it was asked for."""

    limit: Limit | None = None
    starts_us: int | None = None
    ends_us: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Cheaper models, each by the pattern of those it stands in for, from which percent of an envelope on."""

    models: Mapping[str, str]
    at_percent: int = 80


@dataclass(frozen=True, slots=True)
class Envelopes:
    """The changes of envelopes, each one transaction of the ledger's pen. `by`: the account's id, or `cli`."""

    sequencer: Sequencer

    def request(self, organization: int, spec: EnvelopeSpec, now_us: int, by: str) -> EnvelopeRow:
        """Ask for an envelope. Raises Refused for what could not be signed as it stands, whatever else there is."""
        check_envelope(spec, now_us)
        with self.sequencer.append(now_us) as pen:
            return _keep(pen, organization, spec, by)

    def sign(self, organization: int, envelope: int, terms: Terms, now_us: int, by: str) -> EnvelopeRow:
        """Sign a request, edited or as it is. Raises Refused: `overlap` with what is signed for the scope, `above_the_parent`,
        `decided`."""
        with self.sequencer.append(now_us) as pen:
            asked = _open(pen.db, organization, envelope)
            return self._sign(pen, asked, terms, by)

    def grant(self, organization: int, spec: EnvelopeSpec, now_us: int, by: str) -> EnvelopeRow:
        """Sign an envelope that nobody asked for. Raises Refused as `sign` does."""
        check_envelope(spec, now_us)
        with self.sequencer.append(now_us) as pen:
            return self._sign(pen, _keep(pen, organization, spec, by), Terms(limit=spec.limit), by)

    def decline(self, organization: int, envelope: int, comment: str, now_us: int, by: str) -> EnvelopeRow:
        """Say no, and why. Raises Refused."""
        _check_text("comment", comment, least=1)
        with self.sequencer.append(now_us) as pen:
            row = _open(pen.db, organization, envelope)
            return _set(pen, replace(row, state="declined", decided_us=now_us, decided_by=by, comment=comment))

    def top_up(self, organization: int, envelope: int, limit: Limit | None, ends_us: int | None, reason: str, now_us: int,
               by: str) -> EnvelopeRow:
        """Add to a signed envelope, extend it, or both. Raises Refused as `sign` does."""
        _check_text("reason", reason, least=1)
        with self.sequencer.append(now_us) as pen:
            row, budget = _signed(pen.db, organization, envelope)
            extra = 0 if limit is None else limit.value
            end_us = budget.ends_us if ends_us is None else ends_us
            if end_us is None or (ends_us is not None and ends_us <= (budget.ends_us or 0)) or (limit is None and ends_us is None):
                raise Refused("invalid_request", "A top-up adds money, or a later end.")
            if budget.ends_us is not None and budget.ends_us <= now_us:
                raise Refused("ended", "This envelope has ended; ask for a new one.")
            _check_free(pen.db, row, (budget.starts_us, end_us))
            _check_parent(pen.db, row, extra, pen.now_us)
            self._alter(pen, row, budget, budget.amount + extra, end_us, by, event="topped up", reason=reason)
            return _reread(pen.db, row)

    def move(self, organization: int, source: int, target: int, limit: Limit, reason: str, now_us: int, by: str) -> tuple[EnvelopeRow, ...]:
        """Move allocation from one envelope to another: from a parent's unallocated money to its child, back, or between
        children of one parent. Both as they are then. Raises Refused."""
        _check_text("reason", reason, least=1)
        with self.sequencer.append(now_us) as pen:
            ends = {number: _signed(pen.db, organization, number) for number in (source, target)}
            (giver, _), (taker, _) = ends[source], ends[target]
            if source == target or not (giver.id == taker.parent or taker.id == giver.parent or (giver.parent is not None
                                                                                                and giver.parent == taker.parent)):
                raise Refused("invalid_request", "Money moves between an envelope and the one it lies in, or between two of one parent.")
            _check_can_give(pen.db, giver, limit.value, taker, now_us)
            transfer = int(pen.db.execute("SELECT coalesce(max(transfer), 0) + 1 FROM envelope_leg WHERE organization = ?",
                                          (organization,)).fetchone()[0])
            for (row, budget), other, delta in ((ends[source], taker, -limit.value), (ends[target], giver, limit.value)):
                self._leg(pen, row, budget, delta, by, is_parent=row.id == other.parent, transfer=transfer, reason=reason)
            return tuple(_reread(pen.db, row) for row, _ in ends.values())

    def end(self, organization: int, envelope: int, now_us: int, by: str) -> EnvelopeRow:
        """End a signed envelope now, and its fallback with it. Raises Refused."""
        with self.sequencer.together(now_us) as one, one.append(now_us) as pen:
            row, budget = _signed(pen.db, organization, envelope)
            if budget.ends_us is not None and budget.ends_us <= now_us:
                raise Refused("ended", "This envelope has ended.")
            Budgets(one).end(pen, budget, max(now_us, budget.starts_us), by)
            if fallback_of(pen.db, row) is not None:
                Envelopes(one).fall_back(organization, envelope, None, now_us, by)
            return _reread(pen.db, row)

    def fall_back(self, organization: int, envelope: int, fallback: Fallback | None, now_us: int, by: str) -> EnvelopeRow:
        """Say which cheaper models calls of the scope go to once a share of a signed envelope is spent; None: none any
        more. It is a policy of the kind `downgrade` that looks at this envelope alone. Raises Refused."""
        with self.sequencer.together(now_us) as one, one.append(now_us) as pen:
            row, budget = _signed(pen.db, organization, envelope)
            stands, policies = fallback_of(pen.db, row), Policies(one)
            if fallback is None:
                if stands is None:
                    raise Refused("not_found", "This envelope has no fallback.")
                policies.remove(organization, stands.id, now_us, by)
                return _set(pen, replace(row, fallback=None))
            if budget.ends_us is not None and budget.ends_us <= now_us:
                raise Refused("ended", "This envelope has ended.")
            spec = PolicySpec("downgrade", row.scope, check_fallback(fallback, budget.id), name=f"envelope {row.id}")
            policy = policies.set(organization, spec, now_us, by)
            return _set(pen, replace(row, fallback=policy.id))

    def require(self, organization: int, scope: Scope, now_us: int, by: str) -> None:
        """From now on the scope may spend only while it has an envelope. Raises Refused."""
        nothing = BudgetSpec(scope, Amount(0, "money"), "total", name="envelope required")
        _check_scope(nothing)
        with self.sequencer.append(now_us) as pen:
            scope = scope_now(pen.db, organization, scope)
            nothing = replace(nothing, scope=scope)
            if is_required(pen.db, organization, scope):
                return
            row = Budgets(self.sequencer).make(pen, organization, nothing, "total", "UTC", by, starts_us=now_us)
            pen.db.execute("INSERT INTO envelope_required (organization, kind, value, budget) VALUES (?, ?, ?, ?)",
                           (organization, scope.kind, scope.value, row.id))

    def release(self, organization: int, scope: Scope, now_us: int, by: str) -> None:
        """The scope may spend without an envelope again. Raises Refused."""
        with self.sequencer.append(now_us) as pen:
            found = pen.db.execute("SELECT budget FROM envelope_required WHERE organization = ? AND kind = ? AND value = ?",
                                   (organization, scope.kind, scope.value)).fetchone()
            if found is None:
                raise Refused("not_found", "No envelope is required there.")
            [row] = rows(pen.db, " WHERE id = ?", (found[0],))
            pen.db.execute("DELETE FROM envelope_required WHERE budget = ?", (row.id,))
            pen.db.execute("UPDATE budget SET removed_us = ? WHERE id = ?", (now_us, row.id))
            Budgets(self.sequencer).say(pen, replace(row, removed_us=now_us), "removed", by)

    # --- inside --------------------------------------------------------------------------------

    def _sign(self, pen: Appending, asked: EnvelopeRow, terms: Terms, by: str) -> EnvelopeRow:
        start_us = terms.starts_us or max(asked.starts_us, 0) or pen.now_us
        end_us = terms.ends_us or asked.ends_us
        if end_us <= max(start_us, pen.now_us):
            raise Refused("invalid_request", "An envelope ends after it begins, and in the future.")
        _check_text("comment", terms.comment)
        _check_free(pen.db, asked, (start_us, end_us))
        parent = _parent_of(pen.db, asked, start_us)
        row = replace(asked, parent=parent.id if parent else None)
        limit = terms.limit
        granted = asked.amount if limit is None else limit.value
        _check_parent(pen.db, row, granted, pen.now_us)
        budget = self._budget(pen, row, granted, limit, (start_us, end_us), by)
        chain = pen.chain(row.organization)
        return _set(pen, replace(
            row, state="signed", decided_us=pen.now_us, decided_by=by, comment=terms.comment, budget=budget.id,
            signed_seq=chain.next_seq - 1, signed_hash=chain.head.hex(), budget_row=budget))

    def _budget(self, pen: Appending, row: EnvelopeRow, granted: int, limit: Limit | None, span_us: tuple[int, int], by: str) -> BudgetRow:
        """The budget that an envelope becomes; its CAP entry is the signature."""
        amount = Amount(granted, "money") if limit is None else limit.amount
        spec = BudgetSpec(row.scope, amount, "total", name=f"envelope {row.id}", owner=row.owner, ends_us=span_us[1], limit=granted,
                          rate=None if limit is None else limit.rate)
        said: dict[str, Any] = {"envelope": row.id, "requested_by": row.requested_by}
        if row.parent is not None:
            said["parent"] = row.parent
        return Budgets(self.sequencer).make(pen, row.organization, spec, "total", "UTC", by, span_us[0], **said)

    def _alter(self, pen: Appending, row: EnvelopeRow, budget: BudgetRow, granted: int, end_us: int | None, by: str, **said: Any) -> None:
        """The same envelope with another amount or end; from here on it is in dollars."""
        spec = replace(spec_of(budget), amount=Amount(granted, "money"), limit=granted, rate=None, ends_us=end_us)
        change = {("how" if name == "event" else name): value for name, value in said.items()}
        Budgets(self.sequencer).alter(pen, budget, spec, by, envelope=row.id, **change)

    def _leg(self, pen: Appending, row: EnvelopeRow, budget: BudgetRow, delta: int, by: str, *, is_parent: bool, transfer: int,
             reason: str) -> None:
        """One side of a transfer. A parent's cap stays: of it only what is unallocated moves."""
        pen.db.execute("INSERT INTO envelope_leg (organization, transfer, envelope, delta) VALUES (?, ?, ?, ?)",
                       (row.organization, transfer, row.id, delta))
        said: Mapping[str, Any] = {"transfer": transfer, "delta": str(delta), "reason": reason}
        if is_parent:
            Budgets(self.sequencer).say(pen, budget, "allocated", by, envelope=row.id, **said)
        else:
            self._alter(pen, row, budget, budget.amount + delta, budget.ends_us, by, **said)


def _keep(pen: Appending, organization: int, spec: EnvelopeSpec, by: str) -> EnvelopeRow:
    top = pen.db.execute("SELECT coalesce(max(id), 0) FROM envelope").fetchone()[0]
    if pen.db.execute("SELECT count(*) FROM envelope WHERE organization = ?", (organization,)).fetchone()[0] >= ENVELOPES_MAX:
        raise Refused("too_many", f"There are {ENVELOPES_MAX} envelopes.")
    scope = scope_now(pen.db, organization, spec.scope)
    row = EnvelopeRow(int(top) + 1, organization, scope.kind, scope.value, spec.limit.value, spec.asked, spec.starts_us or 0,
                      spec.ends_us, spec.owner, spec.purpose, spec.evidence, "requested", pen.now_us, by, None, None, "", None, None,
                      None, None, None)
    pen.db.execute("INSERT INTO envelope (" + ", ".join(COLUMNS) + ") VALUES (" + ", ".join("?" * len(COLUMNS)) + ")",  # noqa: S608
                   tuple(getattr(row, column) for column in COLUMNS))
    return row


def _set(pen: Appending, row: EnvelopeRow) -> EnvelopeRow:
    pen.db.execute("UPDATE envelope SET " + ", ".join(f"{column} = ?" for column in _SETTABLE) + " WHERE id = ?",  # noqa: S608
                   (*(getattr(row, column) for column in _SETTABLE), row.id))
    note_change(pen.db)
    return row


def _reread(db: Connection, row: EnvelopeRow) -> EnvelopeRow:
    found = find_envelope(db, row.organization, row.id)
    assert found is not None, "an envelope is never deleted"
    return found


def _open(db: Connection, organization: int, envelope: int) -> EnvelopeRow:
    row = find_envelope(db, organization, envelope)
    if row is None:
        raise Refused("not_found", "There is no such envelope.")
    if row.state != "requested":
        raise Refused("decided", f"This envelope is {row.state} already.")
    return row


def _signed(db: Connection, organization: int, envelope: int) -> tuple[EnvelopeRow, BudgetRow]:
    row = find_envelope(db, organization, envelope)
    if row is None or row.budget_row is None:
        raise Refused("not_found", "There is no such signed envelope.")
    return row, row.budget_row


def _parent_of(db: Connection, row: EnvelopeRow, at_us: int) -> EnvelopeRow | None:
    """The envelope that this one lies in: the nearest that is signed for that time."""
    for scope in around(row.scope)[1:]:
        for found in signed_on(db, row.organization, scope):
            if found.active(at_us):
                return found
    return None


def _check_free(db: Connection, row: EnvelopeRow, span_us: tuple[int, int]) -> None:
    for other in signed_on(db, row.organization, row.scope):
        start_us, end_us = other.span_us
        if other.id != row.id and start_us < span_us[1] and span_us[0] < end_us:
            raise Refused("overlap", f"Envelope {other.id} is signed for this scope in that time; top it up instead.")


def _check_parent(db: Connection, row: EnvelopeRow, more: int, now_us: int) -> None:
    """Whether the parent has so much that is not allocated."""
    parent = find_envelope(db, row.organization, row.parent) if row.parent is not None else None
    if parent is not None and more > parent.granted - allocated(db, parent, now_us):
        raise Refused("above_the_parent", f"Envelope {parent.id}, in which it lies, has less than that unallocated.")


def _check_can_give(db: Connection, giver: EnvelopeRow, amount: int, taker: EnvelopeRow, now_us: int) -> None:
    """Whether an envelope has so much to give: of a parent what is unallocated, of another what is neither spent nor held
    nor allocated on."""
    if amount <= 0:
        raise Refused("invalid_request", "Say how much is to be moved.")
    if not (giver.active(now_us) and taker.active(now_us)):
        raise Refused("ended", "Both envelopes must be active.")
    free = giver.granted - allocated(db, giver, now_us)
    if taker.parent != giver.id:
        free = min(free, giver.granted - used(db, giver))
    if amount > free:
        raise Refused("above_the_parent", f"Envelope {giver.id} has less than that to give.")


def check_fallback(fallback: Fallback, budget: int = 1) -> Mapping[str, Any]:
    """The parameters of the policy that a fallback is. Raises Refused for one that cannot stand."""
    parameters = {"models": dict(fallback.models), "at_percent": fallback.at_percent, "budget": budget}
    check_policy(PolicySpec("downgrade", Scope("org"), parameters))
    return parameters


def check_envelope(spec: EnvelopeSpec, now_us: int) -> None:
    """Raises Refused for what could not be signed, whatever else there is."""
    if spec.limit.amount.unit != "money" or spec.limit.window is not None or spec.limit.value <= 0:
        raise Refused("invalid_request", "An envelope holds money, without a window: it has a beginning and an end.")
    if spec.ends_us <= max(now_us, spec.starts_us or 0):
        raise Refused("invalid_request", "An envelope ends after it begins, and in the future.")
    _check_scope(BudgetSpec(spec.scope, spec.limit.amount, "total", owner=spec.owner, limit=spec.limit.value))
    _check_text("purpose", spec.purpose, least=1)
    _check_text("evidence", spec.evidence)


def _check_scope(spec: BudgetSpec) -> None:
    checked(spec)
    if spec.scope.value.endswith("*"):
        raise Refused("invalid_request", "An envelope is for one team, project, user…; a template is a budget's.")


def _check_text(name: str, text: str, least: int = 0) -> None:
    most = TEXT_CHARS_MAX if name == "evidence" else VALUE_CHARS_MAX
    if not least <= len(text.strip()) <= len(text) <= most or not text.replace("\n", " ").isprintable():
        raise Refused("invalid_request", f"Write the {name} in {'at most' if not least else 'one to'} {most} characters.")
