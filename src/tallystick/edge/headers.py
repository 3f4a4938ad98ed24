"""Which headers go further, both ways (decisions.md, "Where passthrough bends"). All pass, exact in
value, order and number, except the deny-list below: what belongs to one connection, what is ours or
a source system's, credentials in places the provider does not list, and what would tell the
provider where the caller sits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tallystick.core.dialect import CredentialPlace, Provider
from tallystick.core.lean import lean
from tallystick.core.secret import Secret
from tallystick.edge.attribution import HEADERS as ATTRIBUTION_HEADERS
from tallystick.edge.credentials import CREDENTIAL_HEADERS, KEY_HEADERS, PROVIDER_KEY_HEADER
from tallystick.ports import RawHeaders

HOP_BY_HOP: Final = frozenset({
    b"connection", b"http2-settings", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})
# The transport writes these anew.
_FRAMING: Final = frozenset({b"host", b"content-length", b"expect"})
_OURS: Final = frozenset({*(name for name, _ in ATTRIBUTION_HEADERS), *KEY_HEADERS, PROVIDER_KEY_HEADER})
_OUR_PREFIXES: Final = (b"x-tallystick-", b"x-cartie-", b"x-aso-", b"x-litellm-")
_FORWARDING: Final = frozenset({
    b"cdn-loop", b"client-ip", b"fastly-client-ip", b"fly-client-ip", b"forwarded", b"true-client-ip", b"via",
    b"x-appengine-user-ip", b"x-azure-clientip", b"x-azure-socketip", b"x-client-ip", b"x-cluster-client-ip",
    b"x-envoy-external-address", b"x-original-forwarded-for", b"x-originating-ip", b"x-real-ip", b"x-remote-addr",
    b"x-remote-ip", b"x-vercel-forwarded-for",
})
_FORWARDING_PREFIXES: Final = (b"x-forwarded", b"cf-")
_CREDENTIALS: Final = frozenset(CREDENTIAL_HEADERS)
_COOKIES: Final = frozenset({b"cookie", b"cookie2"})
# A page that calls from a browser, by its address in the house; some providers refuse calls that name one.
_PAGE: Final = frozenset({b"origin", b"referer"})

_DENIED_UPSTREAM: Final = HOP_BY_HOP | _FRAMING | _OURS | _FORWARDING | _COOKIES | _PAGE
_PREFIXES_UPSTREAM: Final = _OUR_PREFIXES + _FORWARDING_PREFIXES
_DENIED_TO_CLIENT: Final = HOP_BY_HOP | {b"set-cookie", b"set-cookie2"}

ACCOUNT_HEADERS: Final = frozenset({
    b"anthropic-organization-id", b"openai-organization", b"openai-project", b"x-amz-security-token", b"x-goog-user-project",
})
"""Whose account it is. With a stored credential that is the operator's: neither may the caller
choose it, nor is the caller told."""

_READABLE: Final = frozenset({"gzip", "deflate", "br", "zstd", "identity"})
JSON_TYPE: Final = b"application/json"
FORM_TYPE: Final = b"application/x-www-form-urlencoded"


@lean
@dataclass(frozen=True, slots=True)
class Bend:
    """What this one call needs beyond the deny-list.

    withheld: credential headers that held a gateway key, lower case.
    credential, place: a key to write, and where; both None where the caller's own stands already.
    stored: the credential is the operator's: all credentials and account headers of the caller go.
    json_body: the route takes JSON and has a body: a missing or form Content-Type becomes JSON.
    identity: we must edit the reply's stream, so it may not be compressed.
    """

    withheld: frozenset[bytes] = frozenset()
    credential: Secret | None = None
    place: CredentialPlace | None = None
    stored: bool = False
    json_body: bool = False
    identity: bool = False


def to_provider(headers: RawHeaders, provider: Provider, bend: Bend) -> list[tuple[bytes, bytes]]:
    """The headers of an attempt, from the caller's (names in lower case). Without Host,
    Content-Length and Connection, which the transport writes."""
    extra = _extra_denials(headers, provider, bend)
    sent = [
        header for header in headers
        if header[0] not in _DENIED_UPSTREAM and header[0] not in extra and not header[0].startswith(_PREFIXES_UPSTREAM)
    ]
    for index, (name, value) in enumerate(sent):
        if name == b"accept-encoding":
            sent[index] = (name, b"identity" if bend.identity else readable_encodings(value))
        elif name == b"content-type" and bend.json_body and (not value.strip() or value.lower().startswith(FORM_TYPE)):
            sent[index] = (name, JSON_TYPE)      # curl's `-d` says form unasked; the JSON in the body is meant
    names = {name for name, _ in sent}
    if bend.identity and b"accept-encoding" not in names:
        sent.append((b"accept-encoding", b"identity"))
    if bend.json_body and b"content-type" not in names:
        sent.append((b"content-type", JSON_TYPE))
    for default, text in provider.default_headers.items():
        if (lower := default.lower().encode()) not in names:
            sent.append((lower, text.encode()))
    if bend.credential is not None and bend.place is not None:
        sent.append((bend.place.header.lower().encode(), f"{bend.place.scheme}{bend.credential.reveal()}".encode("latin-1")))
    return sent


def to_client(headers: RawHeaders, *, own_credential: bool, edited: bool, ours: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a reply, from the provider's, and ours after them.

    own_credential: the caller used a key of their own, so the account is theirs to see.
    edited: the body's length changes on its way, so the provider's Content-Length is not ours.
    """
    named = [header[0].lower() for header in headers]
    denied = _DENIED_TO_CLIENT
    if b"connection" in named:
        denied |= _named_by_connection(headers)
    if not own_credential:
        denied |= ACCOUNT_HEADERS
    if edited:
        denied |= {b"content-length"}
    passed = [header for name, header in zip(named, headers, strict=True) if name not in denied and not name.startswith(b"x-tallystick-")]
    passed += ours
    return passed


def is_ours(name: bytes) -> bool:
    """Whether a header, by its lower-case name, is ours or a source system's: read here, never sent on."""
    return name in _OURS or name.startswith(_OUR_PREFIXES)


def readable_encodings(value: bytes) -> bytes:
    """An Accept-Encoding without the encodings our meters cannot read, exact where there are none."""
    pieces = value.decode("latin-1").split(",")
    kept = [piece for piece in pieces if piece.partition(";")[0].strip().lower() in _READABLE]
    if len(kept) == len(pieces):
        return value
    return ",".join(kept).strip().encode("latin-1") or b"identity"


def _extra_denials(headers: RawHeaders, provider: Provider, bend: Bend) -> frozenset[bytes]:
    """What this call denies beyond the table: credentials that may not stand where they do, headers
    named by Connection and, with a stored credential, the caller's account."""
    if bend.credential is not None:
        denied = _CREDENTIALS
    else:
        denied = bend.withheld | (_CREDENTIALS - provider.credential_headers)
    if bend.stored:
        denied |= ACCOUNT_HEADERS
    return denied | _named_by_connection(headers)


def _named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    named = [value for name, value in headers if len(name) == 10 and name.lower() == b"connection"]
    if not named:
        return frozenset()
    return frozenset(token.strip().lower() for value in named for token in value.split(b","))
