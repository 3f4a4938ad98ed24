"""Java's own HttpClient as it comes: over plain HTTP it offers HTTP/2 (h2c) beside each request, and a server that serves
HTTP/1.1 passes that over, as providers do. Java is not installed by `./check`; where it is missing this is skipped, and says so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mini_upstream import MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import PATIENCE_S, Gateway
from tests.sdk.test_client_pages import Provider
from tests.sdk.test_curl import curl, needs_curl

HERE = Path(__file__).resolve().parent / "java"
MODEL = "gpt-4o-mini"
OFFERED = (b"connection", b"upgrade", b"http2-settings")


@pytest.fixture(scope="module")
def provider():
    with Provider() as running:
        yield running


@pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed here: apt-get install default-jdk-headless")
def test_a_client_that_offers_http_2_is_served_by_http_1_1(gateway: Gateway, provider: MiniUpstream) -> None:
    run = subprocess.run(["java", "Calls.java", gateway.url, gateway.key("tallystick")], cwd=HERE, env={"PATH": os.environ["PATH"]},
                         capture_output=True, text=True, timeout=PATIENCE_S * 6, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    served = ["first", "again", "chunked", "streamed", *["at once"] * 5]
    assert run.stdout.splitlines() == [*(f"{what} HTTP_1_1 200 true" for what in served), "refused HTTP_1_1 401 true"]
    assert [json.loads(line.request.body)["messages"] for line in provider.bill] == [[{"role": "user", "content": "Say hello"}]] * len(served)
    offered = [name for line in provider.bill for name in OFFERED if b"upgrade" in (line.request.header(name) or b"").lower()]
    assert offered == [], "what concerns one connection goes no further"
    for call in gateway.all_fresh(len(served)):
        assert (call["usage"], call["cost_nanos"]) == (replies.CHAT_USAGE, replies.COST_NANOS[MODEL])


@needs_curl
def test_curl_that_offers_http_2(gateway: Gateway, provider: MiniUpstream) -> None:
    headers, body = curl(
        f"{gateway.url}/v1/chat/completions", "--http2", "-H", f"Authorization: Bearer {gateway.key('tallystick')}",
        "-d", json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Say hello"}]}))
    assert b"Hello there" in body
    assert [provider.bill[-1].request.header(name) for name in OFFERED[1:]] == [None, None]
    gateway.booked(headers, provider, cost_nanos=replies.COST_NANOS[MODEL])
