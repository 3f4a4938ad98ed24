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
from dataclasses import dataclass
from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

LIFETIME_S: Final = 3600
_ISSUER: Final = "tallystick"
_ALGORITHMS: Final = ["HS256"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Signs and reads login tokens. `secret` is the installation's."""

    _key: OctKey
    setup_code: str

    @classmethod
    def of(cls, secret: bytes) -> Tokens:
        """The keys for tokens and setup, each derived for its own use."""
        code = base64.urlsafe_b64encode(_derive(secret, b"setup code")).decode().rstrip("=")
        return cls(OctKey.import_key(_derive(secret, b"login token")), code)

    def sign(self, account_id: str, organization: str, now_s: int) -> str:
        """A token that says: this account, in this organisation, until `now_s + LIFETIME_S`."""
        claims: dict[str, object] = {
            "iss": _ISSUER, "sub": account_id, "org": organization, "iat": now_s, "exp": now_s + LIFETIME_S,
        }
        return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, self._key, algorithms=_ALGORITHMS)

    def read(self, token: str, now_s: int) -> tuple[str, str] | None:
        """(account id, organisation) of a token that is ours and has not expired, else None."""
        try:
            claims = jwt.decode(token, self._key, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            return None
        account, organization, expires = claims.get("sub"), claims.get("org"), claims.get("exp")
        if claims.get("iss") != _ISSUER or not isinstance(expires, int) or expires <= now_s:
            return None
        if not isinstance(account, str) or not isinstance(organization, str):
            return None
        return account, organization

    def opens_setup(self, code: str) -> bool:
        """Whether this is the setup code, compared in constant time."""
        return hmac.compare_digest(code.encode(), self.setup_code.encode())


def _derive(secret: bytes, use: bytes) -> bytes:
    """A key for one use (HMAC-SHA-256 as the extract step of RFC 5869 with a fixed label)."""
    return hmac.new(secret, b"tallystick/" + use, hashlib.sha256).digest()
