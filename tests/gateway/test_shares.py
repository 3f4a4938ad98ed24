"""Fair shares on a running gateway: who takes too much is answered in their own dialect, told when to come
back and journaled; everybody else goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Gate, MiniUpstream, json_reply

LIMITS = "[gateway.limits]\n"
MIB = 1024 * 1024


def test_wrong_keys_are_slowed_down_and_keys_in_use_are_not(tmp_path: Path) -> None:
    config = LIMITS + "wrong_keys_per_minute_max = 2\n"
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config) as gateway:
        key = gateway.key()
        for _ in range(2):
            provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")))
        assert httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S).status_code == 200
        wrong = [httpx.post(f"{gateway.url}/v1/messages", json={}, headers={"x-api-key": f"aso_k_1.{n}", "anthropic-version": "2023-06-01"},
                            timeout=PATIENCE_S) for n in range(3)]
        assert [each.status_code for each in wrong] == [401, 401, 429]
        assert wrong[2].json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(wrong[2].headers["retry-after"]) <= 61
        assert httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S).status_code == 200
        figures = httpx.get(f"{gateway.url}/metrics", timeout=PATIENCE_S).text
        assert 'tallystick_blocked_total{reason="rate_limited"} 1.0' in figures
        assert gateway.json("verify")["ok"] is True


def test_a_key_has_so_many_calls_at_once(tmp_path: Path) -> None:
    config = LIMITS + "calls_per_key_max = 1\n"
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config) as gateway:
        busy, other = gateway.key(team="hr"), gateway.key(team="it")
        waits = Gate()
        provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")).before(waits))
        provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")))
        provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")))
        with chat.raw_call(gateway, chat.head(busy, len(b'{"model":"gpt-4o"}')), b'{"model":"gpt-4o"}') as first:
            waits.wait_reached()
            refused = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(busy), timeout=PATIENCE_S)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_at_once")
            assert refused.headers["retry-after"] == "1"
            assert httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(other), timeout=PATIENCE_S).status_code == 200
            waits.open()
            chat.read_until(first, b"}}")
        deadline = time.monotonic() + PATIENCE_S
        while (again := httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(busy), timeout=PATIENCE_S)).status_code == 429:
            assert time.monotonic() < deadline
        assert again.status_code == 200
        [blocked] = [each for each in gateway.calls(at_least=1, kind="refused") if each["id"] == refused.headers["x-tallystick-request-id"]]
        assert blocked["team"] == "hr"       # it had a key: its own organisation's books say whom it befell


def test_bodies_have_so_much_memory_together(tmp_path: Path) -> None:
    config = LIMITS + f"bodies_bytes_max = {4 * MIB}\nbody_bytes_max = {4 * MIB}\n"
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config) as gateway:
        key, size = gateway.key(), 3 * MIB
        large = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"' + b"x" * size + b'"}]}'
        with chat.raw_call(gateway, chat.head(key, len(large)), large[:size]):
            held = _until(gateway, lambda found: found >= size - MIB)
            assert held <= 4 * MIB
            refused = httpx.post(gateway.url + chat.PATH, content=large, headers=chat.headers(key), timeout=PATIENCE_S)
            assert (refused.status_code, refused.json()["error"]["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")
            provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")))
            small = httpx.post(gateway.url + chat.PATH, json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)
            assert small.status_code == 200  # small ones pass beside it
        _until(gateway, lambda found: found == 0)
        provider.expect("POST", chat.PATH, json_reply(chat.completion(1, "ok")))
        assert httpx.post(gateway.url + chat.PATH, content=large, headers=chat.headers(key), timeout=PATIENCE_S).status_code == 200
        _until(gateway, lambda found: found == 0)


def _until(gateway: RunningGateway, holds: Callable[[float], bool]) -> float:
    """The gauge of held bytes once it is as it should be."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lines = httpx.get(f"{gateway.url}/metrics", timeout=PATIENCE_S).text.splitlines()
        found = next(float(line.split()[1]) for line in lines if line.startswith("tallystick_request_body_bytes "))
        if holds(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
