"""Who calls, and with whose provider key (decisions.md, "Who calls"; rule 9). Identity is decided by
the path and by our own headers, never by guessing at key text. Text has one use: a value with a
prefix of ours, or an issued key, is recognised in every credential place, and is then taken out and
never forwarded, valid or not.

The order of the places is the rule: our key headers, `Authorization`, `x-api-key`,
`x-goog-api-key`, `api-key`, `?key=`. A value with a prefix of ours in any other query parameter, or
inside a `Basic` credential, is in none of them: the call is refused, for it would go upstream.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from tallystick.core.dialect import CredentialPlace, Provider
from tallystick.core.errors import Denied
from tallystick.core.identity import Principal
from tallystick.core.lean import lean
from tallystick.core.secret import Secret
from tallystick.edge.paths import HeaderLookup, Target
from tallystick.ports import Keyring

KEY_HEADERS: Final = (
    b"x-tallystick-key",
    b"x-cartie-key",                         # S0
    b"x-aso-api-key",                        # S1
    b"x-virtual-key",                        # S2: any issued string, whatever it looks like
    b"x-project-token",                      # S4
    b"x-litellm-api-key",
)
PROVIDER_KEY_HEADER: Final = b"x-provider-key"       # S3: the provider's key, on S3's paths only
CREDENTIAL_HEADERS: Final = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")

_BETWEEN_WORDS: Final = re.compile(r"[\s,;:='\"]+")
# Its first words are OpenAI's own: clients such as LiteLLM tell a wrong key from a wrong request by them.
_INVALID: Final = Denied("invalid_api_key", "Incorrect API key provided: this Tallystick key was never issued, is revoked or has expired.")
_MISSING: Final = Denied(
    "missing_api_key", "No Tallystick key: send one in X-Tallystick-Key, or in the place of the provider's key.",
)
_NOTHING: Final[frozenset[bytes]] = frozenset()
_NO_CREDENTIAL: Final = Denied("provider_credential_missing", "The provider's own key is missing from this call.")


@lean
@dataclass(frozen=True, slots=True)
class Caller:
    """A caller who may speak, and what was found on the way.

    provider_credential: the caller's own key for the provider; None: use a stored one.
    withheld: credential headers that must not go upstream, lower case.
    insert: where `provider_credential` must be written, because it came in another place; None
        where it already stands, byte for byte, where the provider takes it.
    query: the query without `key=`.
    """

    principal: Principal
    provider_credential: Secret | None
    withheld: frozenset[bytes]
    insert: CredentialPlace | None
    query: bytes


class _Found(NamedTuple):
    """One credential place with something in it. `header` None: the query's `key=`."""

    header: bytes | None
    token: str                               # without its scheme
    inside: str = ""                         # what a `Basic` token says when it is decoded
    ours: bool = False                       # it has a prefix of ours


@lean
@dataclass(frozen=True, slots=True)
class Presented:
    """What a head presents as credentials. It follows from the head and from what our keys look like, so it is
    read once for a head that repeats; whose keys they are is asked for every call.

    key: what stands in our own key headers, the first of them. query: without `key=`.
    places: the credential places with something in them, S3's included.
    leaks: the query holds a key of ours where nobody looks for one.
    onward: where the key header alone decides, what goes upstream as the caller's own credential, and where to.
    """

    target: Target
    query: bytes
    key: str | None = field(repr=False)
    places: tuple[_Found, ...] = field(repr=False)
    leaks: bool
    onward: tuple[Secret | None, CredentialPlace | None] | None


def present(target: Target, headers: HeaderLookup, keyring: Keyring) -> Presented:
    """Read a head. Of the keyring only `recognises` is asked, which knows formats, not keys."""
    query, keys = _without_key(target.query)
    found = [*_places(headers, CREDENTIAL_HEADERS), *(_Found(None, key) for key in keys)]
    if target.promptcost:
        found += _places(headers, (PROVIDER_KEY_HEADER,))
    places = tuple(place._replace(ours=_ours(place.token, keyring) or (place.inside != "" and _ours(place.inside, keyring)))
                   for place in found)
    own = _places(headers, KEY_HEADERS)[:1]
    alone = own and not target.promptcost and not any(place.ours for place in places)
    return Presented(target, query, own[0].token if own else None, places, _holds_ours(query, keyring),
                     _provider_credential(target.provider, places) if alone else None)


async def identify(
    presented: Presented, keyring: Keyring, *, anonymous: Principal | None = None, sandbox: bool = False,
) -> Caller | Denied:
    """The caller of a request, or `invalid_api_key`, `missing_api_key`, `provider_credential_missing`.

    anonymous: the principal for calls without a gateway key, where the installation allows them.
    sandbox: no provider is asked, so none of its keys is needed.
    """
    if presented.leaks:
        return _INVALID
    principal: Principal | None = None
    if presented.key is not None:
        principal = await keyring.find(presented.key)
        if principal is None:
            return _INVALID
        if presented.onward is not None:
            credential, insert = presented.onward
            return Caller(principal, credential, _NOTHING, insert, presented.query)
    theirs: list[_Found] = []
    for place in presented.places:
        # An issued key need not look like one; only a caller without a key header pays for asking.
        asked = place.ours or (principal is None and place.header != PROVIDER_KEY_HEADER)
        holder = await keyring.find(place.token) if asked else None
        if place.ours and holder is None:
            return _INVALID
        if holder is None:
            theirs.append(place)
        principal = principal or holder
    if presented.target.promptcost:
        return _on_promptcost(presented, principal, theirs, sandbox=sandbox)
    withheld = frozenset([place.header for place in presented.places if place.header and place not in theirs])
    credential, insert = _provider_credential(presented.target.provider, theirs)
    if principal is None and anonymous is not None and credential is None and not sandbox:
        return _NO_CREDENTIAL
    principal = principal or anonymous
    return _MISSING if principal is None else Caller(principal, credential, withheld, insert, presented.query)


def _on_promptcost(presented: Presented, principal: Principal | None, theirs: list[_Found], *, sandbox: bool) -> Caller | Denied:
    """S3: `Authorization` is the platform key, `X-Provider-Key` the provider's, and nothing else is
    looked at (its own SDK snippet sends a provider key in `x-api-key` as well)."""
    if principal is None:
        return _INVALID if any(place.header == b"authorization" for place in theirs) else _MISSING
    token = next((place.token for place in theirs if place.header == PROVIDER_KEY_HEADER), None)
    if token is None and not sandbox:
        return _NO_CREDENTIAL
    credential = Secret(token) if token is not None else None
    return Caller(principal, credential, frozenset(CREDENTIAL_HEADERS), _first_place(presented.target.provider), presented.query)


def _provider_credential(provider: Provider, theirs: Sequence[_Found]) -> tuple[Secret | None, CredentialPlace | None]:
    """The caller's own key for the provider, and where to write it if it stands in the query. A
    value in a place that the provider's file does not list is no credential and goes no further."""
    for place in theirs:
        if place.header is None and provider.query_credential is not None:
            return Secret(place.token), _first_place(provider)
        if place.header in provider.credential_headers:
            return Secret(place.token), None
    return None, None


def _first_place(provider: Provider) -> CredentialPlace | None:
    return provider.credentials[0] if provider.credentials else None


def _places(headers: HeaderLookup, names: tuple[bytes, ...]) -> list[_Found]:
    """What stands in these headers, in this order. An empty value, or a scheme alone, is nothing."""
    found = []
    for name in names:
        value = headers.get(name)
        if value:
            scheme, _, rest = value.decode("latin-1").strip().partition(" ")
            token = rest.strip() or ("" if scheme.lower() == "bearer" else scheme)
            if token:
                found.append(_Found(name, token, _decoded(token) if scheme.lower() == "basic" else ""))
    return found


def _decoded(token: str) -> str:
    """The user and password of a `Basic` credential (RFC 7617); empty where the text is none."""
    try:
        return binascii.a2b_base64(token + "==").decode("latin-1")
    except ValueError:
        return ""


def _holds_ours(query: bytes, keyring: Keyring) -> bool:
    """Whether a parameter's value, or a parameter without one, has a prefix of ours. Every prefix has an
    underscore, so that nearly every query is done with at a glance."""
    if b"_" not in query and b"%" not in query:
        return False
    words = (name if not equals else value for name, equals, value in (piece.partition(b"=") for piece in query.split(b"&")))
    return any(_ours(unquote_to_bytes(word.replace(b"+", b" ")).decode("latin-1"), keyring) for word in words)


def _ours(token: str, keyring: Keyring) -> bool:
    """Whether any word of a value has a prefix of ours: a key hidden behind another word, or in the
    quotes of somebody's settings file, would otherwise reach the provider."""
    return any(map(keyring.recognises, _BETWEEN_WORDS.split(token)))


def _without_key(query: bytes) -> tuple[bytes, list[str]]:
    """The query without its `key=` parameters, and their values."""
    if b"key" not in query and b"%" not in query:
        return query, []
    kept: list[bytes] = []
    keys: list[str] = []
    for piece in query.split(b"&"):
        name, _, value = piece.partition(b"=")
        if unquote_to_bytes(name) != b"key":
            kept.append(piece)
        elif value:
            keys.append(unquote_to_bytes(value).decode("latin-1"))
    return b"&".join(kept), keys
