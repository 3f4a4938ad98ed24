"""Where calls may come from: networks that are open, networks that are not. The address is the peer's, or what a proxy
that the operator trusts says of it (core/peers.py). Addresses are not journaled, so this cannot be tried on past calls.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from tallystick.core.errors import Denied
from tallystick.core.peers import Network, is_within
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, refused


@dataclass(frozen=True, slots=True)
class Addresses:
    """A call whose address is not known is in none of the networks."""

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()

    def judge(self, case: Case) -> Denied | None:
        address = _plain(case.address)
        if is_within(address, self.deny) or (self.allow and not is_within(address, self.allow)):
            return refused("Calls from this address are not open.")
        return None


def read(parameters: Parameters) -> Addresses:
    allow, deny = parameters.texts("allow"), parameters.texts("deny")
    if not allow and not deny:
        raise parameters.wrong("give allow or deny, as in allow = ['10.0.0.0/8'].")
    try:
        return Addresses(tuple(map(ipaddress.ip_network, allow)), tuple(map(ipaddress.ip_network, deny)))
    except ValueError as fault:
        raise parameters.wrong(f"{fault}.") from None


def _plain(address: str) -> str:
    """An IPv4 caller on a socket that takes both is an IPv4 caller."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(known.ipv4_mapped) if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped else address
