"""What core asks of a provider: its routes, where its credential goes, its quirks. A provider is one
frozen value built from these in one file of `providers/`; adding one is adding that file and a name
in `PROVIDERS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import quote, unquote

from tallystick.core.call import Dialect, SocketDialect

ErrorShape = Literal["openai", "anthropic", "gemini", "cohere", "bedrock"]

RouteKind = Literal["generation", "count", "models", "object", "other"]
"""What a stored credential may open: generation, count (token counting) and models (lists); all
else is refused to callers without a credential of their own (decisions.md, "With a stored credential")."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path of a provider. `path` is a template: `{model}` matches a model name (which may hold
    slashes where `model_slashes`), any other `{x}` one segment. `free`: the provider bills nothing
    for it. A billable route without a dialect is journaled as `unpriced`."""

    method: str
    path: str
    operation: str
    kind: RouteKind = "generation"
    dialect: Dialect | None = None
    free: bool = False
    model_slashes: bool = False
    uploads: bool = False                    # streams through up to the upload limit, never parsed
    poll: bool = False                       # repeats a bill that belongs to the job's creator
    keeps: bool = False                      # what it makes can be named or asked for again by its id

    @property
    def names_model(self) -> bool:
        """Whether the path says which model is asked."""
        return "{model}" in self.path


@dataclass(frozen=True, slots=True)
class Socket:
    """One address of a provider that answers with a two-way connection (WebSocket). The gateway opens
    none yet; what one would bill is known and tested."""

    path: str
    operation: str
    dialect: SocketDialect


@dataclass(frozen=True, slots=True)
class CredentialPlace:
    """A header in which a provider takes its key, and the scheme before it (`Bearer `)."""

    header: str
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Signing:
    """A provider that also takes requests signed with a pair of keys (core/signature_v4.py). `region`: the
    one that a signature names where the host is none of the provider's own list."""

    service: str
    region: str


@dataclass(frozen=True)
class Provider:
    """Everything about one provider that is not its prices."""

    id: str
    name: str
    base_url: str | None                     # origin before its own path; None: must be configured
    routes: tuple[Route, ...]
    credentials: tuple[CredentialPlace, ...]
    """Where it takes its key; the first is where a stored credential goes."""
    error_shape: ErrorShape = "openai"
    prefix: str = "/v1"
    """The part of its path that clients leave out on the short forms (`/openai/v1` for Groq)."""
    asks_stream_usage: bool = False
    """Its streams carry usage only if `stream_options.include_usage` is sent: inject it, undo it."""
    states_cost: bool = False                # its replies say what they cost, and that is billed
    default_headers: Mapping[str, str] = field(default_factory=dict)   # sent where the caller has none
    query_credential: str | None = None      # `key` for Google: taken out of the URL, sent as header
    free_models: bool = False                # self-hosted: no price is a price of zero
    reasons_beyond: bool = False             # what its models reason comes on top of the limit that a request states
    price_book: str | None = None            # id of the price book to use, if not its own
    docs_url: str = ""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Origins of its regional hosts, by region: a fixed list, for a host is never made of a caller's text."""
    region_after: str = ""
    """The segment before the region where its own paths name one (`locations`); where they do not, a
    region may lead the path and is taken out of it."""
    slashes_after: str | None = None
    """The segment before names that may hold encoded slashes (`model`, before an ARN)."""
    sockets: tuple[Socket, ...] = ()
    signing: Signing | None = None
    checks_key_at: str | None = None
    """Path of a GET that costs nothing and says of a key whether it is valid, where its list of models does not."""

    @property
    def free_check(self) -> str | None:
        """Path of a GET that costs nothing and asks for a key, to see whether one is taken; None where there is none. Models
        are listed under every provider's first such route, unless `checks_key_at` says better."""
        listing = (route.path for route in self.routes if route.method == "GET" and route.kind == "models" and "{" not in route.path)
        return self.checks_key_at or next(listing, None)

    def route_for(self, method: str, path: str) -> tuple[Route, str | None]:
        """The route of a path and the model it names, percent-decoded. An unlisted POST is billable and unmetered;
        every other unlisted method is free."""
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain, None
        for route, pattern in self._templates:
            if route.method == method and (match := pattern.fullmatch(path)):
                model = match.groupdict().get("model")
                return route, unquote(model) if model is not None else None
        return (UNLISTED_POST if method == "POST" else UNLISTED), None

    def path_of(self, route: Route, path: str, model: str) -> str:
        """A path of this route with another model in the place of the one it names. Slashes in a name are encoded where the
        provider has such names, else they stand."""
        match = next(pattern for listed, pattern in self._templates if listed is route).fullmatch(path)
        if match is None:
            raise ValueError("this is no path of that route")
        begin, end = match.span("model")
        return path[:begin] + quote(model, safe="@" if self.slashes_after or not route.model_slashes else "@/") + path[end:]

    def socket_for(self, path: str) -> Socket | None:
        """The two-way connection at that path; None where there is none."""
        return next((socket for socket in self.sockets if socket.path == path), None)

    @cached_property
    def credential_headers(self) -> frozenset[bytes]:
        """The names of the headers in `credentials`, in lower case."""
        return frozenset(place.header.lower().encode() for place in self.credentials)

    @cached_property
    def _plain(self) -> Mapping[tuple[str, str], Route]:
        """Most calls go to a path without a name in it: one lookup."""
        return {(route.method, route.path): route for route in self.routes if "{" not in route.path}

    @cached_property
    def _templates(self) -> tuple[tuple[Route, re.Pattern[str]], ...]:
        return tuple((route, _pattern(route)) for route in self.routes if "{" in route.path)


UNLISTED_POST = Route("POST", "", "other", kind="other")
UNLISTED = Route("GET", "", "other", kind="other", free=True)


def _pattern(route: Route) -> re.Pattern[str]:
    """A template as an anchored pattern: `/v1/models/{model}:generateContent`."""
    model = r"(?P<model>[^?]+?)" if route.model_slashes else r"(?P<model>[^/?:]+)"
    parts = re.split(r"(\{[a-z_]+\})", route.path)
    return re.compile("".join(
        model if part == "{model}" else r"[^/?]+" if part.startswith("{") else re.escape(part) for part in parts
    ))
