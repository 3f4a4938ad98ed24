"""AWS Signature Version 4: a request signed with a pair of keys instead of carrying one. The secret never
leaves; what leaves proves it, for this method, path, query, headers and body, for minutes.

Source of the algorithm: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
Every service but S3 escapes the path once more than it stands on the wire. Tests compare with the
signer of AWS's own SDK.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from tallystick.core.secret import Secret

ALGORITHM: Final = "AWS4-HMAC-SHA256"
FORM: Final = "ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]"
_PAIR: Final = re.compile(r"([A-Za-z0-9_]{16,128}):([A-Za-z0-9/+=]{16,128})(?::([\x21-\x7e]{16,}))?")

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """An AWS credential. `session_token`: of a temporary one."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Unsigned:
    """What a signature covers: the request as it stands on the wire. `headers`: all that are to be
    signed, names in lower case, `host` among them."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes


def is_pair(text: str) -> bool:
    """Whether a credential's text is meant as signing keys: a bearer token of AWS has no colon."""
    return ":" in text


def keys_of(text: str) -> SigningKeys | None:
    """The keys that a text in `FORM` holds; None for what is not in that form."""
    found = _PAIR.fullmatch(text)
    if found is None:
        return None
    key_id, secret, token = found.groups()
    return SigningKeys(key_id, Secret(secret), Secret(token) if token else None)


def sign(request: Unsigned, keys: SigningKeys, service: str, region: str, at_us: int) -> list[tuple[bytes, bytes]]:
    """The headers that make a request a signed one: `x-amz-date`, `x-amz-security-token` where there is
    one, and `authorization`. They must not stand in the request yet. `at_us`: UTC."""
    moment = datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [(b"x-amz-date", moment.encode())]
    if keys.session_token is not None:
        added.append((b"x-amz-security-token", keys.session_token.reveal().encode()))
    names, canonical = _canonical(request, [*request.headers, *added])
    day = moment[:8]
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join((ALGORITHM, moment, scope, sha256(canonical).hexdigest()))
    key = b"AWS4" + keys.secret_access_key.reveal().encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return [*added, (b"authorization", proof.encode())]


def _canonical(request: Unsigned, headers: Headers) -> tuple[str, bytes]:
    """The names that are signed, and the bytes of the canonical request."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(b" ".join(value.split()))
    lines = b"".join(b"%b:%b\n" % (name, b",".join(values[name])) for name in sorted(values))
    names = b";".join(sorted(values))
    query = "&".join("=".join(pair) for pair in sorted(_pairs(request.query)))
    head = "\n".join((request.method.upper(), quote(request.path, safe="/~"), query)).encode()
    return names.decode(), b"\n".join((head, lines, names, sha256(request.body).hexdigest().encode()))


def _pairs(query: str) -> list[tuple[str, str]]:
    """Names and values as they stand; a name alone has an empty value."""
    found = (piece.partition("=") for piece in query.split("&") if piece)
    return [(name, value) for name, _, value in found]
