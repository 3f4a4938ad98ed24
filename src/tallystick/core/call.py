"""One inbound call, as much of it as rules may judge. Never its content: facts, sizes and counts.

A *call* is what a client sent us; an *attempt* is what we sent to a provider for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from tallystick.core.lean import lean
from tallystick.core.usage import Reading

JsonObject = Mapping[str, Any]


@lean
@dataclass(frozen=True, slots=True)
class Facts:
    """What the request body asks for, read once by its dialect. `None` means the caller did not
    say; a wrong type is read as not said (the provider will refuse it; we forward it unchanged)."""

    model: str | None = None
    stream: bool = False
    output_limit: int | None = None          # tokens, the caller's own cap
    n: int = 1                               # alternatives asked for
    reasoning_effort: str | None = None
    reasoning_limit: int | None = None       # tokens
    media: int = 0                           # inline images, audio, video, files
    media_bytes: int = 0                     # their bytes as they stand in the body (base64)
    references: int = 0                      # by id or URL: files, previous response, caches, stores
    objects: tuple[str, ...] = ()            # ids of the provider's stored objects among them
    previous_response: str | None = None     # the one such object that may be this owner's own
    tools: int = 0                           # tools the caller runs
    server_tools: int = 0                    # tools the provider runs
    server_tool_limit: int | None = None     # most rounds the request allows them
    wants_stream_usage: bool = False         # the caller asked for usage in the stream itself
    tier: str | None = None                  # service tier as asked
    background: bool = False
    inputs: int = 1                          # documents or strings in a batch-shaped request
    characters: int = 0                      # code points of a text to be spoken
    traits: Mapping[str, str] = field(default_factory=dict)   # what chooses a rate as asked: size, quality, annotations
    confirmed: bool = False                  # an expensive call was confirmed (a header, not the body)
    end_user: str | None = None              # `user`, `metadata.user_id`…: claimed, never verified


NAME_CHARS_MAX: Final = 256
"""Of a model, a tier, an id… as it is written down. A longer text is no name, and might be a prompt."""


def name(text: str | None) -> str | None:
    """A name out of a request or a reply as it is written down: no longer than that, and with signs in the place of what no
    record or no database holds, halves of surrogate pairs and U+0000."""
    if text is None or (len(text) <= NAME_CHARS_MAX and text.isascii() and "\0" not in text):
        return text
    return text[:NAME_CHARS_MAX].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def written(facts: Facts) -> Facts:
    """The facts as the journal takes them: names cut to length, and without the ids of objects, which
    have been judged by then."""
    texts = (facts.model or "", facts.end_user or "", facts.reasoning_effort or "", facts.tier or "")
    if not (facts.objects or facts.previous_response or facts.traits or any(text != name(text) for text in texts)):
        return facts
    return replace(
        facts, model=name(facts.model), end_user=name(facts.end_user), reasoning_effort=name(facts.reasoning_effort),
        tier=name(facts.tier), traits={trait: name(value) or "" for trait, value in facts.traits.items()},
        objects=(), previous_response=None,
    )


@lean
@dataclass(frozen=True, slots=True)
class ReplyHead:
    """What a meter may know before the first body byte. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    streaming: bool                          # an event stream or a stream of JSON documents
    path: str = ""                           # as sent upstream, without query


class Meter(Protocol):
    """Reads usage from one reply as its bytes pass. Never raises on any input, keeps bounded state,
    and gives the same reading however the bytes were split."""

    @property
    def ended(self) -> bool:
        """The framing's own end marker was seen (`[DONE]`, `message_stop`…): settle before
        passing on the piece that carried it."""

    def feed(self, data: bytes) -> None:
        """The next piece of the body, content encoding already removed."""

    def finish(self) -> Reading:
        """What was read, whether or not the reply came to its end. May be called twice."""


class Dialect(Protocol):
    """A wire format: how a request states its facts and a reply its usage. A frozen dataclass
    whose fields are the quirks a provider may have; it names no vendor."""

    @property
    def name(self) -> str:
        """Stable: it stands in entries and in docs."""

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request body. `path_model`: the model where the path names it."""

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        """A fresh meter for one reply with status 2xx."""


class SessionMeter(Protocol):
    """Reads what is billed on one two-way connection as its messages pass. A session has as many bills
    as it has answers, and each is a reading of its own with its own context. Never raises, and keeps
    bounded state."""

    def sent(self, message: bytes) -> None:
        """The caller's next message, whole."""

    def received(self, message: bytes) -> Reading | None:
        """The provider's next message, whole: the bill that it closes, None where it closes none."""

    def finish(self) -> Reading | None:
        """At the end of the connection: what was begun and never billed, None where nothing was."""


class SocketDialect(Protocol):
    """What is said over a two-way connection, and where in it the bills stand."""

    @property
    def name(self) -> str:
        """Stable: it stands in entries and in docs."""

    def session(self, model: str | None) -> SessionMeter:
        """A fresh meter for one connection. `model`: the one its address asks for."""


@lean
@dataclass(frozen=True, slots=True)
class Call:
    """A call on its way: who asks what of whom."""

    request_id: str
    provider: str
    method: str
    path: str                                # the provider's own path, as sent upstream
    operation: str                           # route name: chat, responses, embeddings, models, other…
    dialect: str | None
    facts: Facts = field(default_factory=Facts)
    body_bytes: int = 0
    at_us: int = 0                           # UTC, microseconds; the day it belongs to is decided by this
