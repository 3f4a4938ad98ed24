"""Requests to addresses that came in by API: webhooks and their like. Such an address may be anybody's guess at what lies
inside our network, so it is held to rules before a byte is sent (SSRF):

https on port 443 or 8443, host names of plain labels, nothing in the address that parsers read differently. The name is
resolved here, *every* address it has must be a public one, and the connection goes to that very address while the
certificate is checked for the name, so that a second answer of the name server changes nothing. No redirect is followed
and no proxy of the environment used. What lies within the operator's own networks (`[alerts] networks`) may be reached
by http and on any port.

Addresses within addresses (IPv4 in IPv6, NAT64, 6to4, Teredo) are looked at unwrapped: Python's `is_global` alone
lets `64:ff9b::7f00:1` and `2002:7f00:1::` pass, which are 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

from tallystick.core.errors import UpstreamFault
from tallystick.core.peers import Network, is_within
from tallystick.transport.http1 import Limits, Link
from tallystick.transport.reply import Http1Reply

PORTS: Final = (443, 8443)
REPLY_BYTES_MAX: Final = 64 * 1024
TOTAL_S: Final = 10.0
LIMITS: Final = Limits(connect_s=5.0, head_s=8.0, silence_s=5.0, total_s=TOTAL_S, connections_max=1, reply_bytes_max=REPLY_BYTES_MAX)
URL_CHARS_MAX: Final = 2_048
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TARGET: Final = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*")
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class BadAddress(ValueError):
    """An address that nothing is sent to; the message says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address taken apart: only what is written here is used from it."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    target: str                              # path and query

    @property
    def origin(self) -> str:
        """As it may be shown: what is behind the host is often the secret."""
        usual = self.port == (443 if self.scheme == "https" else 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def place_of(url: str) -> Place:
    """Take an address apart. Raises BadAddress for what is not plainly one."""
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or any(mark in url for mark in " \\#\"<>^`{|}"):
        raise BadAddress("An address has plain characters only, without spaces, backslashes or fragments.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress("This is no address.") from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("https", "http") or not host or parts.username is not None or parts.password is not None:
        raise BadAddress("An address is https://HOST/…, without a user in it.")
    if not _is_host(host):
        raise BadAddress("A host name consists of labels of letters, digits and dashes; an IPv6 address stands in brackets.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _TARGET.fullmatch(target):
        raise BadAddress("A path has plain characters only; others are written %XX.")
    secure = parts.scheme == "https"
    return Place("https" if secure else "http", host, (443 if secure else 80) if port is None else port, target)


def check_url(url: str, allowed: Sequence[Network]) -> Place:
    """What can be said of an address before it is resolved, when somebody sets it. Raises BadAddress."""
    place = place_of(url)
    if _is_literal(place.host):
        check_place(place, [place.host], allowed)
    elif not allowed:
        _check_outside(place)
    return place


def check_place(place: Place, addresses: Sequence[str], allowed: Sequence[Network]) -> str:
    """The address to connect to, if every one that the host has may be reached. Raises BadAddress."""
    if not addresses:
        raise BadAddress(f"{place.host} has no address.")
    if all(is_within(address, allowed) for address in addresses):
        return addresses[0]
    _check_outside(place)
    closed = [address for address in addresses if not is_public(address)]
    if closed:
        raise BadAddress(f"{place.host} is not a public address; the operator's settings may allow its network ([alerts] networks).")
    return addresses[0]


def _check_outside(place: Place) -> None:
    if place.scheme != "https" or place.port not in PORTS:
        raise BadAddress("Only https, on port 443 or 8443, goes outside.")


def is_public(text: str) -> bool:
    """Whether an address is one of the open Internet, looked at unwrapped."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(inner.is_global and not inner.is_multicast and not inner.is_reserved and not inner.is_unspecified
               for inner in _unwrapped(address))


def _unwrapped(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address that counts, or both that a tunnel's address names."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if any(address in network for network in _NAT64) or int(address) >> 32 == 0:     # the last: ::a.b.c.d, as it was once written
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    return [address]


async def exchange(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, allowed: Sequence[Network], *,
                   context: ssl.SSLContext | None = None) -> Answer:
    """One request and its whole answer, in at most `TOTAL_S`. Raises BadAddress, and UpstreamFault for what the network
    or the other side does."""
    place = place_of(url)
    try:
        async with asyncio.timeout(TOTAL_S):
            address = check_place(place, await _resolved(place), allowed)
            return await _exchanged(place, address, _head(method, place, headers, body), body, method, context)
    except TimeoutError:
        raise UpstreamFault("timeout", "no answer in time", written=True) from None


async def _resolved(place: Place) -> list[str]:
    """Every address of the host, IPv4 first."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError:
        raise UpstreamFault("connect", f"{place.host} cannot be resolved", written=False) from None
    return sorted({str(address[0]) for *_, address in found}, key=lambda text: (":" in text, text))


async def _exchanged(place: Place, address: str, head: bytes, body: bytes, method: str, context: ssl.SSLContext | None) -> Answer:
    link = Link(LIMITS, lambda _: None, lambda _: None)
    secure = place.scheme == "https"
    try:
        await asyncio.get_running_loop().create_connection(
            lambda: link, address, place.port, ssl=(context or ssl.create_default_context()) if secure else None,
            server_hostname=place.host if secure else None)
    except OSError as fault:                 # ssl.SSLError is one
        raise UpstreamFault("connect", f"cannot connect to {place.origin}: {type(fault).__name__}", written=False) from None
    try:
        reply = link.send(method, head, body, len(body))
        await reply.head()
        return Answer(reply.status, {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reply.headers},
                      await _whole(reply))
    finally:
        link.abort()


async def _whole(reply: Http1Reply) -> bytes:
    pieces = []
    while (piece := await reply.next()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


def _head(method: str, place: Place, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    usual = place.port == (443 if place.scheme == "https" else 80)
    host = f"[{place.host}]" if ":" in place.host else place.host
    lines = [f"{method} {place.target} HTTP/1.1", f"Host: {host}" if usual else f"Host: {host}:{place.port}", "Connection: close",
             "User-Agent: tallystick", *(f"{name}: {value}" for name, value in headers)]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    if any(not line.isprintable() for line in lines):
        raise BadAddress("A line break in a header.")
    return ("\r\n".join(lines) + "\r\n").encode("latin-1", "replace")


def _is_host(host: str) -> bool:
    """An address as everybody writes it, or a name whose last label is no number: some resolvers read 127.1, 0x7f.1 and
    2130706433 as addresses."""
    labels = host.removesuffix(".").split(".")
    return _is_literal(host) or (
        len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1][0].isdigit())


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
