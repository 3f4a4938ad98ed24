"""What a caller's headers and body metadata assert about a call: the wire forms of ours, of the five
source systems and of LiteLLM, in one table (decisions.md, "Attribution in"; product.md §2). The
result is a set of claims: `core.identity.attribute` decides what they are worth against the key.

Where two forms name the same thing, the first in this order wins: our own header, the body's
`_aipromptcost`, then the table from top to bottom. One header given twice with two values is
refused: no order of ours could say which was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from tallystick.core.errors import Denied
from tallystick.core.identity import LABELS, Claims, check_claims
from tallystick.core.money import to_nanos
from tallystick.edge import strict_json
from tallystick.ports import RawHeaders

PROMPTCOST_MEMBER: Final = "_aipromptcost"
"""The body member of S3 that is ours: read here, cut out of the bytes before they go upstream."""

# Header → what it says: a label's name, or what `_claims` does with it.
HEADERS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"x-tallystick-team", "team"),
    (b"x-tallystick-project", "project"),
    (b"x-tallystick-user", "user"),
    (b"x-tallystick-agent", "agent"),
    (b"x-tallystick-environment", "environment"),
    (b"x-tallystick-cost-center", "cost_center"),
    (b"x-tallystick-prompt-key", "prompt_key"),
    (b"x-tallystick-prompt-version", "prompt_version"),
    (b"x-tallystick-session", "session"),
    (b"x-tallystick-tags", "tags"),
    (b"x-tallystick-budget", "budget"),
    (b"x-tallystick-route", "route"),
    (b"x-tallystick-confirm", "confirm"),
    (b"x-tallystick-sandbox", "sandbox"),
    (b"x-cartie-tenant", "team"),                       # S0: its tenant is our team
    (b"x-cartie-project", "project"),
    (b"x-cartie-budget", "budget"),
    (b"x-aso-team", "team"),                            # S1: the seed shows no wire form; these are ours to define
    (b"x-aso-project", "project"),
    (b"x-aso-user", "user"),
    (b"x-aso-agent", "agent"),
    (b"x-aso-environment", "environment"),
    (b"x-aso-cost-center", "cost_center"),
    (b"x-sandbox", "sandbox"),                          # S3
    (b"_aipromptcost", "promptcost"),                   # as JSON; the second name passes where `_` is dropped on the way
    (b"x-aipromptcost", "promptcost"),
    (b"x-litellm-team-id", "team"),                     # LiteLLM 1.106, in its own order where two mean the same
    (b"x-litellm-customer-id", "user"),
    (b"x-litellm-end-user-id", "user"),
    (b"x-litellm-user-id", "user"),
    (b"x-litellm-agent-id", "agent"),
    (b"x-litellm-trace-id", "session"),
    (b"x-litellm-session-id", "session"),
    (b"x-litellm-tags", "tags"),
    (b"x-litellm-spend-logs-metadata", "metadata"),     # a JSON object, its members become dimensions
)
DIMENSION_PREFIXES: Final = (b"x-tallystick-dimension-", b"x-aso-dimension-")

_MEANING: Final = dict(HEADERS)
_OURS: Final = frozenset(name for name, _ in HEADERS if name.startswith(b"x-tallystick-"))
_RANK: Final = {name: rank for rank, (name, _) in enumerate(HEADERS)}

_BUDGET: Final = re.compile(r"\$?([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:/month)?")
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOTHING: Final = Claims()

Tag = tuple[str, str]
Said = Mapping[bytes, str]
"""What stands in the headers of the table, by header."""


class _Malformed(Exception):
    """A value that cannot be read; the text tells the caller which."""


def claims(headers: RawHeaders, body: Mapping[str, Any] | None = None) -> Claims | Denied:
    """The claims of a call, or `bad_attribution`. Header names are lower case; `body` is the parsed
    JSON object where there is one."""
    metadata = body.get(PROMPTCOST_MEMBER) if body is not None else None
    try:
        said, dimensions = _said(headers)
        if not said and not dimensions and metadata is None:
            return _NOTHING
        result = _claims(said, dimensions, metadata)
    except _Malformed as malformed:
        return Denied("bad_attribution", str(malformed))
    return check_claims(result) or result


def _said(headers: RawHeaders) -> tuple[dict[bytes, str], dict[str, str]]:
    """The values of our headers by name, and the dimensions. An empty value says nothing."""
    said: dict[bytes, str] = {}
    dimensions: dict[str, str] = {}
    for name, value in headers:
        if name in _MEANING:
            text = _text(name, value)
            before = said.get(name)
            if before is not None and before != text:
                if _MEANING[name] != "tags":
                    raise _Malformed(f"The header {name.decode()} is given twice with two values.")
                text = f"{before},{text}"
            if text:
                said[name] = text
        elif name.startswith(DIMENSION_PREFIXES) and value:
            dimension = name[name.index(b"-dimension-") + len("-dimension-"):].decode("latin-1")
            if dimensions.setdefault(dimension, text := _text(name, value)) != text:
                raise _Malformed(f"The dimension '{dimension}' is given twice with two values.")
    return said, dimensions


def _claims(said: Said, dimensions: dict[str, str], metadata: object) -> Claims:
    labels: dict[str, str] = {}
    tags: list[Tag] = []
    rest: dict[str, str] = {}
    for meaning, value in _ordered(said, metadata):
        if meaning == "promptcost":
            for label, text in _promptcost(value, tags):
                labels.setdefault(label, text)
        elif meaning == "metadata":
            dimensions = {**_metadata(str(value)), **dimensions}
        elif meaning == "tags":
            tags += _tags(str(value))
        elif meaning in LABELS:
            labels.setdefault(meaning, str(value))
        else:
            rest.setdefault(meaning, str(value))
    return Claims(
        labels=labels, tags=tuple(dict.fromkeys(tags)), dimensions=dimensions,
        budget_nanos=budget_nanos(rest["budget"]) if "budget" in rest else None,
        route=rest.get("route"), confirm=_flag(rest, "confirm"), sandbox=_flag(rest, "sandbox"),
    )


def _ordered(said: Said, metadata: object) -> Iterator[tuple[str, object]]:
    """Meaning and value, what counts most first."""
    names = sorted(said, key=_RANK.__getitem__)
    yield from ((_MEANING[name], said[name]) for name in names if name in _OURS)
    if metadata is not None:
        yield "promptcost", metadata
    yield from ((_MEANING[name], said[name]) for name in names if name not in _OURS)


def budget_nanos(text: str) -> int:
    """`500`, `$500` or `$500/month` in nano-dollars."""
    match = _BUDGET.fullmatch(text)
    if match is None:
        raise _Malformed("The budget must be dollars a month, such as 500, 49.90 or $500/month.")
    return to_nanos(Decimal(match[1]))


def _tags(text: str) -> Iterator[Tag]:
    """`name` or `name=value`, comma-separated, percent-encoded where needed."""
    for piece in text.split(","):
        name, _, value = piece.partition("=")
        if name := name.strip():
            yield _decoded(name), _decoded(value.strip())


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise _Malformed("A tag holds a '%' that begins no escape; write it as %25.")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise _Malformed("A tag's escapes are not UTF-8.") from None


def _promptcost(value: object, tags: list[Tag]) -> Iterator[tuple[str, str]]:
    """S3's metadata: labels out, feature tags onto `tags`. All members are optional. Without
    `prompt_key` there is no label, which reports show as `unknown`."""
    metadata = _json_object(value, PROMPTCOST_MEMBER) if isinstance(value, str) else value
    if not isinstance(metadata, dict):
        raise _Malformed(f"{PROMPTCOST_MEMBER} must be an object.")
    key, version, features = (metadata.get(name) for name in ("prompt_key", "version", "feature_tags"))
    if not (key is None or isinstance(key, str)):
        raise _Malformed(f"{PROMPTCOST_MEMBER}.prompt_key must be a string.")
    if not (version is None or type(version) in (int, str)):
        raise _Malformed(f"{PROMPTCOST_MEMBER}.version must be a whole number.")
    if not (features is None or (isinstance(features, list) and all(isinstance(tag, str) for tag in features))):
        raise _Malformed(f"{PROMPTCOST_MEMBER}.feature_tags must be a list of strings.")
    tags += [(tag, "") for tag in features or () if tag]
    if key:
        yield "prompt_key", key
    if version not in (None, ""):
        yield "prompt_version", str(version)


def _metadata(text: str) -> dict[str, str]:
    """LiteLLM's spend-log metadata: a flat JSON object whose members become dimensions."""
    members = _json_object(text, "x-litellm-spend-logs-metadata")
    if any(isinstance(value, dict | list) for value in members.values()):
        raise _Malformed("x-litellm-spend-logs-metadata must hold plain values only.")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in members.items() if value is not None}


def _json_object(text: str, name: str) -> dict[str, Any]:
    members = strict_json.parse(text.encode())
    if isinstance(members, Denied):
        raise _Malformed(f"{name} must be a JSON object.")
    return members


def _flag(said: Mapping[str, str], name: str) -> bool:
    """A misspelt yes is refused: a sandbox call must not become a paid one by a typo."""
    text = said.get(name, "no").lower()
    if text not in _YES | _NO:
        raise _Malformed(f"The {name} header must be true or false.")
    return text in _YES


def _text(name: bytes, value: bytes) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        raise _Malformed(f"The header {name.decode('latin-1')} is not UTF-8.") from None
