"""Workers share what their calls met: a limit that one was told of, the other does not run into."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import PATIENCE_S
from tests.gateway.test_workers import Workers, wait_for
from tests.mini_upstream import MiniUpstream, json_reply

pytestmark = pytest.mark.slow
LIMIT = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}


def test_a_limit_that_one_worker_meets_the_other_knows(tmp_path: Path) -> None:
    with MiniUpstream(strict=False) as provider, Workers(tmp_path, provider, count=2) as gateway:
        gateway.run("credentials", "set", "openai", said="sk-shared")
        key = gateway.key()

        def ask(port: int) -> httpx.Response:
            return httpx.post(f"http://127.0.0.1:{port}{chat.PATH}", json=chat.asked(), headers={"X-Tallystick-Key": key}, timeout=PATIENCE_S)

        def knows(port: int) -> bool:
            reply = ask(port)
            return reply.status_code == 429 and reply.json()["error"]["code"] == "credential_cooling_down"

        first, second = gateway.ports
        provider.expect("POST", chat.PATH, json_reply(LIMIT, status=429, headers=[(b"Retry-After", b"500")]))
        wait_for(lambda: ask(first).json() == LIMIT)         # once it has seen the credential
        provider.expect("POST", chat.PATH, json_reply(chat.completion(1)), times=1_000)
        wait_for(lambda: knows(second))
        seen = len(provider.calls)
        assert knows(first)
        assert knows(second)
        assert len(provider.calls) == seen
