"""Do budgets do what somebody thinks they do? A cap that nobody can reach, that only watches since callers merely claim what
it is on, that a tighter one above it makes idle, or that not even one call fits, is one that its owner should hear of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import EACH, Scope
from tallystick.core.identity import LABELS
from tallystick.core.money import decimal_text
from tallystick.core.policies.delegation import Delegation
from tallystick.stores.sql.budget_rows import NO_ENVELOPES, BudgetRow, rows
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import KeyRow
from tallystick.stores.sql.policy_rows import policy_rows
from tallystick.stores.sql.scope_reach import QUIET_DAYS, Reach, can_ask, last_call, spent_of_late

# What a caller may claim and change at will: a hard budget on it binds where keys fix it, or a policy delegates it.
_CLAIMED: Final = frozenset((*LABELS, "tag", "dimension")) - {"team", "project"}


@dataclass(frozen=True, slots=True)
class LintedBudget:
    """What is odd about a budget; nothing where `findings` is empty. `last_matched_us` and `asked` as of a policy."""

    row: BudgetRow
    findings: tuple[str, ...]
    last_matched_us: int | None
    asked: bool


def lint(db: Connection, found: Iterable[BudgetRow], reach: Reach, now_us: int) -> list[LintedBudget]:
    """Look at budgets that stand, beside who can call, what calls cost, and each other."""
    linted: list[LintedBudget] = []
    others: dict[int, Sequence[BudgetRow]] = {}
    delegated: dict[int, frozenset[str]] = {}
    for row in found:
        here = row.organization
        if here not in others:
            others[here], delegated[here] = lintable(db, here), _delegated(db, here)
        findings = _at_once(db, row, others[here], delegated[here], reach, now_us)
        asked = can_ask(row.scope)
        last_us = last_call(db, here, row.scope, now_us) if asked else None
        if asked and last_us is None:
            findings.append(f"no call of the last {QUIET_DAYS} days was in {row.scope}")
        linted.append(LintedBudget(row, tuple(findings), last_us, asked))
    return linted


def warnings(db: Connection, row: BudgetRow, reach: Reach, now_us: int) -> list[str]:
    """What is to be said of a budget that was just set: all but that nothing was in its scope of late."""
    return _at_once(db, row, lintable(db, row.organization), _delegated(db, row.organization), reach, now_us)


def lintable(db: Connection, organization: int) -> list[BudgetRow]:
    """The budgets that people set: neither what headers bound nor what envelopes are made of."""
    return rows(db, f" WHERE organization = ? AND removed_us IS NULL AND kind <> 'header' AND {NO_ENVELOPES} ORDER BY id", (organization,))


def _at_once(
    db: Connection, row: BudgetRow, others: Iterable[BudgetRow], delegated: Collection[str], reach: Reach, now_us: int,
) -> list[str]:
    findings: list[str] = []
    if row.ends_us is not None and row.ends_us <= now_us:
        findings.append("it has ended")
    if missing := reach.missing(row.scope):
        findings.append(missing)
    elif row.mode == "hard" and _only_claimed(row.scope, reach.keys, delegated):
        findings.append("only callers say it, so it watches and refuses nothing; let their word count by a policy of kind delegation")
    findings += [f"it has no say: budget {above.id} on {above.scope} has less in the same window" for above in others
                 if _is_above(above, row, reach.keys, now_us)]
    if row.unit == "money" and row.mode == "hard":
        late = spent_of_late(db, row.organization, row.scope, now_us)
        typical_nanos = late.cost_nanos // late.attempts if late.attempts else 0
        if row.budget().cap(now_us) < typical_nanos:
            findings.append(f"a typical call costs ${decimal_text(typical_nanos)}, which is more than all of it")
    return findings


def _only_claimed(scope: Scope, keys: Iterable[KeyRow], delegated: Collection[str]) -> bool:
    """Whether no live key says itself what the scope is on, and no policy lets the callers' word count."""
    name, _, value = scope.value.partition("=") if scope.kind in ("tag", "dimension") else ("", "", scope.value)
    claimed_as = {"tag": "tags", "dimension": f"dimension.{name}"}.get(scope.kind, scope.kind)
    if scope.kind not in _CLAIMED or claimed_as in delegated:
        return False
    fixed = (key.dimensions.get(name) if scope.kind == "dimension" else key.labels.get(scope.kind) for key in keys)
    return not any(said is not None and value in (EACH, said) for said in fixed)


def _delegated(db: Connection, organization: int) -> frozenset[str]:
    """The names under which callers' word counts somewhere in the organisation."""
    rules = (row.policy().rule for row in policy_rows(db, organization) if row.kind == "delegation" and row.mode == "enforce")
    return frozenset(name for rule in rules if isinstance(rule, Delegation) for name in rule.names)


def _is_above(above: BudgetRow, row: BudgetRow, keys: Iterable[KeyRow], now_us: int) -> bool:
    """Whether a hard budget that counts all that `row` counts has a smaller limit in the same window."""
    if (above.unit, above.span, above.zone, above.mode) != (row.unit, row.span, row.zone, "hard") or above.id == row.id:
        return False
    if above.ends_us is not None and above.ends_us <= now_us:
        return False
    scopes = [Scope("org")]
    if row.kind == "project":
        scopes.append(Scope("team", row.value.partition("/")[0]))
    if row.kind == "key":
        labels = next((key.labels for key in keys if key.id == row.value), {})
        if team := labels.get("team"):
            scopes += [Scope("team", team), *([Scope("project", f"{team}/{labels['project']}")] if "project" in labels else [])]
    each = row.value != EACH and above.value == EACH and above.kind in {row.kind, *(scope.kind for scope in scopes)}
    return row.kind != "org" and (each or above.scope in scopes) and above.budget().cap(now_us) < row.budget().cap(now_us)
