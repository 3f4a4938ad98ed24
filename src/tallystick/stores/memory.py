"""Ports in plain memory: what each one means, in its shortest form. Tests hold the real stores
against these.
"""

from __future__ import annotations

from tallystick.core import keyformat
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

    async def find(self, presented: str) -> Principal | None:
        """The principal of a valid key."""
        principal = self._keys.get(presented)
        if principal is None:
            return None
        expired = principal.expires_at_us is not None and principal.expires_at_us <= self._clock.now_us()
        return None if expired else principal
