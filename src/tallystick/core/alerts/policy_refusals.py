"""A policy bites: calls of a team were refused by policies. Told once for each team, code and day, so that nobody learns of a new
rule from the people whom it stops. Kill switches and budgets tell for themselves."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert, scopes_of

KIND: Final = "policy_refusals"
CODES: Final = ("policy_denied", "confirmation_required", "rate_limited", "too_many_at_once")
"""The refusals of policies that are told of."""


def alert(team: str, code: str, day: str, calls: int) -> Alert:
    """`team`: "" for calls without one. `calls`: how many there were on that day (YYYY-MM-DD) when it was noticed."""
    whose = f"of team {team}" if team else "without a team"
    text = (f"{calls} {'call' if calls == 1 else 'calls'} {whose} {'was' if calls == 1 else 'were'} refused by policies on {day}"
            f" ({code}). Each says which policy it was.")
    return Alert(KIND, f"policies/{team}/{code}", day, "info", f"Policies refuse calls {whose}", text,
                 {"team": team, "code": code, "day": day, "calls": calls}, "/api/requests?kind=refused",
                 scopes_of("team", team) if team else ())
