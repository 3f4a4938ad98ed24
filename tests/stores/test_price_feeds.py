"""Reading a feed: over TLS only, from where one asked and no further, bounded, and with the digest one named."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tallystick.core.price_rows import instant_us
from tallystick.stores.price_feeds import BadFeed, checked_on, news_in, read_feed
from tallystick.stores.price_files import open_book
from tests.transport.conftest import Certificates, certificates

__all__ = ["certificates"]                   # a fixture of the transport's tests

NOON = instant_us("2026-11-25T12:00Z")
BODY = b'{"provider":"openai","checked_on":"2026-11-25"}\n{"model":"gpt-4o","unit":"input_text","price":"2"}\n'


@pytest.fixture
def site(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host whose `/feed` answers with a release, `/moved` with a redirect to it, `/large` without end in sight."""
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/moved" else 200)
            if self.path == "/moved":
                self.send_header("Location", "/feed")
            self.end_headers()
            self.wfile.write(BODY * (1_000 if self.path == "/large" else 1))

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.socket = certificates.server().wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_feed_is_fetched_with_its_digest(site: str) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    feed = read_feed(f"{site}/feed", digest.upper())
    assert (feed.text.encode(), feed.digest) == (BODY, digest)
    with pytest.raises(BadFeed, match="not the one"):
        read_feed(f"{site}/feed", "0" * 64)


def test_redirects_are_not_followed_and_size_is_bounded(site: str) -> None:
    with pytest.raises(BadFeed, match="302"):
        read_feed(f"{site}/moved")
    with pytest.raises(BadFeed, match="larger than 1000"):
        read_feed(f"{site}/large", bytes_max=1_000)


def test_a_host_that_nobody_vouches_for_is_not_believed(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(BadFeed, match="cannot be read"):
        read_feed(f"{site}/feed")
    with pytest.raises(BadFeed, match="https"):
        read_feed(f"{site}/feed".replace("https", "http"))
    assert ssl.create_default_context().check_hostname


def test_a_file_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_bytes(BODY)
    assert read_feed(str(path)).digest == hashlib.sha256(BODY).hexdigest()
    with pytest.raises(BadFeed, match="larger"):
        read_feed(str(path), bytes_max=10)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadFeed, match="not text"):
        read_feed(str(path))


@pytest.mark.parametrize("text", ["", "[]", '{"provider":"openai"}\nnonsense', '{"a": 1}', "<html>", '{"provider":"o"}\n{"model":"*"}'])
def test_what_is_no_feed_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "feed"
    path.write_text(text or " ")
    with pytest.raises(BadFeed):
        news_in(read_feed(str(path)), open_book(), NOON, "2026-11-25")


def test_a_release_older_than_the_book_brings_nothing(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_bytes(BODY.replace(b"2026-11-25", b"2020-01-01"))
    assert news_in(read_feed(str(path)), open_book(), NOON, "2026-11-25") == {}
    path.write_bytes(BODY)
    found = news_in(read_feed(str(path)), open_book(), NOON, "2026-11-25")
    assert ([row.price for row in found["openai"].all_rows()], checked_on(found)) == ([Decimal(2)], "2026-11-25")


def test_litellms_map_says_what_holds_from_a_day_on(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 1e-05}}))
    found = news_in(read_feed(str(path)), open_book(), NOON, "2026-11-25")
    assert [(row.id, row.price) for row in found["openai"].all_rows()] == [("openai:gpt-4o:input_text:2026-11-25", Decimal(2))]


def test_the_installed_package_is_a_feed() -> None:
    pytest.importorskip("genai_prices")
    feed = read_feed("genai-prices")
    found = news_in(feed, open_book(), NOON, "2026-11-25")
    assert all(row.valid_from == "2026-11-25" for prices in found.values() for row in prices.all_rows())
    with pytest.raises(BadFeed, match="SHA-256"):
        read_feed("genai-prices", "0" * 64)
