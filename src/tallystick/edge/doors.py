"""Fair shares of the gateway: what one address, one key and all bodies together may take of it, so that
nobody takes the rest of everybody else's (books.md §4, threats 13 and 21).

- *Connections of an address.* Beyond its share a connection's first request is answered 429; beyond twice
  the share connections are closed unread, so that unanswered ones cannot crowd others out either.
- *Wrong keys of an address* (core/guesses.py). Keys in use are known, so who shares an address with a
  broken client goes on working.
- *Calls of a key at once*, and *bytes of request bodies in memory*, of all calls together.

Everything is counted, nothing queued; a count stands in memory only while there is something to count,
and no address is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tallystick.core.errors import Denied
from tallystick.core.guesses import Guesses
from tallystick.core.identity import Principal
from tallystick.core.peers import Network, is_within, network_of, peer_address
from tallystick.edge.credentials import Caller, Presented, identify
from tallystick.ports import Keyring

_WRONG: Final = "invalid_api_key"
_FORWARDED_FOR: Final = b"x-forwarded-for"

CROWDED: Final = Denied("too_many_at_once", "This address has more connections open than its share.", retry_after_s=1)
BUSY_KEY: Final = Denied("too_many_at_once", "This key has more calls under way than its share.", retry_after_s=1)
BODIES_FULL: Final = Denied("overloaded", "The gateway holds as many bytes of request bodies as it may; try again.", retry_after_s=1)


@dataclass(frozen=True, slots=True)
class Shares:
    """How much is fair. `trusted`: proxies that speak for many callers, and have no share of their own."""

    connections_per_address_max: int = 1024
    wrong_keys_per_minute_max: int = 30
    calls_per_key_max: int = 1024
    bodies_bytes_max: int = 512 * 1024 * 1024
    trusted: Sequence[Network] = ()


class Seat(NamedTuple):
    """A connection's place. `network`: None where it counts for nobody."""

    network: str | None
    crowded: bool = False                    # beyond its address's share: refuse what it asks
    overrun: bool = False                    # far beyond: close it unread


class Doors:
    """The shares of one process, and what is taken of them. `now_s`: a clock that never goes back."""

    def __init__(self, shares: Shares, now_s: Callable[[], float]) -> None:
        self._shares = shares
        self._now_s = now_s
        self._connections: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self.body_bytes = 0                  # of requests in memory now
        self._wrong = Guesses(shares.wrong_keys_per_minute_max)

    # --- connections of an address

    def enter(self, client: tuple[str, int] | None) -> Seat:
        """Take a place for a connection from that socket address; `leave` gives it back."""
        if client is None or is_within(client[0], self._shares.trusted):
            return Seat(None)                # no address at all, or a proxy that speaks for many
        network = network_of(client[0])
        count = self._connections[network] = self._connections.get(network, 0) + 1
        share = self._shares.connections_per_address_max
        return Seat(network, count > share, count > 2 * share)

    def leave(self, seat: Seat) -> None:
        """Give a connection's place back."""
        if seat.network is not None:
            _less(self._connections, seat.network)

    # --- who calls

    async def identify(
        self, scope: dict[str, Any], presented: Presented, keyring: Keyring, *, anonymous: Principal | None, sandbox: bool,
    ) -> Caller | Denied:
        """`credentials.identify`; `rate_limited` in place of another guess."""
        if self._wrong and (wait_s := self._wrong.wait_s(self._network(scope), self._now_us())):
            known = _Known(keyring)
            caller = await identify(presented, known, anonymous=anonymous, sandbox=sandbox)
            guessed = known.asked_more or (isinstance(caller, Denied) and caller.code == _WRONG)
            return _too_many_wrong(wait_s) if guessed else caller
        caller = await identify(presented, keyring, anonymous=anonymous, sandbox=sandbox)
        if isinstance(caller, Denied) and caller.code == _WRONG:
            self._wrong.count(self._network(scope), self._now_us())
        return caller

    # --- calls of a key, bytes of bodies (taken through a `Stay`)

    def begin(self, key_id: str) -> Denied | None:
        """Take a call's place, unless the key's share is taken."""
        count = self._calls.get(key_id, 0)
        if count >= self._shares.calls_per_key_max:
            return BUSY_KEY
        self._calls[key_id] = count + 1
        return None

    def end(self, key_id: str) -> None:
        """Give a call's place back."""
        _less(self._calls, key_id)

    def hold(self, size: int) -> Denied | None:
        """Take room for so many bytes of a body, unless there is none."""
        if self.body_bytes + size > self._shares.bodies_bytes_max:
            return BODIES_FULL
        self.body_bytes += size
        return None

    # --- within

    def address(self, scope: dict[str, Any]) -> str:
        """Where a call comes from: the peer, or what a trusted proxy says; "" where there is none."""
        client = scope.get("client")
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED_FOR] if self._shares.trusted else ()
        return peer_address(client[0], forwarded, self._shares.trusted) if client else ""

    def _now_us(self) -> int:
        return int(self._now_s() * 1_000_000)

    def _network(self, scope: dict[str, Any]) -> str:
        return network_of(self.address(scope))


class Stay:
    """What one call takes. `end` gives all of it back, and may be called whatever was taken."""

    __slots__ = ("_body_bytes", "_doors", "_key_id")

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._key_id: str | None = None
        self._body_bytes = 0

    def begin(self, key_id: str) -> Denied | None:
        """Take a place among the key's calls."""
        denied = self._doors.begin(key_id)
        if denied is None:
            self._key_id = key_id
        return denied

    def hold(self, size: int) -> Denied | None:
        """Take room for more bytes of the body."""
        denied = self._doors.hold(size)
        if denied is None:
            self._body_bytes += size
        return denied

    def end(self) -> None:
        """The call is over."""
        if self._key_id is not None:
            self._doors.end(self._key_id)
            self._key_id = None
        if self._body_bytes:
            self._doors.body_bytes -= self._body_bytes
            self._body_bytes = 0


class _Known:
    """A keyring that answers for known keys alone. `asked_more`: something else was asked."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.asked_more = False

    def recognises(self, text: str) -> bool:
        return self._keyring.recognises(text)

    def knows(self, presented: str) -> bool:
        return self._keyring.knows(presented)

    async def find(self, presented: str) -> Principal | None:
        if self._keyring.knows(presented):
            return await self._keyring.find(presented)
        self.asked_more = True
        return None


def _less(counts: dict[str, int], name: str) -> None:
    """One less; a name without any is forgotten."""
    if counts[name] == 1:
        del counts[name]
    else:
        counts[name] -= 1


def _too_many_wrong(wait_s: int) -> Denied:
    return Denied("rate_limited", "Too many wrong keys came from this address; another is not looked up for now.", retry_after_s=wait_s)
