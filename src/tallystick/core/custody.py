"""What a provider keeps for its callers, and whose it is. Behind one stored credential stand many
teams, and the provider cannot tell them apart: the gateway must. Deny by default: with a stored
credential only generation, token counting and model lists are open, and of everything that can be
named by reference only an earlier response that the same owner made (decisions.md, "With a stored
credential"). With a caller's own credential all of this is the provider's business.

The same memory says which job a later answer belongs to: a bill that shows up on every poll is
booked once, for whoever made the job.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.attempt import Admission
from tallystick.core.call import Facts
from tallystick.core.dialect import Route
from tallystick.core.errors import Denied
from tallystick.core.identity import Attribution

OPEN_KINDS = frozenset({"generation", "count", "models"})


@dataclass(frozen=True, slots=True)
class Kept:
    """An object of a provider that this gateway saw being made. `admission`: of the attempt that
    made it, while its cost is still to come; None once it was billed."""

    owner: str
    request_id: str
    admission: Admission | None = None


def owner_of(attribution: Attribution) -> str:
    """Who owns what a call makes: the key's verified project, or the key itself where it has none."""
    labels = attribution.labels
    if "project" not in labels or "project" in attribution.claimed:
        return f"key:{attribution.key_id}"
    return f"project:{labels.get('team', '')}/{labels['project']}"


def denied_with_stored(route: Route, facts: Facts, owner: str, previous: Kept | None) -> Denied | None:
    """Why a call that would use a stored credential may not pass; None when it may."""
    if route.kind not in OPEN_KINDS:
        return Denied("route_not_open", "With the organisation's credential only generation, token counting and model lists are open.")
    if facts.objects or (facts.previous_response is not None and (previous is None or previous.owner != owner)):
        return Denied("not_your_object", "The request names an object of the provider that this key's project did not make.")
    return None
