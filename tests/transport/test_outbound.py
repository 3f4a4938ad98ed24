"""Addresses that come in by API: what is refused before a byte is sent, and what the network may do to what is sent."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest

from tallystick.core.errors import UpstreamFault
from tallystick.transport import outbound
from tallystick.transport.outbound import BadAddress, check_place, check_url, exchange, is_public, place_of
from tests.transport.conftest import Certificates

LOOPBACK = (ip_network("127.0.0.0/8"),)
ODD = (
    "http://hooks.example/", "https://hooks.example:22/", "https://hooks.example:8080/", "ftp://hooks.example/", "//hooks.example/", "hooks.example",
    "https://", "https:///x", "https://user@hooks.example/", "https://user:word@hooks.example/", "https://hooks.example/#x",
    "https://hooks.example#@127.0.0.1/", "https://hooks.example\\@127.0.0.1/", "https://hooks.example/ x", "https://hooks.example/\r\nHost: x",
    "https://hooks.example/\tx", "https://h\u00f6oks.example/", "https://hooks.example\u2024com/", "https://hooks_.example/", "https://-hooks.example/",
    "https://hooks..example/", "https://hooks.example.0/", "https://127.1/", "https://0x7f.1/", "https://0x7f000001/", "https://2130706433/",
    "https://017700000001/", "https://0177.0.0.1/", "https://127.0.0.1.example.1/", "https://hooks.example:99999/", "https://hooks.example:x/",
    "https://[::1/", "https://[hooks]/", "https://%68ooks.example/", "https://hooks.example/{x}", "https://" + "a" * 3000 + "/",
    "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/", "https://[::1]/",
    "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1]/", "https://[fd00::1]/",
    "https://0.0.0.0/", "https://224.0.0.1/", "https://[ff02::1]/", "https://100.64.0.1/", "https://192.168.1.1/", "https://172.16.0.1/",
    "https://255.255.255.255/", "https://[::]/", "https://[::127.0.0.1]/", "https://[2001:0:7f00:1::]/", "https://[2001:db8::1]/",
    "https://198.18.0.1/", "https://192.0.2.1/", "https://240.0.0.1/", "https://[64:ff9b:1::a00:1]/",
)


@pytest.mark.parametrize("url", ODD)
def test_an_odd_address_is_refused_when_it_is_set(url: str) -> None:
    with pytest.raises(BadAddress):
        check_url(url, ())


@pytest.mark.parametrize("url", ["https://hooks.example/in?x=1&y=%20", "https://hooks.example:8443/", "https://8.8.8.8/", "https://[2606:4700::1111]/",
                                 "https://xn--hks-tna.example/"])
def test_a_plain_one_is_not(url: str) -> None:
    assert check_url(url, ()).scheme == "https"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "fe80::1%eth0", "0.0.0.0", "nonsense",
                                     "2001:0:a00:1::", "169.254.169.254", "100.100.100.200"])
def test_what_is_inside_is_not_public_however_it_is_wrapped(address: str) -> None:
    assert not is_public(address)


def test_one_closed_address_among_open_ones_closes_the_name() -> None:
    place = place_of("https://hooks.example/")
    assert check_place(place, ["8.8.8.8", "9.9.9.9"], ()) == "8.8.8.8"
    with pytest.raises(BadAddress):
        check_place(place, ["8.8.8.8", "127.0.0.1"], ())
    with pytest.raises(BadAddress):
        check_place(place, ["8.8.8.8", "127.0.0.1"], LOOPBACK)
    with pytest.raises(BadAddress):
        check_place(place, [], LOOPBACK)


def test_the_operator_s_own_network_may_be_plain() -> None:
    assert check_url("http://127.0.0.1:9000/x", LOOPBACK).origin == "http://127.0.0.1:9000"
    assert check_url("http://inside:9000/x", LOOPBACK).host == "inside"          # judged once it is resolved
    with pytest.raises(BadAddress):
        check_place(place_of("http://inside:9000/x"), ["8.8.8.8"], LOOPBACK)


async def test_a_name_that_leads_inside_is_refused_at_the_moment_of_sending() -> None:
    with pytest.raises(BadAddress, match="not a public address"):
        await exchange("POST", "https://localhost/x", (), b"{}", ())


class _Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hold = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/silent":
            self.hold.wait(20)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                return
        else:
            said = f"{self.path} {self.headers['host']} {self.headers['x-said']} {len(body)}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[str]:
    _Service.hold.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Service.hold.set()
    server.shutdown()
    server.server_close()


async def test_a_request_arrives_as_it_is_and_its_answer_comes_back_whole() -> None:
    with serving() as url:
        found = await exchange("POST", f"{url}/in?x=1", (("x-said", "yes"),), b"{}", LOOPBACK)
    assert (found.status, found.body.decode()) == (200, f"/in?x=1 {url.removeprefix('http://')} yes 2")


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with serving() as url:
        assert (await exchange("POST", f"{url}/away", (), b"{}", LOOPBACK)).status == 302


async def test_an_endless_answer_is_cut() -> None:
    with serving() as url, pytest.raises(UpstreamFault) as fault:
        await exchange("POST", f"{url}/endless", (), b"{}", LOOPBACK)
    assert fault.value.kind == "too_large"


async def test_a_silent_service_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "TOTAL_S", 0.2)
    with serving() as url, pytest.raises(UpstreamFault) as fault:
        await exchange("POST", f"{url}/silent", (), b"{}", LOOPBACK)
    assert fault.value.kind == "timeout"


async def test_a_line_break_in_a_header_is_refused() -> None:
    with serving() as url, pytest.raises(BadAddress):
        await exchange("POST", f"{url}/in", (("x-said", "a\r\nx: b"),), b"{}", LOOPBACK)


async def test_nobody_there_is_a_fault_of_the_network() -> None:
    with serving() as url:
        pass
    with pytest.raises(UpstreamFault) as fault:
        await asyncio.wait_for(exchange("POST", f"{url}/in", (), b"{}", LOOPBACK), 5)
    assert not fault.value.written


async def test_the_certificate_must_be_the_name_s(certificates: Certificates) -> None:
    trusting = ssl.create_default_context(cafile=certificates.ca_file)
    inside = (*LOOPBACK, ip_network("::1/128"))
    with serving(certificates.server()) as url:
        named, numbered = url.replace("http://127.0.0.1", "https://localhost"), url.replace("http", "https")
        assert (await exchange("POST", f"{named}/in", (), b"{}", inside, context=trusting)).status == 200
        for address, context in ((numbered, trusting), (named, None)):
            with pytest.raises(UpstreamFault) as fault:
                await exchange("POST", f"{address}/in", (), b"{}", inside, context=context)
            assert (fault.value.kind, fault.value.written) == ("connect", False)
