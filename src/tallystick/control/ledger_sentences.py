"""Entries as people read them: one sentence each, of what was done to what, by whom, and how it differs from the entry before on
the same thing. Pure; it reads an entry whose numbers are names already, and an entry that says less than its kind should gives a
shorter sentence, never an error: `verify` judges, this only tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tallystick.core.money import decimal_text

Said = Mapping[str, Any]

ACTS: Final = ("KEY", "CREDENTIAL", "MEMBER", "PRICE", "CAP", "POLICY", "WRITE-OFF", "ACCESS", "ALERTS", "SCOPE", "RETENTION", "PROMPT")
"""What people and programs did to the control plane; all other kinds are calls, or names."""

# What an entry is about, by kind: the first of these members that it has.
_SUBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "KEY": ("key",), "CREDENTIAL": ("credential",), "MEMBER": ("account",), "PRICE": ("override", "release"),
    "CAP": ("budget",), "POLICY": ("bypass", "policy"), "WRITE-OFF": ("instance",),
    "ALERTS": ("channel", "mute", "budget"),
}
_ASIDE: Final = frozenset((
    "at", "seq", "org", "prev", "kind", "actor", "approved", "event", "version", "digest", "key", "credential", "account", "override",
    "release", "budget", "policy", "bypass", "instance", "token", "invitation", "channel", "mute", "currency_nanos"))
_ACCESS: Final = {
    "signed_in": "{account} signed in", "password_set": "The password of {account} was set",
    "factor_set": "{account} set up a second factor", "factor_removed": "The second factor of {account} was removed",
    "factor_required": "A second factor was made mandatory", "factor_not_required": "A second factor is no longer mandatory",
    "recovery_codes_made": "{account} made new recovery codes",
    "sessions_last": "How long sessions last was set ({seconds} seconds; 0: as the installation has it)",
    "invited": "Somebody was invited as {role}", "invitation_accepted": "{account} accepted an invitation",
    "invitation_revoked": "An invitation was taken back", "token_made": "{account} made an access token ({scopes})",
    "token_revoked": "An access token of {account} was revoked", "failed": "A sign-in failed",
}
_DEFERRED: Final = "The reply only opened a job; its cost is booked when the job ends"
_SEEN: Final = "Another poll showed the end of a job that was settled before; it costs nothing"
_ALERTS: Final = {
    "channel_set": "Channel {channel} was set", "channel_removed": "Channel {channel} was removed",
    "thresholds": "Budget {budget} tells at {percents}", "muted": "Alerts were muted: {reason}", "unmuted": "A mute was ended",
}


def sentence(said: Said) -> str:
    """What an entry says, in one sentence without a full stop."""
    tell = _SENTENCES.get(said.get("kind", ""))
    return tell(said) if tell else f"{said.get('kind', 'An entry')} of a kind that this console does not know"


def subject(said: Said) -> tuple[str, str] | None:
    """What an act is about, to find the act before it; None for what stands alone."""
    kind = said.get("kind", "")
    for member in _SUBJECTS.get(kind, ()):
        if member in said:
            return f"{kind} {member}", f"{said.get('provider', '')}/{said[member]}"
    return None


def changes(before: Said | None, after: Said) -> list[dict[str, str | None]]:
    """Which members differ from the act before on the same thing. What that does not say again (an end says only who ended)
    has not changed."""
    if before is None or after.get("event") in ("ended", "revoked", "removed", "left", "channel_removed", "bypass_ended", "unmuted"):
        return []
    names = [name for name in {**before, **after} if name not in _ASIDE and before.get(name) != after.get(name)]
    return [{"name": name.replace("_", " "), "before": _told(name, before), "after": _told(name, after)} for name in names]


def _told(name: str, said: Said) -> str | None:
    """A member in the unit of its entry."""
    return _dollars(said["limit"]) if name == "limit" in said and said.get("unit") == "money" else shown(name, said.get(name))


def shown(name: str, value: Any) -> str | None:
    """A member's value as text: amounts in dollars, sets one after the other."""
    if value is None:
        return None
    if name.endswith("_nanos"):
        return _dollars(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={shown(key, one)}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(str(shown("", one)) for one in value) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


# --- calls ---------------------------------------------------------------------------------------------------


def _call(said: Said) -> str:
    model = said.get("served") or said.get("model") or said.get("operation") or "a call"
    booked = f", {_dollars(said['cost_nanos'])} booked" if "cost_nanos" in said else ""
    return f"{model} of {said.get('provider', 'no provider')}{_for(said)}{booked}"


def _admitted(said: Said) -> str:
    held = f", {_dollars(said['hold_nanos'])} held" if "hold_nanos" in said else ""
    return f"{said.get('model') or said.get('operation') or 'A call'} of {said.get('provider', 'no provider')}{_for(said)} began{held}"


def _settled(said: Said) -> str:
    return f"Settled at {_dollars(said.get('cost_nanos', 0))}, {said.get('basis', '')}".rstrip(", ")


def _adjusted(said: Said) -> str:
    delta = int(said.get("delta_nanos", 0))
    why = said.get("text") or {"reprice": "priced anew", "evidence": "by evidence"}.get(said.get("reason", ""), "")
    by = f"{'-' if delta < 0 else '+'}{_dollars(abs(delta))}"
    return f"Corrected by {by} to {_dollars(said.get('cost_nanos', 0))}" + (f": {why}" if why else "")


def _refused(said: Said) -> str:
    return f"Refused with {said.get('status', '')} {said.get('code', '')}".strip() + _for(said)


def _refusals(said: Said) -> str:
    return f"{said.get('count', 'Many')} more refusals with {said.get('code', 'one code')} within a minute"


def _sealed(said: Said) -> str:
    month = f"{int(said.get('month', 0)) // 100:04d}-{int(said.get('month', 0)) % 100:02d}"
    if "of" in said:
        return f"What {month} came to by {str(said['of']).replace('_', ' ')}"
    return f"{month} was sealed: {said.get('entries', 0)} entries keep their hashes, and their rows may go"


def _retention(said: Said) -> str:
    return f"A legal hold keeps all months: {said.get('reason', '')}" if said.get("event") == "held" else "The legal hold was released"


def _defined(said: Said) -> str:
    what = str(said.get("of", "name")).replace("_", " ").capitalize()
    return f"{what} {said.get('id', '')} was named: {said.get('name') or 'a private value'}"


def _for(said: Said) -> str:
    who = said.get("team") or said.get("key")
    return f" for {who}" if who else ""


# --- acts ----------------------------------------------------------------------------------------------------


def _key(said: Said) -> str:
    return f"Key {said.get('key', '')} was {said.get('event', 'changed')}{_team(said)}"


def _credential(said: Said) -> str:
    name = f"{said.get('provider', '')} credential {said.get('credential', '')}".strip()
    if said.get("event") == "assigned":
        return f"Project {said.get('team', '')}/{said.get('project', '')} uses {name}"
    if said.get("event") == "rewrapped":
        return f"{said.get('count', 'All')} credentials were wrapped anew"
    return f"The {name} was {said.get('event', 'changed')}"


def _member(said: Said) -> str:
    what = {"joined": "joined as {role}", "changed": "is {role} now", "left": "left", "disabled": "was disabled",
            "enabled": "was enabled again"}.get(said.get("event", ""), "changed")
    return f"{said.get('account', 'Somebody')} {what.format(role=said.get('role', 'a member'))}{_teams(said)}"


def _price(said: Said) -> str:
    if said.get("event") == "applied":
        return f"Prices of {said.get('provider', 'a provider')} from {said.get('source', 'a feed')} were put in force"
    if said.get("event") == "ended":
        return f"Price override {said.get('override', '')} ends at {said.get('valid_to', 'once')}"
    return f"Price override {said.get('override', '')} was set: {terms(said.get('terms', {}))}"


def terms(said: Said) -> str:
    """What an override says."""
    provider, model = said.get("provider", "*"), said.get("model", "*")
    whose = "every provider" if provider == "*" else provider
    where = f"all models of {whose}" if model == "*" else f"{model} of {whose}"
    match said.get("kind"):
        case "percent":
            return f"{said.get('value')} % on {str(said.get('unit', '')).replace('_', ' ')}, {where}"
        case "model":
            return f"{where} means {said.get('means')}"
        case _:
            per = said.get("per", 1_000_000)
            each = "a million" if per == 1_000_000 else str(per)
            return f"${said.get('value')} for {each} {str(said.get('unit', '')).replace('_', ' ')}, {where}"


def _cap(said: Said) -> str:
    amount = _dollars(said.get("limit", 0)) if said.get("unit") == "money" else f"{said.get('limit')} {said.get('unit', '')}"
    on = said.get("name") or _whom(said.get("scope", ""), said)
    event = said.get("event", "")
    what = f"was {event}" if event in ("ended", "removed", "made", "raised") else "was changed"
    window = "in all" if said.get("window") == "total" else f"a {said.get('window', 'window')}"
    return f"Budget on {on} {what}: {amount} {window}, {said.get('mode', '')}".rstrip(", ")


def _policy(said: Said) -> str:
    if said.get("event") == "bypassed":
        return f"Policies were bypassed on {_whom(said.get('on', ''), said)}: {said.get('reason', '')}"
    if said.get("event") == "bypass_ended":
        return "A bypass was ended"
    name = said.get("name") or str(said.get("rule", "policy")).replace("_", " ")
    event = said.get("event", "")
    what = f"was {event}" if event in ("made", "removed") else "was changed"
    return f"Policy {name} on {_whom(said.get('on', ''), said)} {what} ({said.get('mode', '')})"


def _whom(scope: object, said: Said) -> str:
    return "the organisation" if scope == "org" else f"{scope} {said.get('value', '')}".strip()


def _written_off(said: Said) -> str:
    what = "was released" if said.get("released") else "stays drawn"
    return f"What the gateway {said.get('instance', '')} had leased {what}: {said.get('reason', '')}".rstrip(": ")


def _access(said: Said) -> str:
    return _filled(_ACCESS, said, "Access was changed")


def _alerts(said: Said) -> str:
    return _filled(_ALERTS, said, "Alerting was changed")


def _scope(said: Said) -> str:
    if said.get("event") == "moved":
        return f"Project {said.get('project', '')} went from team {said.get('team', '')} to team {said.get('to', '')}"
    what = str(said.get("of", "team")).replace("scope_", "").replace("_", " ").capitalize()
    return f"{what} {said.get('id', '')} is called {said.get('name', 'otherwise')} from now on"


def _prompt(said: Said) -> str:
    what = "was approved for the library" if said.get("event") == "approved" else "was withdrawn from the library"
    return f"Version {said.get('prompt_version', '')} of prompt {said.get('prompt_key', '')} {what}"


def _filled(table: Mapping[str, str], said: Said, otherwise: str) -> str:
    known = {name: shown(name, value) for name, value in said.items()}
    try:
        return table[said["event"]].format(**known)
    except (KeyError, IndexError):
        return otherwise


def _team(said: Said) -> str:
    return f" for {said['team']}" if said.get("team") else ""


def _teams(said: Said) -> str:
    return f" of {shown('teams', said['teams'])}" if said.get("teams") else ""


def _dollars(nanos: Any) -> str:
    """All digits that say something, and two decimals at least."""
    whole, _, part = decimal_text(int(nanos)).partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


_SENTENCES: Final[Mapping[str, Callable[[Said], str]]] = {
    "ATTEMPT": _call, "ADMIT": _admitted, "DEFER": lambda _: _DEFERRED, "SETTLE": _settled, "ADJUST": _adjusted, "SEEN": lambda _: _SEEN,
    "REFUSED": _refused, "REFUSALS": _refusals, "DEFINE": _defined, "KEY": _key, "CREDENTIAL": _credential, "MEMBER": _member,
    "PRICE": _price, "CAP": _cap, "POLICY": _policy, "WRITE-OFF": _written_off, "ACCESS": _access, "ALERTS": _alerts,
    "SCOPE": _scope, "CHECKPOINT": _sealed, "RETENTION": _retention, "PROMPT": _prompt,
}
