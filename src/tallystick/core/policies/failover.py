"""Another of the organisation's credentials where the call's own is limited, refused or cannot get through: the policy
names them in order, and after what. The gateway does not send a call twice unless such a policy says so, never once a
byte of an answer has reached the caller, and never where the attempt before may still be working (core/succession.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tallystick.core.credential_health import Failure
from tallystick.core.policies.parameters import Parameters, globs, matches
from tallystick.core.policies.policy import Case, Fallback

CREDENTIALS_MAX: Final = 8
ATTEMPTS_MAX: Final = 3
AFTER: Final[tuple[Failure, ...]] = ("rate_limit", "refused", "unavailable", "connect")
USUAL: Final[frozenset[Failure]] = frozenset(("rate_limit", "refused"))
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")       # as the vault takes them


@dataclass(frozen=True, slots=True)
class Failover:
    """`providers`: None: of every one."""

    fallback: Fallback
    providers: re.Pattern[str] | None = None

    def judge(self, case: Case) -> Fallback | None:
        return self.fallback if self.providers is None or matches(self.providers, case.call.provider) else None


def read(parameters: Parameters) -> Failover:
    credentials, said, providers = (parameters.texts(name) for name in ("credentials", "on", "providers"))
    attempts = parameters.number("attempts", least=2)
    on = frozenset(kind for kind in AFTER if kind in said)
    if len(on) < len(set(said)):
        raise parameters.wrong(f"on takes {', '.join(AFTER)}.")
    if not credentials or len(credentials) > CREDENTIALS_MAX or not all(map(_NAME.fullmatch, credentials)):
        raise parameters.wrong(f"credentials names 1 to {CREDENTIALS_MAX} stored ones, in the order in which they are tried.")
    if attempts is not None and attempts > ATTEMPTS_MAX:
        raise parameters.wrong(f"attempts is 2 or {ATTEMPTS_MAX}, the first one included.")
    return Failover(Fallback(tuple(dict.fromkeys(credentials)), on or USUAL, attempts or 2), globs(providers))
