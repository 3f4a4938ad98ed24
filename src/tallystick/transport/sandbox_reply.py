"""What every simulated answer is made of: the request as the sandbox sees it, and replies over pieces that
are already known. `sandbox.py` says what the sandbox is, and answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.call import Facts
from tallystick.core.dialect import Provider

CREATED_S: Final = 1_767_225_600                 # 2026-01-01: an answer must not depend on the clock
BYTES_PER_TOKEN: Final = 4
TOKENS_PER_MEDIUM: Final = 258

Json = dict[str, Any]


class SandboxReply:
    """`ports.UpstreamReply` over pieces that are already known."""

    def __init__(self, status: int, content_type: str, pieces: Sequence[bytes], *, streamed: bool) -> None:
        self.status = status
        self.headers = [(b"content-type", content_type.encode())]
        if not streamed:
            self.headers.append((b"content-length", b"%d" % sum(map(len, pieces))))
        self._pieces = list(reversed(pieces))

    async def next(self) -> bytes | None:
        return self._pieces.pop() if self._pieces else None

    @property
    def at_end(self) -> bool:
        return not self._pieces

    async def close(self) -> None:
        self._pieces.clear()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the sandbox sees it."""

    provider: Provider
    operation: str
    facts: Facts
    body: Json
    body_bytes: int
    mark: str                                    # 24 hexadecimal digits of the body's hash: ids that repeat with it
    sse: bool

    @property
    def model(self) -> str:
        return self.facts.model or "tallystick-sandbox"

    @property
    def input_tokens(self) -> int:
        text_bytes = max(0, self.body_bytes - self.facts.media_bytes)
        return 1 + text_bytes // BYTES_PER_TOKEN + TOKENS_PER_MEDIUM * self.facts.media

    @property
    def text(self) -> str:
        facts = self.facts
        whole = (
            f"This is the Tallystick sandbox; no provider was asked and nothing was billed. You called "
            f"{self.operation} of {self.provider.name} with {self.body_bytes} bytes for {self.model}, "
            f"{facts.tools + facts.server_tools} tools and {facts.media} media."
        )
        limit = facts.output_limit
        return whole if limit is None or limit <= 0 else whole[:limit * BYTES_PER_TOKEN]

    @property
    def was_cut(self) -> bool:
        return bool(self.facts.output_limit) and len(self.text) == BYTES_PER_TOKEN * (self.facts.output_limit or 0)

    @property
    def choices(self) -> range:
        return range(max(1, min(self.facts.n, 16)))

    @property
    def output_tokens(self) -> int:
        """Of one alternative."""
        return -(-len(self.text) // BYTES_PER_TOKEN)

    def deltas(self) -> Iterator[str]:
        """The text in pieces of a few words."""
        for at in range(0, len(self.text), 24):
            yield self.text[at:at + 24]


def json_reply(document: object, status: int = 200) -> SandboxReply:
    """One JSON document."""
    return SandboxReply(status, "application/json", (json.dumps(document).encode(),), streamed=False)


def event_reply(pieces: Iterator[bytes]) -> SandboxReply:
    """A stream of server-sent events."""
    return SandboxReply(200, "text/event-stream; charset=utf-8", tuple(pieces), streamed=True)


def data_event(document: object) -> bytes:
    """An event without a name."""
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def named_event(document: Json) -> bytes:
    """An event whose name is its type, as Anthropic's and the Responses API's are."""
    return f"event: {document['type']}\n".encode() + data_event(document)
