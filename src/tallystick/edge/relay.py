"""One reply on its way from the provider to the caller. Bytes pass as they come, the meter looks at
each piece, and the last piece waits: nothing a client has seen complete can be missing from the books.

    relay.carry(reply)   until the end of the reply is in our hands → Served
    (the gateway settles)
    relay.finish(…)      lets the held piece, and whatever follows the marker, go

A short JSON reply is gathered whole, so that its cost can stand in a header, and a short error, so that another attempt
may take its place; everything else streams.
A caller that leaves does not stop the reading: the provider bills the reply anyway, so it is drained,
for a bounded time, by a bounded number of calls at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tallystick.core.call import Facts, Meter, ReplyHead
from tallystick.core.errors import FaultKind, UpstreamFault
from tallystick.core.lean import lean
from tallystick.core.settlement import Served
from tallystick.edge import strict_json
from tallystick.edge.decoding import Decoder
from tallystick.ports import Clock, RawHeaders, UpstreamReply

GATHERED_BYTES_MAX = 1024 * 1024
STREAM_TYPES = ("text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream")

Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class DrainSlots:
    """How many replies may be read on for callers that left, and for how long."""

    free: int = 256
    time_max_s: float = 300.0


class StreamEdit(Protocol):
    """What undoes our own change of a stream (an injected `include_usage`)."""

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


@lean
@dataclass(frozen=True, slots=True)
class Client:
    """The caller's side of a call: where bytes go, and whether anybody still reads them."""

    send: Send
    answer: Callable[[int, RawHeaders, bytes], Awaitable[None]]      # a whole reply at once: status, headers, body
    gone: Callable[[], bool]
    abort: Callable[[], None]                # break the connection so that the caller sees a cut
    watch: Callable[[Callable[[], None] | None], None] = lambda _left: None      # to be told at once when nobody reads any more


class Relay:
    """Carries one reply. `head_for` turns the provider's headers into the caller's, with ours added."""

    def __init__(
        self, client: Client, clock: Clock, drain: DrainSlots, *,
        edit: StreamEdit | None, head_for: Callable[[RawHeaders, str | None], list[tuple[bytes, bytes]]],
    ) -> None:
        self._client = client
        self._clock = clock
        self._drain = drain
        self._edit = edit
        self._head_for = head_for
        self._reply: UpstreamReply | None = None
        self._held: list[bytes] = []
        self._head_sent = False
        self._gather = False
        self._cut = False
        self._task: asyncio.Task[Any] | None = None
        self._waits = False                  # for the provider's next piece
        self._drain_end: asyncio.TimerHandle | None = None
        self._drain_over = False

    async def carry(self, reply: UpstreamReply, meter: Meter | None, head: ReplyHead, started_us: int) -> Served:
        """Read the reply up to its end or its end marker, passing on all but the last piece."""
        self._reply = reply
        self._task = asyncio.current_task()
        self._client.watch(self._left)
        decoder = Decoder(head.headers.get("content-encoding", ""))
        self._gather = not self._streams(head)
        first_byte_us: int | None = None
        received_bytes = held_bytes = 0
        fault: FaultKind | None = None
        try:
            while not reply.at_end:
                piece = await self._next(reply)
                if piece is None:
                    break
                if first_byte_us is None:
                    first_byte_us = self._clock.monotonic_us() - started_us
                received_bytes += len(piece)
                if meter is not None:
                    for decoded in decoder.pieces(piece):
                        meter.feed(decoded)
                out = piece if self._edit is None else self._edit.feed(piece)
                self._held.append(out)
                if meter is not None and meter.ended:
                    break
                if self._gather:
                    held_bytes += len(out)
                    if held_bytes <= GATHERED_BYTES_MAX:
                        continue
                    self._gather = False
                if not reply.at_end:
                    await self._pass_on(more=True)
        except UpstreamFault as broken:
            fault = broken.kind
        except asyncio.CancelledError:           # the process stops and waits no longer: what was seen is settled
            fault = "cancelled"
        self._cut = fault is not None
        if self._edit is not None and not self._cut and not (meter is not None and meter.ended):
            self._held.append(self._edit.finish())
        return Served(
            status=reply.status,
            reading=meter.finish() if meter is not None else None,
            fault=fault,
            written=True,
            client_gone=self._client.gone(),
            first_byte_us=first_byte_us,
            latency_us=self._clock.monotonic_us() - started_us,
            reply_bytes=received_bytes,
        )

    def gathered(self) -> bytes | None:
        """The whole body where it was gathered and nothing of it was sent yet."""
        return b"".join(self._held) if self._gather and not self._head_sent else None

    def cut(self) -> None:
        """Read no more of the reply, whoever still wants it; the caller sees it broken off."""
        self._end_drain()

    async def discard(self) -> None:
        """Let the reply go, read or not: the caller gets another answer."""
        if self._reply is not None:
            await self._let_go(self._reply)

    async def finish(self, cost_usd: str | None) -> None:
        """Let go what was held, then whatever the provider sends after its own end marker."""
        reply = self._reply
        assert reply is not None, "finish follows carry"
        try:
            if self._cut:
                if not self._gather or self._head_sent:
                    await self._pass_on(more=True)
                self._client.abort()
                return
            if reply.at_end:
                await self._pass_on(more=False, cost_usd=cost_usd)
                return
            await self._pass_on(more=True, cost_usd=cost_usd)
            await self._trail(reply)
        finally:
            await self._let_go(reply)

    async def _let_go(self, reply: UpstreamReply) -> None:
        """Give back the connection, and the place in the drain where there was one."""
        self._client.watch(None)
        await reply.close()
        if self._drain_end is not None:
            self._drain_end.cancel()
            self._drain_end = None
            self._drain.free += 1

    async def _trail(self, reply: UpstreamReply) -> None:
        """Bytes behind the end marker: they change no book any more, but belong to the caller."""
        try:
            while (piece := await self._next(reply)) is not None:
                self._held.append(piece if self._edit is None else self._edit.feed(piece))
                if reply.at_end:
                    break
                await self._pass_on(more=True)
            if self._edit is not None:
                self._held.append(self._edit.finish())
            await self._pass_on(more=False)
        except UpstreamFault:
            self._client.abort()

    def _streams(self, head: ReplyHead) -> bool:
        """An error is gathered whatever it is: another attempt may take its place."""
        if head.status >= 400:
            return self._too_long(head)
        is_json = head.headers.get("content-type", "").lower().startswith("application/json")
        return head.streaming or not is_json or self._too_long(head)

    @staticmethod
    def _too_long(head: ReplyHead) -> bool:
        declared = head.headers.get("content-length", "0")
        return declared.isdigit() and int(declared) > GATHERED_BYTES_MAX

    async def _next(self, reply: UpstreamReply) -> bytes | None:
        """The next piece; once the caller has left, only while the drain's limits allow."""
        if (self._drain_over or self._client.gone()) and not self._drains():
            raise UpstreamFault("cancelled", "nobody reads this reply, and the drain has no room or no time for it", written=True)
        self._waits = True
        try:
            return await reply.next()
        except asyncio.CancelledError:
            if not self._drain_over or self._task is None:
                raise
            self._task.uncancel()
            raise UpstreamFault("cancelled", "the drain's time is over", written=True) from None
        finally:
            self._waits = False

    def _left(self) -> None:
        """The caller has just gone. The drain's time begins now, whether or not the provider ever says more."""
        if not self._drains():
            self._end_drain()

    def _drains(self) -> bool:
        """Whether the reply may be read on for nobody; the first time it takes one of the drain's places."""
        if self._drain_end is None and not self._drain_over:
            if self._drain.free <= 0:
                return False
            self._drain.free -= 1
            self._drain_end = asyncio.get_running_loop().call_later(self._drain.time_max_s, self._end_drain)
        return not self._drain_over

    def _end_drain(self) -> None:
        """Read no more. Only the wait for the provider is broken off, never what is done for the books."""
        self._drain_over = True
        if self._waits and self._task is not None:
            self._task.cancel()

    async def _pass_on(self, *, more: bool, cost_usd: str | None = None) -> None:
        """Send what is held. Nothing is sent, and nothing kept, once the caller has left."""
        body = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        if self._client.gone():
            return
        if not self._head_sent:
            self._head_sent = True
            assert self._reply is not None, "a head belongs to a reply"
            headers = self._head_for(self._reply.headers, cost_usd if self._gather else None)
            if not more:
                await self._client.answer(self._reply.status, headers, body)
                return
            await self._client.send({"type": "http.response.start", "status": self._reply.status, "headers": headers})
        if body or not more:
            await self._client.send({"type": "http.response.body", "body": body, "more_body": more})


def reply_head(reply: UpstreamReply, facts: Facts, path: str) -> ReplyHead:
    """What a meter may know of a reply before its first byte."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reply.headers}
    streaming = headers.get("content-type", "").lower().startswith(STREAM_TYPES) or (facts.stream and reply.status < 300)
    return ReplyHead(reply.status, headers, streaming, path)


def own_error(gathered: bytes | None, head: ReplyHead) -> dict[str, Any]:
    """The provider's own error: a JSON object (or a list of one) that says what is wrong, compressed or
    not. Empty where there is none: an edge in front of the provider answers HTML or nothing."""
    body = Decoder(head.headers.get("content-encoding", "")).feed(gathered) if gathered else b""
    parsed = strict_json.parse(body.strip().removeprefix(b"[").removesuffix(b"]")) if body else None
    return parsed if isinstance(parsed, dict) and parsed.keys() & {"error", "message", "detail", "errors", "type"} else {}
