"""The generateContent wire format: JSON, server-sent events, or one streamed JSON array; and embeddings.

Where the bill stands: `usageMetadata`, in a stream that of the last chunk, taken whole (the counts start
anew between tool steps, so that the largest of each field would bill too much). Input =
`promptTokenCount` (which holds `cachedContentTokenCount`) + `toolUsePromptTokenCount`; output =
`candidatesTokenCount` + `thoughtsTokenCount`. Lists beside them divide each by modality.
Searches are stated as what they were, not as a fee: queries and grounded prompts are both counted, and
the price of the served model says which of the two is charged.
Source: the provider's API reference, and the recorded traffic that money.md section 2 sums up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.framing import SseData
from tallystick.providers.dialects.json_documents import DOCUMENT_BYTES_MAX, JsonDocuments
from tallystick.providers.dialects.modalities import by_modality, split_by_modality
from tallystick.providers.dialects.wire import count, mapping, mappings, number, text, totals_hold, utf8_bytes

# Kinds of traffic by name and by number of the enum; `None` is the standard one.
TRAFFIC: Final[Mapping[object, str | None]] = {
    "TRAFFIC_TYPE_UNSPECIFIED": None, "ON_DEMAND": None, "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority", "PROVISIONED_THROUGHPUT": "provisioned_throughput",
    0: None, 1: None, 2: "provisioned_throughput", 3: "priority", 4: "flex",
}
STANDARD_TIERS: Final = frozenset({"standard", "unspecified", "service_tier_unspecified"})

_TOTALS: Final = (
    "promptTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount",
)

# Tools of a request that the caller runs; every other one runs at the provider.
_CALLERS_TOOLS: Final = frozenset({"functionDeclarations", "function_declarations", "computerUse", "computer_use"})


@dataclass(frozen=True, slots=True)
class Gemini:
    """`…:generateContent`, and `…:streamGenerateContent` with `streams`. `tier_header`: where a reply
    states its service tier if its body does not."""

    streams: bool = False
    tier_header: str | None = None
    name: str = "gemini"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        settings = _either(body, "generationConfig", "generation_config")
        thinking = _either(settings, "thinkingConfig", "thinking_config")
        tools, server_tools = _tools(body)
        counted = _either(body, "generateContentRequest", "generate_content_request")      # of countTokens
        media = _Media(body, counted)
        caches = [cache for part in (body, counted) if (cache := _either(part, "cachedContent", "cached_content", str))]
        objects = (*media.objects, *caches, *_stores(body))
        return Facts(
            model=path_model or _bare(body.get("model")),
            stream=self.streams,
            output_limit=_number(settings, "maxOutputTokens", "max_output_tokens"),
            n=_number(settings, "candidateCount", "candidate_count") or 1,
            reasoning_effort=text(_either(thinking, "thinkingLevel", "thinking_level", str)),
            reasoning_limit=_number(thinking, "thinkingBudget", "thinking_budget"),
            media=media.count,
            media_bytes=media.bytes,
            references=media.references + len(objects) - len(media.objects),
            objects=objects,
            tools=tools,
            server_tools=server_tools,
            tier=text(_either(body, "serviceTier", "service_tier", str)),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - the reply says it all
        tier = head.headers.get(self.tier_header) if self.tier_header else None
        return _GenerationMeter(_documents(head, self.streams), tier)


@dataclass(frozen=True, slots=True)
class GeminiEmbeddings:
    """`…:embedContent` and `…:batchEmbedContents`. Only newer models state usage."""

    name: str = "gemini_embeddings"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        requests = mappings(body.get("requests"))
        found = [_Media(request) for request in requests or [body]]
        return Facts(
            model=path_model or _bare(body.get("model")),
            media=sum(media.count for media in found),
            media_bytes=sum(media.bytes for media in found),
            references=sum(media.references for media in found),
            objects=tuple(uri for media in found for uri in media.objects),
            inputs=max(1, len(requests)),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002
        return _GenerationMeter(_documents(head, streams=False), None)


# --- the request ------------------------------------------------------------------------------------


def _either(found: Mapping[str, Any], camel: str, snake: str, kind: type = dict) -> Any:
    """A field under either of its two spellings; an empty `kind` where it is neither or no such kind."""
    stated = found.get(camel, found.get(snake))
    return stated if isinstance(stated, kind) else kind()


def _number(found: Mapping[str, Any], camel: str, snake: str) -> int | None:
    """A count under either of its spellings; None, which is not zero, where it is not stated."""
    return number(found.get(camel, found.get(snake)))


def _bare(model: object) -> str | None:
    """A model without its collection: `models/gemini-2.5-pro` is `gemini-2.5-pro`."""
    return model.removeprefix("models/") or None if isinstance(model, str) else None


def _tools(body: JsonObject) -> tuple[int, int]:
    """Functions the caller declares, and tools of the provider."""
    own = server = 0
    for tool in mappings(body.get("tools")):
        for name, declared in tool.items():
            if name in _CALLERS_TOOLS:
                own += max(1, len(rj.listing(declared)))
            else:
                server += 1
    return own, server


def _stores(body: JsonObject) -> list[str]:
    """The file stores a request lets the provider search."""
    searches = [_either(tool, "fileSearch", "file_search") for tool in mappings(body.get("tools"))]
    names = [name for search in searches for name in _either(search, "fileSearchStoreNames", "file_search_store_names", list)]
    return [name for name in names if isinstance(name, str)]


class _Media:
    """Inline media of a request and their bytes as base64, and files named by URI; those that the
    provider or its cloud stores are objects, the others are open to everyone."""

    __slots__ = ("bytes", "count", "objects", "references")

    def __init__(self, *bodies: JsonObject) -> None:
        self.count = self.bytes = self.references = 0
        self.objects: list[str] = []
        for part in (part for body in bodies for part in _parts(body)):
            data = _either(_either(part, "inlineData", "inline_data"), "data", "data", str)
            file = _either(part, "fileData", "file_data")
            if data:
                self.count += 1
                self.bytes += utf8_bytes(data)
            elif file:
                self.references += 1
                uri = _either(file, "fileUri", "file_uri", str)
                if is_stored(uri):
                    self.objects.append(uri)


def is_stored(uri: str) -> bool:
    """Whether a URI names a file that someone stored, and not one of the open web."""
    return "/files/" in uri or uri.startswith(("files/", "gs://"))


def _parts(body: JsonObject) -> Iterator[Mapping[str, Any]]:
    """Every part of a request, those that answer a function call too."""
    waiting: list[Any] = [
        body.get("contents"), body.get("content"), body.get("systemInstruction"), body.get("system_instruction"),
    ]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            yield found
            waiting += [found.get("parts"), found.get("functionResponse"), found.get("function_response")]


# --- the reply's framing ----------------------------------------------------------------------------


class _Documents(Protocol):
    """The documents of a reply, undecoded, as its bytes pass. `dropped`: those too long to keep."""

    @property
    def ended(self) -> bool: ...
    @property
    def dropped(self) -> int: ...

    def feed(self, data: bytes) -> list[bytes]: ...
    def finish(self) -> list[bytes]: ...


class _OneDocument:
    """A buffered reply: one document, at its end; dropped once it is too long to keep."""

    __slots__ = ("_pieces", "_size")

    ended: Final = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def dropped(self) -> int:
        return 1 if self._size > DOCUMENT_BYTES_MAX else 0

    def feed(self, data: bytes) -> list[bytes]:
        self._size += len(data)
        if self.dropped:
            self._pieces = []
        else:
            self._pieces.append(data)
        return []

    def finish(self) -> list[bytes]:
        return [b"".join(self._pieces)]


def _documents(head: ReplyHead, streams: bool) -> _Documents:
    """What the reply says it is; where it does not, what was asked for."""
    kind = head.headers.get("content-type", "")
    if "event-stream" in kind or (not kind and head.streaming):
        return SseData(DOCUMENT_BYTES_MAX)           # a picture is one event
    return JsonDocuments() if streams else _OneDocument()


# --- the reply's meaning ----------------------------------------------------------------------------


@dataclass(slots=True)
class _Reply:
    """What has been read of one reply so far."""

    usage: msgspec.Raw | None = None         # the last usageMetadata with counts in it
    model: str | None = None
    response_id: str | None = None
    queries: int = 0
    grounded: bool = False
    ended: bool = False
    blocked: bool = False
    failed: bool = False
    output_bytes: int = 0

    def read(self, document: bytes) -> bool:
        """Take one document; whether it was one."""
        members = rj.fields(document)
        if members is None:
            return False
        usage = members.get("usageMetadata")
        if usage is not None and (self.usage is None or b"oken" in bytes(usage)):
            self.usage = usage
        if self.model is None:
            self.model = rj.string(members, "modelVersion")
        if self.response_id is None:
            self.response_id = rj.string(members, "responseId")
        if "candidates" in members:
            self._see(mappings(rj.value(members, "candidates")))
        if "promptFeedback" in members and mapping(rj.value(members, "promptFeedback")).get("blockReason"):
            self.blocked = self.ended = True
        if "error" in members and rj.value(members, "error"):
            self.failed = True
        return True

    def _see(self, candidates: list[Mapping[str, Any]]) -> None:
        queries = 0
        for candidate in candidates:
            self.ended = self.ended or bool(candidate.get("finishReason"))
            grounding = mapping(candidate.get("groundingMetadata"))
            self.grounded = self.grounded or bool(grounding)
            queries += len(rj.listing(grounding.get("webSearchQueries")))
            for part in mappings(mapping(candidate.get("content")).get("parts")):
                self.output_bytes += _generated_bytes(part)
        self.queries = max(self.queries, queries)      # chunks repeat them


class _GenerationMeter:
    """One reply, whatever its framing. `output_bytes`: text, thoughts shown, code and the arguments
    of function calls; not pictures and not signatures."""

    __slots__ = ("_documents", "_reading", "_reply", "_tier", "_unread")

    def __init__(self, documents: _Documents, tier: str | None) -> None:
        self._documents = documents
        self._reply = _Reply()
        self._tier = tier
        self._unread = 0
        self._reading: Reading | None = None

    @property
    def ended(self) -> bool:
        return self._documents.ended

    def feed(self, data: bytes) -> None:
        for document in self._documents.feed(data):
            self._unread += not self._reply.read(document)

    def finish(self) -> Reading:
        if self._reading is None:
            for document in self._documents.finish():
                self._unread += not self._reply.read(document)
            self._reading = self._read()
        return self._reading

    def _read(self) -> Reading:
        reply, notes = self._reply, []
        if self._documents.dropped:
            notes.append("a part of the reply was too long to read")
        elif self._unread:
            notes.append(rj.NO_OBJECT)
        stated = mapping(rj.decoded(reply.usage))
        whole_body = not notes and isinstance(self._documents, _OneDocument)
        return Reading(
            usage=_usage(stated, reply, notes),
            model=reply.model,
            response_id=reply.response_id,
            traits=served_tier(stated, self._tier),
            ended=reply.ended or self._documents.ended or whole_body,
            running=not reply.ended,             # every chunk states the counts so far
            failed=reply.failed,
            output_bytes=reply.output_bytes,
            notes=tuple(notes),
        )


def _generated_bytes(part: Mapping[str, Any]) -> int:
    size = utf8_bytes(part.get("text"))
    if "functionCall" in part:
        call = mapping(part["functionCall"])
        size += utf8_bytes(call.get("name")) + rj.json_bytes(call.get("args"))
    if "executableCode" in part:
        size += utf8_bytes(mapping(part["executableCode"]).get("code"))
    return size


# --- the bill ---------------------------------------------------------------------------------------


def _usage(stated: Mapping[str, Any], reply: _Reply, notes: list[str]) -> Usage | None:
    """Usage in disjoint classes. A prompt that was blocked carries usageMetadata without counts: that
    states that nothing was used."""
    totals = [count(stated, name, notes) for name in _TOTALS]
    if not totals_hold(stated, *_TOTALS):
        return None
    if all(total is None for total in totals):
        return Usage() if stated and reply.blocked else None
    prompt, cached, tool, candidates, thoughts = (total or 0 for total in totals)
    prompt_details = stated.get("promptTokensDetails") or stated.get("promptTokenDetails")
    return split_by_modality(
        prompt=prompt,
        cached=cached,
        output=candidates,
        prompt_details=by_modality(prompt_details, "tokenCount", notes),
        cached_details=by_modality(stated.get("cacheTokensDetails"), "tokenCount", notes),
        output_details=by_modality(stated.get("candidatesTokensDetails"), "tokenCount", notes),
    ).plus(usage_of(
        input_tool=tool,
        output_reasoning=thoughts,
        grounding_queries=reply.queries,
        grounded_prompts=1 if reply.grounded else 0,
    ))


def served_tier(stated: Mapping[str, Any], header_tier: str | None = None) -> dict[str, str]:
    """The tier as served: stated by name, as a kind of traffic, or in a header."""
    tier = text(stated.get("serviceTier"))
    if tier is None:
        traffic = stated.get("trafficType")
        if isinstance(traffic, str | int) and traffic in TRAFFIC:
            tier = TRAFFIC[traffic]
        elif isinstance(traffic, str):
            tier = traffic
        elif header_tier in ("flex", "priority"):
            tier = header_tier
    return {"tier": tier.lower()} if tier and tier.lower() not in STANDARD_TIERS else {}
