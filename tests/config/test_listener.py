"""Where it listens: on this machine alone, or where something keeps what is said from others (books.md §5, S20)."""

from __future__ import annotations

import re

import pytest

from tallystick.listeners import check_listener, is_loopback
from tallystick.config import Role, Server
from tallystick.config_sources import BadSettings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "8.8.8.8", "costs.example"])
def test_keys_are_carried_over_no_open_network_in_the_clear(host: str) -> None:
    roles: tuple[Role, ...] = ("all", "console")
    for role in roles:
        with pytest.raises(BadSettings, match=re.escape(host)) as refused:
            check_listener(Server(host=host, role=role))
        assert all(way in str(refused.value) for way in ("server.tls_cert", "server.trusted_proxies", "--role gateway"))


@pytest.mark.parametrize("server", [
    Server(), Server(host="::1"), Server(host="localhost"), Server(host="127.9.9.9"), Server(host="0.0.0.0", role="gateway"),
    Server(host="0.0.0.0", trusted_proxies=("10.0.0.0/8",)), Server(host="0.0.0.0", tls_cert="c", tls_key="k")])
def test_what_is_local_or_closed_to_others_is_not_refused(server: Server) -> None:
    check_listener(server)


@pytest.mark.parametrize("host", ["127.0.0.1.example", "localhost.example", "0177.0.0.1", "2130706433", ""])
def test_a_name_that_looks_local_is_not(host: str) -> None:
    assert not is_loopback(host)
