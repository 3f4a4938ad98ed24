"""Where the server listens, and where it must not: keys and sessions never cross an open network in the clear.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from tallystick.config import Server
from tallystick.config_sources import BadSettings

BACKLOG: Final = 2048


def check_listener(server: Server) -> None:
    """Refuse to carry keys over an open network in the clear. Raises BadSettings saying why."""
    if is_loopback(server.host) or server.tls_cert or server.trusted_proxies or server.role == "gateway":
        return
    raise BadSettings(
        f"{server.host} is not loopback. Console and API off loopback need TLS (server.tls_cert, server.tls_key), "
        "a proxy that ends it (server.trusted_proxies), or --role gateway.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(server: Server) -> socket.socket:
    """The port, open. Raises OSError."""
    return socket.create_server((server.host, server.port), backlog=BACKLOG)


def in_url(host: str) -> str:
    """The host as an address of the web has it."""
    return f"[{host}]" if ":" in host else host
