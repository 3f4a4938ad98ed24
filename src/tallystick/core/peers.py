"""Whose address a request comes from. Forwarding headers are anybody's to write, so they are believed
only from a proxy the operator named, and then read from the right: each proxy on the list vouches for
the hop before it, and the first address that is not on the list is the caller's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def peer_address(connected: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The caller's address; `connected` is the other end of the connection, `forwarded_for` the
    `X-Forwarded-For` lines in order."""
    hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
    address = connected
    while hops and is_within(address, trusted):
        address = hops.pop()
    return address


def network_of(address: str) -> str:
    """Under what an address's failures are counted: IPv6 by /64, which one person has whole."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(known, ipaddress.IPv6Address):
        known = known.ipv4_mapped or known   # an IPv4 caller on a socket that takes both
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else str(known)


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(known in network for network in networks)
