"""The console's files to browsers, the API's paths to the API; nothing else is taken from either."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.console import Console

SCRIPT = "console.log('tally')" * 40
PAGE = '<!doctype html><meta property="csp-nonce" nonce="NONCE-OF-THIS-PAGE"><script type="module" src="/assets/main-x1.js"></script>'


async def the_api(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"application/problem+json")]})
    await send({"type": "http.response.body", "body": b'{"code":"not_found"}'})


@pytest.fixture
def built(tmp_path: Path) -> Path:
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "mark.svg").write_text("<svg/>")
    (tmp_path / "manifest.json").write_text("{}")
    (assets / "main-x1.js").write_text(SCRIPT)
    (assets / "main-x1.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    return tmp_path


def browser(folder: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(Console(the_api, folder)), base_url="http://console", headers={"accept": "text/html,*/*;q=0.8"})


@pytest.mark.parametrize("path", ["/", "/login", "/setup?code=x", "/o/default/overview", "/o/default/requests/req_1", "/keys",
                                  "/admin/llm-proxy", "/no-such-page"])
async def test_every_address_is_the_one_page_which_knows_what_to_show(built: Path, path: str) -> None:
    async with browser(built) as client:
        page = await client.get(path)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert "main-x1.js" in page.text


async def test_the_page_runs_our_files_and_nothing_else(built: Path) -> None:
    async with browser(built) as client:
        first, second = await client.get("/"), await client.get("/")
    policy = first.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["referrer-policy"] == "no-referrer"
    nonces = [re.findall(r"nonce-([\w-]+)", reply.headers["content-security-policy"]) for reply in (first, second)]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0][0]}"' in first.text


async def test_built_files_never_change_and_come_packed(built: Path) -> None:
    async with browser(built) as client:
        packed = await client.get("/assets/main-x1.js", headers={"accept-encoding": "gzip"})
        plain = await client.get("/assets/main-x1.js", headers={"accept-encoding": "identity"})
        head = await client.head("/assets/main-x1.js", headers={"accept-encoding": "identity"})
    assert packed.text == plain.text == SCRIPT
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == int(head.headers["content-length"])
    assert head.content == b""
    for reply in (packed, plain):
        assert "immutable" in reply.headers["cache-control"]
        assert reply.headers["vary"] == "accept-encoding"
        assert reply.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/api/keys"), ("GET", "/api"), ("POST", "/api/setup"), ("POST", "/login"), ("DELETE", "/o/default/keys"), ("POST", "/")])
async def test_the_apis_paths_and_every_change_are_the_apis(built: Path, method: str, path: str) -> None:
    async with browser(built) as client:
        assert (await client.request(method, path)).json() == {"code": "not_found"}


async def test_a_program_that_missed_the_api_gets_no_page(built: Path) -> None:
    async with browser(built) as client:
        assert (await client.get("/overview", headers={"accept": "application/json"})).status_code == 404
        assert (await client.get("/assets/gone.js")).status_code == 404
        for hidden in ("/manifest.json", "/index.html.gz", "/../app.py", "/assets/../../app.py", "/assets/%2e%2e/index.html"):
            reply = await client.get(hidden, headers={"accept": "*/*"})
            assert reply.status_code == 404, hidden


async def test_a_checkout_without_it_says_how_to_build_it(tmp_path: Path) -> None:
    async with browser(tmp_path) as client:
        page, setup = await client.get("/"), await client.get("/setup")
    assert (page.status_code, "make console" in page.text) == (200, True)
    assert setup.json() == {"code": "not_found"}, "the API's own form for the first account"
