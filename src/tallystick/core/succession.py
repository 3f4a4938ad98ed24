"""Which stored credential carries an attempt, and whether another attempt may follow one that failed.

A call keeps its own credential unless a policy names others for it. Three things bind it to that one all the same: what
its answer leaves with the provider (who continues it looks for it there), what it continues, and a poll. Another attempt follows only
a failure that the policy names, of which nothing has reached the caller, whose request can be sent again as it was, and
only where somebody still waits. What may still be worked on, because it was written and never answered, is never followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from tallystick.core.call import Facts
from tallystick.core.credential_health import Cooling, Failure
from tallystick.core.dialect import Route
from tallystick.core.errors import Denied
from tallystick.core.policies.policy import Fallback

NOT_HELD: Final = frozenset(("provider_credential_missing", "provider_credential_unusable"))
"""Why one credential carries no call, and the next may."""


def bound_to_its_own(route: Route, facts: Facts) -> bool:
    """Whether the call stays with its own credential."""
    return route.keeps or route.poll or facts.background or bool(facts.objects) or facts.previous_response is not None


class Carriers(NamedTuple):
    """The credentials that may carry a call, in the order in which they are tried. `otherwise`: what its caller is told where
    there is none, or none of them is held; None: why the last one is not."""

    order: tuple[str, ...]
    otherwise: Denied | None = None


def carriers(usual: str, fallback: Fallback | None, cooling: Callable[[str], Cooling | None], at_us: int) -> Carriers:
    """Who may carry a call: not what its provider said to leave alone, and last what cools by a guess of ours."""
    own = cooling(usual)
    if fallback is None or (own is not None and own.why not in fallback.on):
        return Carriers((), _stay_away(own, at_us)) if own is not None and own.stated else Carriers((usual,))
    names = dict.fromkeys((usual, *fallback.credentials))
    found = {name: cooling(name) for name in names}
    fit = [name for name in names if (one := found[name]) is None or not one.stated]
    soonest = min((one for one in found.values() if one is not None and one.stated), key=lambda one: one.until_us, default=None)
    return Carriers(tuple(sorted(fit, key=lambda name: found[name] is not None)),
                    _stay_away(soonest, at_us) if soonest is not None and usual not in fit else None)


def may_follow(fallback: Fallback | None, attempt: int, failure: Failure | None) -> bool:
    """Whether another attempt may follow this one."""
    return fallback is not None and failure in fallback.on and attempt < fallback.attempts


def _stay_away(cooling: Cooling, at_us: int) -> Denied:
    left_s = max(1, -(-(cooling.until_us - at_us) // 1_000_000))
    return Denied("credential_cooling_down", f"The provider limits calls to this model with the organisation's credential, and said to "
                  f"come back in {left_s} s. Nothing was sent.", retry_after_s=left_s)
