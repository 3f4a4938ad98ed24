"""Ports in plain memory: what each one means, in its shortest form. Tests hold the real stores
against these.
"""

from __future__ import annotations

from tallystick.core import keyformat
from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.errors import Defect, Denied
from tallystick.core.identity import Principal
from tallystick.ports import Clock


class MemoryKeyring:
    """ports.Keyring as a dict: a change is seen at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, Principal] = {}

    def issue(self, presented: str, principal: Principal) -> None:
        """Make a key valid."""
        self._keys[presented] = principal

    def revoke(self, presented: str) -> None:
        """Make it invalid for good."""
        self._keys.pop(presented, None)

    def recognises(self, text: str) -> bool:
        """Whether the text has one of our prefixes."""
        return keyformat.recognises(text)

    def knows(self, presented: str) -> bool:  # noqa: ARG002 - all of it is memory
        """Whether asking `find` is no guess."""
        return True

    async def find(self, presented: str) -> Principal | None:
        """The principal of a valid key."""
        principal = self._keys.get(presented)
        if principal is None:
            return None
        expired = principal.expires_at_us is not None and principal.expires_at_us <= self._clock.now_us()
        return None if expired else principal


class MemoryJournal:
    """ports.Journal as three tables: an attempt has one admission and, once it ended, one settlement."""

    def __init__(self) -> None:
        self.admissions: dict[tuple[str, int], Admission] = {}
        self.settlements: dict[tuple[str, int], Settlement] = {}
        self.refusals: list[Refusal] = []

    async def admit(self, admission: Admission) -> None:
        """Raises Defect for an attempt that is there already."""
        attempt = (admission.request_id, admission.attempt)
        if attempt in self.admissions:
            raise Defect(f"{attempt} is admitted already")
        self.admissions[attempt] = admission

    async def settle(self, settlement: Settlement) -> tuple[int, int]:
        """Raises Defect for an attempt that was never admitted, or has its settlement; a job's end may
        follow its deferral."""
        attempt = (settlement.request_id, settlement.attempt)
        earlier = self.settlements.get(attempt)
        if attempt not in self.admissions or (earlier is not None and earlier.outcome != "deferred"):
            raise Defect(f"{attempt} is not open")
        self.settlements[attempt] = settlement
        return 0, len(self.settlements)

    async def refuse(self, refusal: Refusal) -> None:
        """Keep a refusal."""
        self.refusals.append(refusal)


class NoBudgets:
    """ports.Budgets where nothing is held: every call fits."""

    async def hold(self, admission: Admission) -> Admission | Denied:
        return admission

    def cancel(self, admission: Admission) -> None:
        """Nothing was held."""

    def drawn(self, settlement: Settlement) -> Settlement:
        return settlement

    def settled(self, settlement: Settlement, place: tuple[int, int]) -> None:
        """Nothing was drawn."""
