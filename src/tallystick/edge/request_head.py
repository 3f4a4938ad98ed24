"""The first look at a request: what one reader could take for something else than the next does is
refused before any application sees it (books.md §4, "HTTP gate"; threats 4, 5 and 16). The parser
below has refused bad tokens, bad chunks and bare line feeds; this refuses what it leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tallystick.core.errors import Denied
from tallystick.edge.credentials import CREDENTIAL_HEADERS, KEY_HEADERS, PROVIDER_KEY_HEADER
from tallystick.edge.headers import HOP_BY_HOP, is_ours
from tallystick.edge.paths import is_plain, serves
from tallystick.ports import RawHeaders

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_FRAMING: Final = frozenset({b"host", b"content-length", b"content-type", b"expect", b"transfer-encoding", b"upgrade"})
SINGLE: Final = frozenset({*_FRAMING, *CREDENTIAL_HEADERS, *KEY_HEADERS, PROVIDER_KEY_HEADER})
"""Headers whose second value another reader might prefer."""
_CONFUSABLE: Final = SINGLE | HOP_BY_HOP | {b"content-encoding"}

_HOST: Final = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")


def judge(method: str, url: bytes, version: str, headers: RawHeaders, fields: Mapping[bytes, bytes]) -> Denied | None:
    """Why a request head is refused; None for one that can be read in one way only. `url` is the
    request target as it stands in the request line; header names are lower case; `fields` are the headers by name."""
    if method not in METHODS:
        return Denied("method_not_allowed", "This method is not served here.")
    if not url.startswith(b"/") or b"#" in url or not url.isascii():
        return _bad("the request target must be a path")
    if version not in ("1.1", "1.0"):
        return _bad("HTTP/1.1 is spoken here")
    path = url.partition(b"?")[0]
    if not serves(path) and not is_plain(path):      # the data plane answers for its own paths, in its dialect
        return Denied("bad_path", "The request path is not in plain form.")
    return _judge_headers(version, headers, fields)


def _judge_headers(version: str, headers: RawHeaders, fields: Mapping[bytes, bytes]) -> Denied | None:
    if len(fields) != len(headers) and (twice := _given_twice(headers)):
        return _bad(f"the header {twice.decode('latin-1')} is given twice")
    host = fields.get(b"host")
    if host is None and version == "1.1":
        return _bad("the Host header is missing")
    if host is not None and not _HOST.fullmatch(host):
        return _bad("the Host header is not a host")
    if b"websocket" in fields.get(b"upgrade", b"").lower():      # any other offer may be passed over, and is: RFC 9110 7.8
        return Denied("bad_request", "WebSockets are not served here: ask by HTTP, and for a stream where one is wanted.")
    if b"expect" in fields and fields[b"expect"].lower() != b"100-continue":
        return _bad("the only expectation served is 100-continue")
    for name in fields if b"_" in b"".join(fields) else ():
        if b"_" in name and _confusable(name.replace(b"_", b"-")):
            return _bad(f"the header {name.decode('latin-1')} could be taken for {name.replace(b'_', b'-').decode('latin-1')}")
    return judge_framing(version, fields)


def judge_framing(version: str, fields: Mapping[bytes, bytes]) -> Denied | None:
    """Why the body's framing is refused: all that is left to judge of a head that repeats one before."""
    length, encoding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if length is not None and not _LENGTH.fullmatch(length):
        return _bad("Content-Length is not a number")
    if encoding is None:
        return None
    if length is not None:
        return _bad("Content-Length and Transfer-Encoding exclude each other")
    if version == "1.0" or encoding.lower() != b"chunked":
        return _bad("the only Transfer-Encoding served is chunked, in HTTP/1.1")
    return None


def _given_twice(headers: RawHeaders) -> bytes | None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in SINGLE:
            return name
        seen.add(name)
    return None


def _confusable(twin: bytes) -> bool:
    return twin in _CONFUSABLE or is_ours(twin)


def _bad(why: str) -> Denied:
    return Denied("bad_request", f"The request is ambiguous or malformed: {why}.")
