"""From the path a client uses to the provider and the path the provider sees (decisions.md, "Gateway
paths"). Whoever changes only a base URL must arrive: the canonical form, the forms of the five
source systems and the bare paths of the SDKs all end here, in two tables read top to bottom.

Only the raw bytes of the request line are judged, never a decoded path: what we match is what goes
upstream, so no escape can mean one thing here and another there (books.md §4, threat 5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tallystick.core.dialect import UNLISTED, UNLISTED_POST, ErrorShape, Provider
from tallystick.core.errors import Denied
from tallystick.core.lean import lean

Form = Literal["proxy", "v1", "api_proxy", "bare"]
"""`/proxy/{provider}/…` · `/v1/{provider}/…` · `/api/proxy/v1/{provider}/…` · the SDK's own path."""

HeaderLookup = Mapping[bytes, bytes]
"""Header values by lower-case name."""


@lean
@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes. `path` and `query` are as the provider sees them (the query may still hold
    `key=`, which `credentials.identify` takes out)."""

    provider: Provider
    path: str
    query: bytes
    form: Form
    error_shape: ErrorShape
    origin: str | None = None
    """The regional host that the path names, out of the provider's list; None: the configured one."""

    @property
    def promptcost(self) -> bool:
        """Whether S3's rules apply: `Authorization` is the platform key, `X-Provider-Key` the
        provider's, 400 without `model` or `messages`, 502 for a key the provider refuses."""
        return self.form == "api_proxy"


# First segments below `/v1/` that are somebody's resource, hence never a provider's id.
_ANTHROPIC: Final = frozenset({"messages", "complete"})
_ANTHROPIC_WHERE_VERSIONED: Final = frozenset({"models", "files", "skills", "organizations"})
_OPENAI: Final = frozenset({
    "assistants", "audio", "batches", "chat", "chatkit", "completions", "containers", "conversations", "edits",
    "embeddings", "engines", "evals", "files", "fine-tunes", "fine_tuning", "images", "models", "moderations",
    "organization", "projects", "realtime", "responses", "skills", "threads", "uploads", "vector_stores", "videos",
})
RESOURCE_NAMES: Final = _ANTHROPIC | _ANTHROPIC_WHERE_VERSIONED | _OPENAI

# Prefixes that only one provider's SDK uses.
_BARE: Final[tuple[tuple[str, str], ...]] = (
    ("/v1beta/", "google"),
    ("/v1alpha/", "google"),
    ("/upload/v1beta/", "google"),
    ("/v2/", "cohere"),
)

# A path of plain segments: no empty one, no `.` or `..` however written, no `;` or backslash, and
# of the escapes none that stands for a slash, a backslash or a control character.
_PLAIN: Final = re.compile(
    rb"(?:/(?!(?:\.|%2[eE]){1,2}(?:/|\Z))"
    rb"(?:[A-Za-z0-9\-._~!$&'()*+,=:@]++|%(?!2[fF]|5[cC]|[01]|7[fF])[0-9A-Fa-f]{2})+)+/?"
)
# A name with encoded slashes: pieces that begin with no dot, so that none is `..` to whoever decodes it.
_NAME: Final = rb"(?:[A-Za-z0-9:_\-]|%3[aA])(?:[A-Za-z0-9:_.\-]++|%3[aA])*"
_SLASHED_NAME: Final = _NAME + rb"(?:%2[fF]" + _NAME + rb")+"
_NAMED: Final = re.compile(rb"/(?:proxy|v1|api/proxy/v1)/([a-z0-9_-]{1,32})/")
_ID: Final = re.compile(r"[a-z0-9_-]{1,32}")
_GEMINI_VERB: Final = re.compile(r"/v1/(?:models|tunedModels)/[^/:]+:[A-Za-z]+")
_VERSION: Final = re.compile(r"/v\d+(?:alpha|beta)?\d*/")


def resolve(
    method: str, raw_path: bytes, query: bytes, headers: HeaderLookup, providers: Mapping[str, Provider],
) -> Target | Denied:
    """The target of a request line, or `bad_path`, `unknown_provider`, `unknown_route`."""
    if not is_plain(_without_slashed_name(raw_path, providers)):
        return Denied("bad_path", "The request path is not in plain form: no empty or dot segments, no ';', no encoded slashes.")
    path = raw_path.decode("ascii")
    form, provider_id, rest = _split(method, path, b"anthropic-version" in headers, providers)
    if provider_id is None:
        return Denied("unknown_route", "No provider's path. The form that always works is /proxy/{provider}/{the provider's path}.")
    provider = providers.get(provider_id)
    if provider is None:
        named = f"'{provider_id}'" if _ID.fullmatch(provider_id) else "of that name"
        return Denied("unknown_provider", f"There is no provider {named} here. Known: {', '.join(sorted(providers))}.")
    regional = _regional(provider, rest)
    if regional is None:
        return Denied("unknown_route", f"The path names no region of {provider.name} that is known here.")
    origin, rest = regional
    if form in ("v1", "api_proxy"):
        rest = _full_path(provider, method, rest)
    return Target(provider, rest, query, form, _shape(provider.error_shape, rest, headers), origin)


def is_plain(raw_path: bytes) -> bool:
    """Whether every reader takes the path for the same one."""
    return _PLAIN.fullmatch(raw_path) is not None or raw_path == b"/"


def _without_slashed_name(raw_path: bytes, providers: Mapping[str, Provider]) -> bytes:
    """The path less the one name that may hold encoded slashes, at the one place where its provider
    has such names."""
    if b"%2" not in raw_path or (named := _NAMED.match(raw_path)) is None:
        return raw_path
    provider = providers.get(named.group(1).decode("ascii"))
    if provider is None or provider.slashes_after is None:
        return raw_path
    before = b"/" + provider.slashes_after.encode("ascii") + b"/"
    return re.sub(before + _SLASHED_NAME + b"(?=/)", before + b"name", raw_path, count=1)


def _regional(provider: Provider, rest: str) -> tuple[str | None, str] | None:
    """The origin of the regional host that a path names (None: the configured one), and the path as
    that host sees it. None where it names a region that is not on the provider's list."""
    if not provider.regions:
        return None, rest
    if not provider.region_after:
        region, path = _after(rest, 1)
        return (provider.regions[region], path) if region in provider.regions else (None, rest)
    _, found, after = rest.partition(f"/{provider.region_after}/")
    if not found:
        return None, rest
    origin = provider.regions.get(after.partition("/")[0])
    return (origin, rest) if origin is not None else None


def serves(raw_path: bytes) -> bool:
    """Whether the path belongs to the data plane at all (the control plane has the rest)."""
    return raw_path.startswith((b"/v1/", b"/proxy/", b"/api/proxy/", b"/v1beta/", b"/v1alpha/", b"/upload/v1beta/", b"/v2/"))


def error_shape(raw_path: bytes, headers: HeaderLookup) -> ErrorShape:
    """The shape of a refusal where no target was found: what the path or the headers tell."""
    path = raw_path.decode("latin-1")
    if b"anthropic-version" in headers or "/messages" in path:
        return "anthropic"
    if path.startswith("/v2/"):
        return "cohere"
    return "gemini" if path.startswith(("/v1beta/", "/v1alpha/", "/upload/")) or _GEMINI_VERB.match(path) else "openai"


def _split(
    method: str, path: str, anthropic: bool, providers: Mapping[str, Provider],
) -> tuple[Form, str | None, str]:
    """Form, provider id and the path after it. An id of None: nobody's path."""
    if path.startswith("/proxy/"):
        provider_id, rest = _after(path, len("/proxy/"))
        return "proxy", provider_id, rest
    if path.startswith("/api/proxy/v1/"):
        provider_id, rest = _after(path, len("/api/proxy/v1/"))
        return "api_proxy", provider_id, rest
    if path.startswith("/v1/"):
        name, rest = _after(path, len("/v1/"))
        if name in providers:
            return "v1", name, rest
        if method == "POST" and _GEMINI_VERB.fullmatch(path):
            return "bare", "google", path
        if name in _ANTHROPIC or (anthropic and name in _ANTHROPIC_WHERE_VERSIONED):
            return "bare", "anthropic", path
        if name in _OPENAI:
            return "bare", "openai", path
        # Neither a provider nor a resource. Sending it to OpenAI would hand the key of a mistyped
        # provider to a stranger.
        return ("bare", None, path) if rest == "/" else ("v1", name, rest)
    for prefix, provider_id in _BARE:
        if path.startswith(prefix):
            return "bare", provider_id, path
    return "bare", None, path


def _after(path: str, start: int) -> tuple[str, str]:
    """The segment that begins at `start`, and the path from its end on (at least `/`)."""
    end = path.find("/", start)
    return (path[start:], "/") if end < 0 else (path[start:end], path[end:])


def _full_path(provider: Provider, method: str, rest: str) -> str:
    """The provider's own path from one that may lack its prefix. `/chat/completions` and
    `/v1/chat/completions` both mean Groq's `/openai/v1/chat/completions`; a listed route and a path
    that begins as the provider's own paths do stand as they are."""
    prefix = provider.prefix
    first = prefix[: prefix.find("/", 1) + 1] or prefix + "/"
    if not prefix or rest.startswith(first) or _listed(provider, method, rest):
        return rest
    if rest.startswith("/v1/") and prefix.endswith("/v1"):
        return prefix + rest[len("/v1"):]
    return rest if _VERSION.match(rest) else prefix + rest


def _listed(provider: Provider, method: str, path: str) -> bool:
    return provider.route_for(method, path)[0] not in (UNLISTED, UNLISTED_POST)


def _shape(own: ErrorShape, path: str, headers: HeaderLookup) -> ErrorShape:
    """A provider may speak a second dialect: `anthropic-version` tells Anthropic's, and Gemini's
    OpenAI-compatible routes have `/openai/` in their path."""
    if b"anthropic-version" in headers:
        return "anthropic"
    return "openai" if own == "gemini" and "/openai/" in path else own
