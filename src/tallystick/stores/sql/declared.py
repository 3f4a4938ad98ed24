"""Budgets, policies and members as items of a file (stores/declaring.py); keys and envelopes stand beside, in
declared_keys.py and declared_envelopes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.core.budget import Amount, BadBudget, Scope
from tallystick.core.currencies import Rates, read_limit
from tallystick.core.membership import Membership, fault_of
from tallystick.core.moments import moment_text, read_moment
from tallystick.core.money import decimal_text
from tallystick.core.windows import BadWindow, parse_window
from tallystick.stores.declaring import Fields, Identity
from tallystick.stores.sql.budget_rows import NO_ENVELOPES, BudgetRow, rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec, spec_of
from tallystick.stores.sql.budgets import checked as check_budget
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.envelope_rows import fallbacks
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.members import Members, member_named
from tallystick.stores.sql.policies import Policies, PolicySpec
from tallystick.stores.sql.policies import checked as check_policy
from tallystick.stores.sql.policy_rows import PolicyRow, policy_rows


@dataclass(frozen=True, slots=True)
class Hand:
    """Whose organisation it is, who does it and when. `rates`: as configured, for limits in other currencies."""

    sequencer: Sequencer
    organization: int
    by: str
    now_us: Callable[[], int]
    rates: Rates


@dataclass(frozen=True, slots=True)
class BudgetSection:
    """Budgets, by scope, window and unit. Raises for a while are no part of it, nor what has ended."""

    hand: Hand
    name: str = "budgets"
    prunable: bool = True
    fields: tuple[str, ...] = ("scope", "value", "limit", "window", "zone", "mode", "on_exceed", "name", "owner", "note", "ends")

    def read(self, raw: Fields) -> tuple[Identity, Fields]:
        texts = texts_in(raw, self.fields)
        if "scope" not in texts or "limit" not in texts:
            raise Refused("invalid_request", "A budget has a scope and a limit.")
        try:
            limit = read_limit(texts["limit"], self.hand.rates)
            window = str(parse_window(texts.get("window", str(limit.window or "month"))))
        except (BadBudget, BadWindow) as fault:
            raise Refused("invalid_request", str(fault)) from None
        if limit.window is not None and str(limit.window) != window:
            raise Refused("invalid_request", "The limit and the window name two windows.")
        said = {**texts, "value": texts.get("value", ""), "window": window, "limit": limit_text(limit.amount)}
        if texts.get("ends"):
            said["ends"] = moment_text(moment_in(texts["ends"]))
        return (said["scope"], said["value"], window, limit.amount.unit), said

    def standing(self, db: Connection) -> Mapping[Identity, Fields]:
        found = rows(db, " WHERE organization = ? AND removed_us IS NULL AND kind <> 'header' AND (ends_us IS NULL OR ends_us > ?)"
                         f" AND {NO_ENVELOPES} ORDER BY id", (self.hand.organization, self.hand.now_us()))
        return {_identity(row): budget_fields(row) for row in found}

    def check(self, fields: Fields) -> None:
        check_budget(self._spec(fields))

    def put(self, fields: Fields) -> None:
        Budgets(self.hand.sequencer).set(self.hand.organization, self._spec(fields), self.hand.now_us(), self.hand.by)

    def take(self, identity: Identity) -> None:
        with self.hand.sequencer.database.read() as db:
            standing = rows(db, f" WHERE organization = ? AND removed_us IS NULL AND kind <> 'header' AND {NO_ENVELOPES} ORDER BY id",
                            (self.hand.organization,))
        found = [row.id for row in standing if _identity(row) == identity]
        for number in found:
            Budgets(self.hand.sequencer).remove(self.hand.organization, number, self.hand.now_us(), self.hand.by)

    def _spec(self, fields: Fields) -> BudgetSpec:
        try:
            limit = read_limit(fields["limit"], self.hand.rates)
        except BadBudget as fault:
            raise Refused("invalid_request", str(fault)) from None
        return BudgetSpec(
            Scope(fields["scope"], fields["value"]), limit.amount, fields["window"], fields.get("zone"), fields.get("mode", "hard"),
            fields.get("on_exceed", "reject"), fields.get("name", ""), fields.get("owner", ""), fields.get("note", ""),
            moment_in(fields["ends"]) if fields.get("ends") else None, limit.value, limit.rate)


@dataclass(frozen=True, slots=True)
class PolicySection:
    """Policies, by kind, scope and name; `parameters` is a table."""

    hand: Hand
    name: str = "policies"
    prunable: bool = True
    fields: tuple[str, ...] = ("kind", "scope", "value", "name", "mode", "parameters", "owner", "note", "starts", "ends")

    def read(self, raw: Fields) -> tuple[Identity, Fields]:
        texts = texts_in({name: value for name, value in raw.items() if name != "parameters"}, self.fields)
        if "kind" not in texts or "scope" not in texts:
            raise Refused("invalid_request", "A policy has a kind and a scope.")
        if not isinstance(raw.get("parameters", {}), dict):
            raise Refused("invalid_request", "parameters is a table.")
        said: dict[str, Any] = {**texts, "value": texts.get("value", ""), "name": texts.get("name", "")}
        said |= {name: moment_text(moment_in(texts[name])) for name in ("starts", "ends") if texts.get(name)}
        if "parameters" in raw:
            said["parameters"] = raw["parameters"]
        return (said["kind"], said["scope"], said["value"], said["name"]), said

    def standing(self, db: Connection) -> Mapping[Identity, Fields]:
        return {(row.kind, row.on_kind, row.on_value, row.name): _policy_fields(row) for row in self._rows(db)}

    def _rows(self, db: Connection) -> list[PolicyRow]:
        """Those that people set as such: a fallback is its envelope's."""
        theirs = fallbacks(db, self.hand.organization)
        return [row for row in policy_rows(db, self.hand.organization) if row.id not in theirs]

    def check(self, fields: Fields) -> None:
        check_policy(self._spec(fields))

    def put(self, fields: Fields) -> None:
        Policies(self.hand.sequencer).set(self.hand.organization, self._spec(fields), self.hand.now_us(), self.hand.by)

    def take(self, identity: Identity) -> None:
        with self.hand.sequencer.database.read() as db:
            found = [row.id for row in self._rows(db)
                     if (row.kind, row.on_kind, row.on_value, row.name) == identity]
        for number in found:
            Policies(self.hand.sequencer).remove(self.hand.organization, number, self.hand.now_us(), self.hand.by)

    @staticmethod
    def _spec(fields: Fields) -> PolicySpec:
        return PolicySpec(
            fields["kind"], Scope(fields["scope"], fields["value"]), fields.get("parameters", {}), fields.get("mode", "enforce"),
            fields["name"], fields.get("owner", ""), fields.get("note", ""),
            moment_in(fields["starts"]) if fields.get("starts") else None, moment_in(fields["ends"]) if fields.get("ends") else None)


@dataclass(frozen=True, slots=True)
class MemberSection:
    """What members are, by address. Nobody joins by a file, for a password does not belong into one."""

    hand: Hand
    members: Members
    name: str = "members"
    prunable: bool = True
    fields: tuple[str, ...] = ("email", "role", "teams")

    def read(self, raw: Fields) -> tuple[Identity, Fields]:
        texts = texts_in({name: value for name, value in raw.items() if name != "teams"}, self.fields)
        teams = raw.get("teams", [])
        if "email" not in texts or not isinstance(teams, list) or not all(isinstance(team, str) for team in teams):
            raise Refused("invalid_request", "A member has an email, a role, and a list of teams.")
        return (texts["email"],), {**texts, **({"teams": sorted(set(teams))} if "teams" in raw else {})}

    def standing(self, db: Connection) -> Mapping[Identity, Fields]:
        found = db.execute("SELECT a.email FROM membership m JOIN account a ON a.id = m.account WHERE m.organization = ? ORDER BY a.email",
                           (self.hand.organization,)).fetchall()
        members = [member for (email,) in found if (member := member_named(db, self.hand.organization, email)) is not None]
        return {(member.email,): {"email": member.email, "role": member.membership.role, "teams": sorted(member.membership.teams)}
                for member in members}

    def check(self, fields: Fields) -> None:
        with self.hand.sequencer.database.read() as db:
            if member_named(db, self.hand.organization, fields["email"]) is None:
                raise Refused("not_found", "is no member; `tallystick members add` takes somebody in.")
        if fault := fault_of(self._membership(fields)):
            raise Refused("invalid_request", fault)

    def put(self, fields: Fields) -> None:
        self.members.change(self.hand.organization, self._account(fields["email"]), lambda _: self._membership(fields),
                            self.hand.now_us(), self.hand.by)

    def take(self, identity: Identity) -> None:
        self.members.remove(self.hand.organization, self._account(identity[0]), self.hand.now_us(), self.hand.by)

    def _account(self, email: str) -> str:
        with self.hand.sequencer.database.read() as db:
            member = member_named(db, self.hand.organization, email)
        if member is None:
            raise Refused("not_found", f"{email} is no member.")
        return member.account

    @staticmethod
    def _membership(fields: Fields) -> Membership:
        return Membership(fields["role"], frozenset(fields.get("teams", ())))


def limit_text(amount: Amount) -> str:
    """An amount as `parse_limit` reads it, always in the same form."""
    if amount.unit != "money":
        return f"{amount.value} {amount.unit}"
    text = decimal_text(amount.value).rstrip("0").rstrip(".")
    return text if amount.currency == "USD" else f"{text} {amount.currency}"


def budget_fields(row: BudgetRow) -> Fields:
    """A budget as a file says it."""
    said: dict[str, Any] = {
        "scope": row.kind, "value": row.value, "limit": limit_text(spec_of(row).amount), "window": row.span, "zone": row.zone,
        "mode": row.mode, "on_exceed": row.on_exceed, "name": row.name, "owner": row.owner, "note": row.note}
    return said if row.ends_us is None else {**said, "ends": moment_text(row.ends_us)}


def _identity(row: BudgetRow) -> Identity:
    return row.kind, row.value, row.span, row.unit


def _policy_fields(row: PolicyRow) -> Fields:
    said: dict[str, Any] = {"kind": row.kind, "scope": row.on_kind, "value": row.on_value, "name": row.name, "mode": row.mode,
                            "parameters": dict(row.said), "owner": row.owner, "note": row.note}
    if row.starts_us:
        said["starts"] = moment_text(row.starts_us)
    if row.ends_us is not None:
        said["ends"] = moment_text(row.ends_us)
    return said


def texts_in(raw: Fields, known: tuple[str, ...]) -> dict[str, str]:
    """What an item says in its text fields. Raises Refused for what is no text."""
    for name, value in raw.items():
        if not isinstance(value, str):
            raise Refused("invalid_request", f"{name} is a text in quotes.")
    return {name: raw[name] for name in known if name in raw}


def moment_in(text: str) -> int:
    """The instant that a field names. Raises Refused."""
    try:
        return read_moment(text)
    except ValueError as fault:
        raise Refused("invalid_request", str(fault)) from None
