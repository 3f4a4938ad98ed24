"""What proves a login or a first visit. A login is a short JSON Web Token (HS256) under a key that
is derived from the installation's secret for this one use; a virtual key is neither made nor checked
here, so neither can stand in for the other.

The setup code is derived too, not stored: it is right for as long as the installation has no account,
on every worker and after every restart, and worth nothing from the first account on.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

LIFETIME_S: Final = 3600
INVITATION: Final = b"invitation"            # what the key of their hashes is derived for, here and in commands
_ISSUER: Final = "tallystick"
_ALGORITHMS: Final = ["HS256"]


class Claim(NamedTuple):
    """What a login token says. `generation`: of the account's logins, as of the token; it opens nothing in a later one."""

    account: str
    organization: str
    generation: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Signs and reads login tokens, and holds the keys of what else proves a login. `secret` is the installation's."""

    _key: OctKey
    setup_code: str
    csrf_key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Tokens:
        """The keys for tokens and setup, each derived for its own use."""
        code = base64.urlsafe_b64encode(derived(secret, b"setup code")).decode().rstrip("=")
        return cls(OctKey.import_key(derived(secret, b"login token")), code, derived(secret, b"csrf token"))

    def sign(self, account_id: str, organization: str, now_s: int, generation: int = 0) -> str:
        """A token that says: this account, in this organisation, until `now_s + LIFETIME_S`."""
        claims: dict[str, object] = {
            "iss": _ISSUER, "sub": account_id, "org": organization, "iat": now_s, "exp": now_s + LIFETIME_S, "gen": generation,
        }
        return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, self._key, algorithms=_ALGORITHMS)

    def read(self, token: str, now_s: int) -> Claim | None:
        """What a token that is ours and has not expired says, else None."""
        try:
            claims = jwt.decode(token, self._key, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            return None
        account, organization, expires, generation = claims.get("sub"), claims.get("org"), claims.get("exp"), claims.get("gen")
        if claims.get("iss") != _ISSUER or not isinstance(expires, int) or expires <= now_s:
            return None
        if not isinstance(account, str) or not isinstance(organization, str) or not isinstance(generation, int):
            return None
        return Claim(account, organization, generation)

    def opens_setup(self, code: str) -> bool:
        """Whether this is the setup code, compared in constant time."""
        return hmac.compare_digest(code.encode(), self.setup_code.encode())


def derived(secret: bytes, use: bytes) -> bytes:
    """A key for one use (HMAC-SHA-256 as the extract step of RFC 5869 with a fixed label)."""
    return hmac.new(secret, b"tallystick/" + use, hashlib.sha256).digest()
