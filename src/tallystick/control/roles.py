"""Who may open which route of the API: one table, read top to bottom, and nothing that is not in it.
A route missing from the table is closed to everyone, so forgetting a line locks a door instead of
opening one; a test walks the application's real routes and compares them with this table.

`anyone` needs no proof; `key` is a virtual key, which sees its own team's figures and itself; `owner`
is a person. Further roles (decisions.md, "Roles") become words here with the issue that builds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

RoleName = Literal["anyone", "key", "owner"]
ANYONE: Final[frozenset[RoleName]] = frozenset({"anyone", "key", "owner"})
OWNER: Final[frozenset[RoleName]] = frozenset({"owner"})
KEY: Final[frozenset[RoleName]] = frozenset({"key"})
OWNER_AND_KEY: Final[frozenset[RoleName]] = frozenset({"owner", "key"})


@dataclass(frozen=True, slots=True)
class Grant:
    """One method of one route, and the roles it is open to."""

    method: str
    path: str
    roles: frozenset[RoleName]


GRANTS: Final = (
    Grant("POST", "/api/auth/token", ANYONE),
    Grant("GET", "/api/auth/me", OWNER),
    Grant("GET", "/setup", ANYONE),
    Grant("POST", "/api/setup", ANYONE),
    Grant("GET", "/api/openapi.json", ANYONE),
    Grant("GET", "/api/requests", OWNER),
    Grant("GET", "/api/requests/{request_id}", OWNER),
    Grant("POST", "/api/requests/{request_id}/adjustments", OWNER),
    Grant("GET", "/api/keys", OWNER),
    Grant("POST", "/api/keys", OWNER),
    Grant("GET", "/api/keys/self", KEY),
    Grant("GET", "/api/keys/{key_id}", OWNER),
    Grant("DELETE", "/api/keys/{key_id}", OWNER),
    Grant("GET", "/api/credentials", OWNER),             # names only: no route reads a value
    Grant("PUT", "/api/credentials/{provider}/{name}", OWNER),
    Grant("DELETE", "/api/credentials/{provider}/{name}", OWNER),
    Grant("GET", "/api/prices/overrides", OWNER),        # who proposes and who approves is told apart from issue B on
    Grant("POST", "/api/prices/overrides", OWNER),
    Grant("DELETE", "/api/prices/overrides/{override_id}", OWNER),
    Grant("GET", "/api/teams", OWNER),
    Grant("POST", "/api/teams", OWNER),
    Grant("GET", "/api/projects", OWNER),
    Grant("POST", "/api/projects", OWNER),
    Grant("PATCH", "/api/projects", OWNER),
    Grant("GET", "/api/aggregations/monthly", OWNER_AND_KEY),
    Grant("GET", "/api/aggregations/by-prompt", OWNER_AND_KEY),
    Grant("GET", "/api/aggregations/by-team", OWNER_AND_KEY),
    Grant("GET", "/api/aggregations/version-comparison", OWNER_AND_KEY),
    Grant("GET", "/api/metrics/overview", OWNER),
)


def roles_of(method: str, path: str) -> frozenset[RoleName]:
    """The roles that may open this route; empty for one that the table does not know."""
    for grant in GRANTS:
        if grant.method == method and grant.path == path:
            return grant.roles
    return frozenset()
