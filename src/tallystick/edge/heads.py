"""What a request's head says, read once. Clients keep their connections and repeat their heads, so what was
read off one stands for the next that is the same in every byte but its Content-Length: the gate compares,
and keeps the last head of each connection for as long as that lives. Only what follows from the head and
the configuration stays here. Whose key it is, what the body asks and what that may cost is asked anew for
every call.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.dialect import Route
from tallystick.core.errors import Denied
from tallystick.core.identity import Claims
from tallystick.edge.credentials import Presented
from tallystick.edge.headers import Bend
from tallystick.edge.paths import Target
from tallystick.ports import KeptHead, RawHeaders

LENGTH = b"content-length"


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a call goes, what its headers claim, and whose word they bring for it."""

    target: Target
    route: Route
    path_model: str | None
    content_type: bytes                      # as stated, empty where it is not
    claims: Claims | Denied
    presented: Presented


@dataclass(slots=True)
class Head:
    """A head that can be read in one way only. Header names are lower case.

    aim: once the gateway has read it. sent: the headers of the last attempt, with the bend that made them
    and room for their bytes.
    """

    method: str
    url: bytes
    version: str
    headers: RawHeaders
    aim: Aim | None = None
    sent: tuple[Bend, RawHeaders, KeptHead] | None = None

    def says(self, method: str, url: bytes, version: str, headers: RawHeaders) -> bool:
        """Whether a later head is this one again, but for the length of its body."""
        if url != self.url or method != self.method or version != self.version or len(headers) != len(self.headers):
            return False
        return headers == self.headers or all(
            now == before or now[0] == before[0] == LENGTH for now, before in zip(headers, self.headers, strict=True))
