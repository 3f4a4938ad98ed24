"""What a person is in an organisation, and what each may hand on: nobody grants more than they have. An admin
makes no owners, a manager grants teams of their own and nothing else. What a role opens of the API stands in
`control/roles.py`.

Teams belong to two roles: a manager answers for them, a member makes keys in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from tallystick.core.identity import VALUE_CHARS_MAX

Role = Literal["owner", "admin", "finance", "manager", "member", "auditor"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
OF_TEAMS: Final[frozenset[Role]] = frozenset({"manager", "member"})
TEAMS_MAX: Final = 100

GRANTABLE: Final[Mapping[Role, frozenset[Role]]] = {
    "owner": frozenset(ROLES),
    "admin": frozenset(ROLES) - {"owner"},
    "manager": OF_TEAMS,
}
"""Which roles a role may give and take away; the others none."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A role, and the teams it is for where it is for teams."""

    role: Role
    teams: frozenset[str] = frozenset()

    @classmethod
    def of(cls, role: Role, teams: frozenset[str]) -> Membership:
        """A role with these teams, or without where it is for the whole organisation."""
        return cls(role, teams if role in OF_TEAMS else frozenset())


def fault_of(membership: Membership) -> str | None:
    """Why nobody can hold this, for whoever asked for it; None where it can be held."""
    if membership.role not in ROLES:
        return f"There is no such role; there are {', '.join(ROLES)}."
    if membership.role not in OF_TEAMS:
        return f"The role {membership.role} is for the whole organisation and has no teams." if membership.teams else None
    if membership.role == "manager" and not membership.teams:
        return "A manager manages teams: name at least one."
    if len(membership.teams) > TEAMS_MAX:
        return f"A membership names at most {TEAMS_MAX} teams."
    unfit = [name for name in membership.teams if not name.strip() or len(name) > VALUE_CHARS_MAX or not name.isprintable()]
    return "A team's name is printable text." if unfit else None


def may_set(grantor: Membership, membership: Membership | None) -> bool:
    """Whether the grantor may give this to somebody, or take it from them. None, no membership, is everybody's."""
    if membership is None:
        return True
    if membership.role not in GRANTABLE.get(grantor.role, frozenset()):
        return False
    return grantor.role != "manager" or frozenset() < membership.teams <= grantor.teams
