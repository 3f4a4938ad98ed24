"""Whether a provider takes a key: asked of the provider itself, by a listing that costs nothing. This is the one way out that the
control plane has to providers; whoever tests a key goes through here.

It asks the provider's configured address and no other, follows no redirect, reads a bounded part of the answer in bounded time.
Some hosts list their models to everybody, so an answer alone proves nothing: what came with the key is asked once more without
it, and only a host that then refuses has shown that it looked at the key.

What a provider says of a key it refuses may repeat the key or parts of it (`Incorrect API key provided: sk-a***xyz`). Words that share
anything with the key are masked before they go any further.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from socket import gaierror
from typing import Any, Final, Literal

from tallystick.core.dialect import Provider
from tallystick.core.errors import UpstreamFault
from tallystick.core.secret import MASK, Secret
from tallystick.ports import Clock, RawHeaders, UpstreamReply, UpstreamRequest, Upstreams
from tallystick.transport.http1 import Limits

LIMITS: Final = Limits(connect_s=5.0, head_s=8.0, silence_s=5.0, total_s=10.0, connections_max=4)
"""Of the connections that ask: a person waits for the answer."""
SAID_BYTES_MAX: Final = 16 * 1024
WORDS_CHARS_MAX: Final = 300
_REFUSALS: Final = frozenset({400, 401, 402, 403})      # 400: some say so of a key that is none
_PART_CHARS: Final = 6                       # so many in a row of the key's own are a part of it
_END_CHARS: Final = 4                        # what providers leave of a key they mask
_MASKED: Final = re.compile(r"\*{2,}|•{2,}|\w(?:…|\.{3})\w")
_CUT: Final = re.compile(r"…|\.{3}")
_AROUND: Final = "'\"`.,:;!?()[]{}<>"

Outcome = Literal["works", "refused", "open", "limited", "answered", "unreachable", "no_route"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it. `works`: taken with the key and refused without. `open`: taken without it too, so nothing is known of the key.
    `refused` and `limited` (429): by the provider. `answered`: with any other status. `asked`: what was asked for, None with `no_route`.
    `latency_us`: until the head of the answer. `words`: the provider's own, bounded and without the key, or why it cannot be reached."""

    outcome: Outcome
    asked: str | None = None
    status: int | None = None
    latency_us: int | None = None
    words: str | None = None


async def check_key(upstreams: Upstreams, provider: Provider, key: Secret, clock: Clock) -> Checked:
    """Ask the provider whether it takes this key. Never raises for what the network or the provider does."""
    path = provider.free_check
    if path is None or provider.base_url is None or not provider.credentials:
        return Checked("no_route")
    asked = f"GET {provider.base_url}{path}"
    place = provider.credentials[0]
    begun_us = clock.monotonic_us()
    try:
        async with asyncio.timeout(LIMITS.total_s):
            reply = await upstreams.send(_request(provider, path, [(place.header.encode(), (place.scheme + key.reveal()).encode())]))
            latency_us, status = clock.monotonic_us() - begun_us, reply.status
            words = None if _is_taken(status) else words_of(await _said(reply), reply, key)
            await reply.close()
            if not _is_taken(status):
                return Checked(_outcome(status), asked, status, latency_us, words)
            bare = await upstreams.send(_request(provider, path, []))
            await bare.close()
    except (UpstreamFault, TimeoutError) as fault:
        return Checked("unreachable", asked, words=_why(fault))
    return Checked("open" if _is_taken(bare.status) else "works", asked, status, latency_us)


def _request(provider: Provider, path: str, credential: RawHeaders) -> UpstreamRequest:
    assert provider.base_url is not None
    usual = [(name.encode(), value.encode()) for name, value in provider.default_headers.items()]
    headers = [(b"accept", b"application/json"), (b"accept-encoding", b"identity"), (b"user-agent", b"tallystick"), *usual, *credential]
    return UpstreamRequest(provider.base_url, "GET", path, headers, b"")


def _is_taken(status: int) -> bool:
    return 200 <= status < 300


def _outcome(status: int) -> Outcome:
    return "refused" if status in _REFUSALS else "limited" if status == 429 else "answered"


async def _said(reply: UpstreamReply) -> bytes:
    """The beginning of the answer's body."""
    said = b""
    while len(said) < SAID_BYTES_MAX and (piece := await reply.next()) is not None:
        said += piece
    return said[:SAID_BYTES_MAX]


def words_of(body: bytes, reply: UpstreamReply, key: Secret) -> str | None:
    """The provider's sentence, one line without the key; None where it says none that people could read."""
    headers = {name.lower(): value for name, value in reply.headers}
    if headers.get(b"content-encoding", b"identity").lower() != b"identity" or b"html" in headers.get(b"content-type", b"").lower():
        return None
    text = body.decode("utf-8", "replace")
    try:
        found = _sentence(json.loads(text))
    except (ValueError, RecursionError):
        found = text
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in found or "").split())
    return without(line, key)[:WORDS_CHARS_MAX] or None


def _sentence(said: Any) -> str | None:
    """Where APIs put what they say: `error.message`, `message`, `detail`, `error`."""
    if isinstance(said, list) and said:
        return _sentence(said[0])            # Google's, on some routes
    if not isinstance(said, Mapping):
        return said if isinstance(said, str) else None
    inner = said.get("error")
    places = [said.get(name) for name in ("message", "Message", "detail", "error_description", "title")]
    if isinstance(inner, Mapping):
        places.insert(0, inner.get("message"))
    return next((place for place in [*places, inner, said.get("code")] if isinstance(place, str) and place), None)


def without(line: str, key: Secret) -> str:
    """The line with every word masked that shares something with the key, or is masked in part already."""
    text = key.reveal()
    size = min(_PART_CHARS, len(text))
    parts = {text[at:at + size] for at in range(len(text) - size + 1)}
    return " ".join(MASK if _tells(word, text, parts, size) else word for word in line.split(" "))


def _tells(word: str, key: str, parts: set[str], size: int) -> bool:
    if any(word[at:at + size] in parts for at in range(len(word) - size + 1)) or _MASKED.search(word):
        return True
    begin, end = key[:_END_CHARS], key[-_END_CHARS:]
    return word.strip(_AROUND) in (begin, end) or (_CUT.search(word) is not None and (begin in word or end in word))


def _why(fault: UpstreamFault | TimeoutError) -> str:
    """In words, without what the machine's own network would give away."""
    cause = fault.__cause__
    if isinstance(fault, TimeoutError) or fault.kind == "timeout":
        return f"There was no answer within {LIMITS.total_s:.0f} seconds."
    if isinstance(cause, gaierror):
        return "The name of its host cannot be resolved (DNS)."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "Its certificate is not trusted, or is another host's (TLS)."
    if isinstance(cause, ssl.SSLError):
        return "No secure connection came about (TLS)."
    if isinstance(cause, ConnectionRefusedError):
        return "Nobody listens at its address: the connection was refused."
    if fault.kind == "connect":
        return "No connection came about: the network, a firewall or a proxy may be in the way."
    return "It broke off before it had answered."
