"""What the call's line needs of the outside world. Each port has one real implementation, and a
memory one that tests use as oracle. Methods document the faults they raise; the exchange sees
nothing else of the world.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.custody import Kept
from tallystick.core.errors import Denied
from tallystick.core.identity import Principal
from tallystick.core.lean import lean
from tallystick.core.policies.bench import Tried
from tallystick.core.secret import Secret

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names and values exactly as on the wire: case, order and duplicates kept."""


class Clock(Protocol):
    def now_us(self) -> int:
        """UTC, microseconds since the epoch."""

    def monotonic_us(self) -> int:
        """Microseconds that never go back; only differences mean anything."""


class Ids(Protocol):
    def request_id(self) -> str:
        """`req_` and 32 hexadecimal digits, time-ordered (UUIDv7)."""


class Keyring(Protocol):
    """Issued keys. A hit is answered from memory; a miss reads the database, so that a key works
    the moment the command that made it returns. A revocation is seen within a second."""

    def recognises(self, text: str) -> bool:
        """Whether the text has one of our prefixes, hence may never be forwarded, valid or not."""

    def knows(self, presented: str) -> bool:
        """Whether asking `find` is no guess: it would answer from memory, or found the key valid before."""

    async def find(self, presented: str) -> Principal | None:
        """The principal of a valid key; None when it was never issued, is revoked or has expired."""


class Credentials(Protocol):
    """Provider credentials that the gateway holds. A hit is answered from memory; a change is seen
    within a second."""

    async def find(self, organization: str, provider: str, name: str) -> Secret | Denied | None:
        """The organisation's credential of that name; None where none is held, `Denied` where one is
        held that cannot be used. Raises StoreFault when it cannot be read."""


class Journal(Protocol):
    """The write-ahead record of every attempt. Each method returns once its record is as durable
    as the installation asks (`process`: written to the file; `strict`: on the disk).

    Raises StoreFault when it cannot be; the call must then not go upstream.
    """

    async def admit(self, admission: Admission) -> None: ...

    async def settle(self, settlement: Settlement) -> tuple[int, int]:
        """Where the record ends, as the ledger's own place in the record is told (`Budgets.settled`)."""

    async def refuse(self, refusal: Refusal) -> None: ...


class Budgets(Protocol):
    """What calls hold and draw of hard budgets. `hold` is the only method that may wait."""

    async def hold(self, admission: Admission) -> Admission | Denied:
        """Hold what the admission says on all its nodes or on none; the admission as it is to be written down."""

    def cancel(self, admission: Admission) -> None:
        """It could not be written down, and nothing went upstream."""

    def drawn(self, settlement: Settlement) -> Settlement:
        """The settlement with what it draws, as it is to be written down."""

    def settled(self, settlement: Settlement, place: tuple[int, int]) -> None:
        """It is written down, and its record ends at this place."""


class Custody(Protocol):
    """Memory of what providers keep for callers: jobs whose cost is still to come, and who made what.
    A mark is the peppered digest of (organisation, provider, credential, object id)."""

    def mark(self, organization: str, provider: str, credential: str, object_id: str) -> bytes:
        """The mark of an object. `credential` is a stored one's name or the caller's own secret."""

    async def find(self, mark: bytes) -> Kept | None:
        """What is known of an object; None if this gateway did not see it being made."""

    def keep(self, mark: bytes, kept: Kept) -> None:
        """Remember an object at once; the journal makes it last."""


@dataclass(slots=True)
class KeptHead:
    """Room beside headers that go out with one request after another: the bytes that the transport made of a head, and
    what it made them of (origin, method, path, headers)."""

    made_of: tuple[str, str, str, RawHeaders] | None = None
    head: bytes = b""


@lean
@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """`url_path` is path and query exactly as they go on the wire. `body` is bytes, or an async
    iterator for uploads that stream through (then `body_length` may give the Content-Length)."""

    origin: str                              # scheme://host[:port][/base path]
    method: str
    url_path: str
    headers: RawHeaders                      # without Host, Content-Length, Transfer-Encoding, Connection
    body: bytes | AsyncIterator[bytes]
    body_length: int | None = None
    kept: KeptHead | None = None             # where these headers go out again


class UpstreamReply(Protocol):
    """A reply whose head has arrived. `headers` are the provider's, hop-by-hop ones included;
    framing (chunks) is removed from the body, content encoding is not."""

    status: int
    headers: list[tuple[bytes, bytes]]

    async def next(self) -> bytes | None:
        """The next piece as soon as it is there, None at the reply's proper end.

        Raises UpstreamFault when the reply is cut short or falls silent for too long.
        """

    @property
    def at_end(self) -> bool:
        """True as soon as the reply is known to be complete and no piece is left."""

    async def close(self) -> None:
        """Give the connection back (after the end) or cut it (before). Never raises."""


class Upstreams(Protocol):
    """The one way to a provider (or, in the sandbox, to a simulated one)."""

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Send the request and wait for the reply's head.

        Raises UpstreamFault; `written` on it says whether any byte may have reached the provider.
        """


@dataclass(frozen=True, slots=True)
class Pasted:
    """A request that somebody wrote down, as if this key had sent it. `target`: path and query; `at_us`: when."""

    principal: Principal
    method: str
    target: bytes
    headers: RawHeaders
    body: bytes
    at_us: int
    address: str = ""


class Bench(Protocol):
    """The test bench of policies."""

    async def __call__(self, pasted: Pasted, /) -> Tried | Denied:
        """What policies say of a request, or why it does not come before them."""
