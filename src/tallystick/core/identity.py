"""Who a call belongs to. A key says what is *verified*; the caller's headers may add to it or narrow
it and are marked *claimed*. Nothing a client sends can move spend out of its key's scope.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from tallystick.core.errors import Denied
from tallystick.core.lean import lean

# Names of the single-valued labels, in the order in which they stand in entries and exports.
LABELS: Final = ("team", "project", "user", "agent", "environment", "cost_center",
                 "prompt_key", "prompt_version", "session")

# In `claimed`: the prompt's version is the one that was active; nobody named it.
ASSUMED_VERSION: Final = "assumed.prompt_version"

TAGS_MAX = 32
NAME_CHARS_MAX = 64
VALUE_CHARS_MAX = 256
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a valid key speaks for. Labels fixed on the key are verified; `organization` always is."""

    key_id: str
    organization: str
    labels: Mapping[str, str] = field(default_factory=dict)      # fixed on the key: team, project, user…
    dimensions: Mapping[str, str] = field(default_factory=dict)
    credential: str | None = None            # name of the stored credential to use, if the key names one
    expires_at_us: int | None = None
    delegated: frozenset[str] = frozenset()  # labels, `tags` and `dimension.NAME` that a caller's word counts for
    anonymous: bool = False                  # booked on `[gateway] anonymous_project`; brings its own credential


@lean
@dataclass(frozen=True, slots=True)
class Claims:
    """What the caller's headers and body metadata assert, after aliases were resolved."""

    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[tuple[str, str], ...] = ()   # (name, value), value "" for a bare tag
    dimensions: Mapping[str, str] = field(default_factory=dict)
    budget_nanos: int | None = None          # X-Tallystick-Budget: dollars a month, journaled
    route: str | None = None
    confirm: bool = False
    sandbox: bool = False


@lean
@dataclass(frozen=True, slots=True)
class Attribution:
    """What an attempt is booked on. `claimed` names what only the caller asserts: labels, `dimension.NAME`, and
    `tags` where there are any, which no key fixes; and ASSUMED_VERSION."""

    key_id: str
    organization: str
    labels: Mapping[str, str]
    tags: tuple[tuple[str, str], ...] = ()
    dimensions: Mapping[str, str] = field(default_factory=dict)
    claimed: frozenset[str] = frozenset()


def attribute(principal: Principal, claims: Claims) -> Attribution | Denied:
    """Merge the key's verified labels with the caller's claims.

    A claim equal to the key's value stays verified. A different team, or a different project,
    than the key's own is refused (`outside_key_scope`): a client may narrow, never move. Any
    other label of the key wins over the claim.
    """
    if not claims.labels and not claims.tags and not claims.dimensions:
        return Attribution(principal.key_id, principal.organization, principal.labels, (), principal.dimensions)
    verified = principal.labels
    labels = dict(verified)
    claimed: set[str] = set()
    for name, value in claims.labels.items():
        own = verified.get(name)
        if own is None:
            labels[name] = value
            claimed.add(name)
        elif own != value and name in ("team", "project"):
            return Denied("outside_key_scope", f"This key is bound to {name} '{own}'.", details={"label": name})
    dimensions = {**claims.dimensions, **principal.dimensions}
    if claims.tags:
        claimed.add("tags")
    claimed.update(f"dimension.{name}" for name in claims.dimensions if name not in principal.dimensions)
    return Attribution(principal.key_id, principal.organization, labels, claims.tags, dimensions, frozenset(claimed))


class TeamsOf(Protocol):
    """By organisation, the renamed teams' first names, by every name that they have or had."""

    def get(self, organization: str, /) -> Mapping[str, str] | None:
        """None for an organisation that renamed no team."""


def by_first_name(claims: Claims, first: Mapping[str, str]) -> Claims:
    """The claims with their team by its first name, which keys and books go by."""
    team = first.get(claims.labels.get("team", ""))
    return claims if team is None else replace(claims, labels={**claims.labels, "team": team})


class ActiveVersions(Protocol):
    """By organisation, the active version of each prompt that has one."""

    def get(self, organization: str, /) -> Mapping[str, str] | None:
        """None for an organisation without any."""


def with_active_version(attribution: Attribution, active: Mapping[str, str]) -> Attribution:
    """Where the call names a prompt and no version: booked on the one that is active for it, and marked so. `active`: by prompt."""
    version = active.get(attribution.labels.get("prompt_key", ""))
    if version is None or "prompt_version" in attribution.labels:
        return attribution
    return replace(attribution, labels={**attribution.labels, "prompt_version": version}, claimed=attribution.claimed | {ASSUMED_VERSION})


def check_claims(claims: Claims) -> Denied | None:
    """Sizes and characters of everything a caller may name; None when all is well."""
    if len(claims.tags) > TAGS_MAX or len(claims.dimensions) > TAGS_MAX:
        return Denied("bad_attribution", f"At most {TAGS_MAX} tags and {TAGS_MAX} dimensions may be given.")
    route = () if claims.route is None else (("route", claims.route),)
    for name, value in (*claims.labels.items(), *claims.tags, *claims.dimensions.items(), *route):
        if not name or len(name) > NAME_CHARS_MAX or len(value) > VALUE_CHARS_MAX:
            return Denied("bad_attribution", f"Names have 1 to {NAME_CHARS_MAX} characters, values at most {VALUE_CHARS_MAX}.")
        if not (_PRINTABLE.fullmatch(name) and _PRINTABLE.fullmatch(value)):
            return Denied("bad_attribution", "Names and values must not hold control characters, nor halves of surrogate pairs.")
    return None
