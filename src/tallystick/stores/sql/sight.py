"""Which rows somebody sees, as conditions of the question itself: what they may not see is never read, so a
page is full, a sum is right and an id of another's is as good as none. Teams and owned keys are looked up
where the question is asked, so a change of them holds for the next one.

Conditions are literals with bound values, to be put behind a WHERE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

Reach = Literal["all", "own_teams", "own"]


@dataclass(frozen=True, slots=True)
class Sight:
    """How far an account sees in its organisation: everything, what belongs to its teams, or what belongs to the
    keys it owns."""

    reach: Reach = "all"
    account: str = ""


EVERYTHING: Final = Sight()


class Condition(NamedTuple):
    """A piece of SQL beginning with AND, and its values; empty where everything is seen."""

    sql: str = ""
    values: tuple[Any, ...] = ()


def of_calls(sight: Sight, organization: int) -> Condition:
    """On the narrow rows of calls: those booked on one's teams, or made with one's keys."""
    return _condition(_CALLS, sight, organization)


def of_keys(sight: Sight, organization: int) -> Condition:
    """On `virtual_key k`."""
    return _condition(_KEYS, sight, organization)


def of_budgets(sight: Sight, organization: int) -> Condition:
    """On `budget`: those on one's teams, their projects and keys; or those on one's own keys."""
    return _condition(_BUDGETS, sight, organization)


def of_policies(sight: Sight, organization: int) -> Condition:
    """On policies and bypasses: those on one's teams, their projects and keys; or those on one's own keys."""
    return _condition(_POLICIES, sight, organization)


def of_teams(sight: Sight, organization: int) -> Condition:
    """On `team t`: one's teams, and for who sees only their own, those of their keys too."""
    return _condition(_TEAMS, sight, organization)


def of_members(sight: Sight, organization: int) -> Condition:
    """On `membership m`: who shares a team with one."""
    return _condition(_MEMBERS, sight, organization)


def of_tokens(sight: Sight, organization: int) -> Condition:
    """On `personal_token t`: one's own."""
    return _condition(_TOKENS, sight, organization)


def of_invitations(sight: Sight, organization: int) -> Condition:
    """On `invitation i`: those to a team of one's own."""
    return _condition(_INVITATIONS, sight, organization)


def _condition(table: dict[Reach, str], sight: Sight, organization: int) -> Condition:
    sql = table[sight.reach]
    return Condition(sql, (organization, sight.account) * (sql.count("?") // 2))


_CALLS: Final[dict[Reach, str]] = {
    "all": "",
    "own_teams": " AND team_id IN (SELECT d.id FROM dictionary d JOIN membership_team s ON s.organization = d.organization"
                 " AND s.team = d.name WHERE d.kind = 'team' AND d.organization = ? AND s.account = ?)",
    "own": " AND key_id IN (SELECT d.id FROM dictionary d JOIN virtual_key v ON v.organization = d.organization"
           " AND v.id = d.name WHERE d.kind = 'key' AND d.organization = ? AND v.owner = ?)",
}
_KEYS: Final[dict[Reach, str]] = {
    "all": "",
    "own_teams": " AND k.team IN (SELECT s.team FROM membership_team s WHERE s.organization = ? AND s.account = ?)",
    "own": " AND k.organization = ? AND k.owner = ?",
}


def _on_scopes(kind: str, value: str) -> dict[Reach, str]:
    """By the columns that hold a scope."""
    return {reach: sql.replace("{kind}", kind).replace("{value}", value) for reach, sql in _SCOPES.items()}


_SCOPES: Final[dict[Reach, str]] = {
    "all": "",
    "own_teams": " AND EXISTS (SELECT 1 FROM membership_team s WHERE s.organization = ? AND s.account = ? AND ("
                 "{kind} = 'team' AND {value} = s.team OR {kind} = 'project' AND substr({value}, 1, length(s.team) + 1) = s.team || '/'"
                 " OR {kind} = 'key' AND {value} IN"
                 " (SELECT v.id FROM virtual_key v WHERE v.organization = s.organization AND v.team = s.team)))",
    "own": " AND {kind} = 'key' AND {value} IN (SELECT v.id FROM virtual_key v WHERE v.organization = ? AND v.owner = ?)",
}
_BUDGETS: Final = _on_scopes("kind", "value")
_POLICIES: Final = _on_scopes("on_kind", "on_value")
_TEAMS: Final[dict[Reach, str]] = {
    "all": "",
    "own_teams": " AND t.name IN (SELECT s.team FROM membership_team s WHERE s.organization = ? AND s.account = ?)",
    "own": " AND t.name IN (SELECT s.team FROM membership_team s WHERE s.organization = ? AND s.account = ?"
           " UNION SELECT v.team FROM virtual_key v WHERE v.organization = ? AND v.owner = ?)",
}
_TOKENS: Final[dict[Reach, str]] = {"all": "", "own": " AND t.organization = ? AND t.account = ?"}
_INVITATIONS: Final[dict[Reach, str]] = {
    "all": "",
    "own_teams": " AND i.id IN (SELECT x.invitation FROM invitation_team x JOIN membership_team s ON s.team = x.team"
                 " WHERE s.organization = ? AND s.account = ?)",
}
_MEMBERS: Final[dict[Reach, str]] = {
    "all": "",
    "own_teams": " AND m.account IN (SELECT o.account FROM membership_team o JOIN membership_team s ON s.organization = o.organization"
                 " AND s.team = o.team WHERE o.organization = ? AND s.account = ?)",
    "own": " AND m.organization = ? AND m.account = ?",
}
