"""What a credential that the gateway holds is used for: where it may go, and how it goes.

*Where.* It belongs to its provider's configured address (stores/sql/vault.py). While that is one of the
provider's own hosts, the other hosts on its fixed list are the same provider, and a path may choose
among them. Where the operator configured another address (a proxy, a private endpoint), the
credential goes there alone: a region in a path must not take it past what the operator put in between.

*How.* In the provider's place for it; where the provider takes signatures and the credential is a pair of
keys, as a signature over the request, and the keys stay here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from tallystick.core.dialect import Provider
from tallystick.core.errors import Defect, Denied
from tallystick.core.secret import Secret
from tallystick.core.signature_v4 import FORM, SigningKeys, Unsigned, is_pair, keys_of, sign
from tallystick.edge.paths import Target
from tallystick.ports import UpstreamRequest

_REPLACED: Final = frozenset({b"authorization", b"x-amz-content-sha256", b"x-amz-date", b"x-amz-security-token"})
_ALTERED_ON_THE_WAY: Final = b"x-amzn-trace-id"


def denied_where(target: Target) -> Denied | None:
    """Why a stored credential may not go where this path leads; None when it may."""
    provider = target.provider
    if target.origin is None or provider.base_url in provider.regions.values():
        return None
    return Denied("route_not_open", f"The organisation's credential for {provider.name} belongs to the address configured for it: "
                  "leave the region out of the path.")


def denied_form(provider: Provider, credential: Secret) -> Denied | None:
    """Why a stored credential cannot be used as it is; None when it can."""
    if provider.signing is None or not is_pair(credential.reveal()) or keys_of(credential.reveal()) is not None:
        return None
    return Denied("provider_credential_unusable",
                  f"The stored credential for {provider.name} is not in the form {FORM}; it must be set again.")


def signing_keys(provider: Provider, credential: Secret | None) -> SigningKeys | None:
    """The keys to sign with; None where the credential goes as a token."""
    return keys_of(credential.reveal()) if provider.signing is not None and credential is not None else None


def signed(request: UpstreamRequest, provider: Provider, keys: SigningKeys, at_us: int) -> UpstreamRequest:
    """The request with a signature for the host it goes to. Whatever the caller signed with is gone.
    Raises Defect on a body that streams through: what is signed must be known before it is sent."""
    if provider.signing is None or not isinstance(request.body, bytes):
        raise Defect("only a whole body can be signed, and only for a provider that takes signatures")
    headers = [header for header in request.headers if header[0] not in _REPLACED]
    origin = urlsplit(request.origin)
    path, _, query = request.url_path.partition("?")
    covered = [(b"host", origin.netloc.encode("ascii")), *(header for header in headers if _is_covered(header[0]))]
    unsigned = Unsigned(request.method, origin.path.rstrip("/") + path, query, covered, request.body)
    region = next((region for region, host in provider.regions.items() if host == request.origin), provider.signing.region)
    return replace(request, kept=None, headers=[*headers, *sign(unsigned, keys, provider.signing.service, region, at_us)])


def _is_covered(name: bytes) -> bool:
    return name == b"content-type" or (name.startswith(b"x-amz") and name != _ALTERED_ON_THE_WAY)
