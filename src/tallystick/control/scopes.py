"""What a personal access token opens: never more than its owner's role does at that moment (roles.py), and of that, what
its scopes name. `read` and `write` are for everything, `AREA:read` and `AREA:write` for the routes under `/api/AREA`;
whatever writes also reads.

Who one is stays with the person: with a token nobody signs in, changes a password or a second factor, or makes tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from tallystick.control.roles import GRANTS, Grant
from tallystick.core.membership import Role

_READING: Final = frozenset({"GET", "HEAD"})
_PERSONAL: Final = frozenset({"auth", "tokens", "setup", "openapi.json"})
_OPEN: Final = ("GET", "/api/auth/me")


_SHIMS: Final = {"/key/info": "keys", "/spend/logs": "requests", "/user/daily/activity": "aggregations"}


def area_of(path: str) -> str:
    """The area of a route: what follows `/api/`; LiteLLM's routes are of the areas whose figures they show."""
    return _SHIMS.get(path) or path.removeprefix("/api").split("/")[1]


AREAS: Final = tuple(sorted({area_of(grant.path) for grant in GRANTS} - _PERSONAL))
SCOPES: Final = ("read", "write", *(f"{area}:{verb}" for area in AREAS for verb in ("read", "write")))


def opens(scopes: Collection[str], method: str, path: str) -> bool:
    """Whether a token with these scopes opens a route, as far as its owner's role does."""
    area = area_of(path)
    if area in _PERSONAL:
        return (method, path) == _OPEN
    writes = {"write", f"{area}:write"}
    return not writes.isdisjoint(scopes) or (method in _READING and not {"read", f"{area}:read"}.isdisjoint(scopes))


def fault_of(scopes: Collection[str], role: Role) -> str | None:
    """Why somebody in this role cannot have such a token; None where they can."""
    if not scopes:
        return f"Name at least one scope: {', '.join(SCOPES)}."
    for scope in scopes:
        if scope not in SCOPES:
            return f"There is no scope of that name; there are {', '.join(SCOPES)}."
        if not any(role in grant.cells and opens({scope}, grant.method, grant.path) and _needs(grant, scope) for grant in GRANTS):
            return f"Your role opens nothing of {scope}."
    return None


def _needs(grant: Grant, scope: str) -> bool:
    """Whether the grant is what this scope is for: to write, where it says write."""
    return not scope.endswith("write") or grant.method not in _READING
