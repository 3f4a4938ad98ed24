"""A call that names a prompt and no version is booked on the version that is active when it comes, and says so."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.gateway.test_budgets import CHAT, ask, chat, scene
from tests.mini_upstream import MiniUpstream, json_reply

__all__ = ["scene"]


def registry(gateway: RunningGateway, method: str, path: str, **said: Any) -> None:
    gateway.api("/api/prompts")              # signs in
    httpx.request(method, f"{gateway.url}/api/prompts{path}", json=said, timeout=PATIENCE_S,
                  headers={"authorization": f"Bearer {gateway._token}"}).raise_for_status()


def attribution(gateway: RunningGateway, key: str, **headers: str) -> dict[str, Any]:
    reply = ask(gateway, key, **headers)
    found: dict[str, Any] = gateway.call(reply.headers["x-tallystick-request-id"])["attribution"]
    return found


def test_the_active_version_is_assumed_and_one_that_is_named_is_not(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(chat()), times=200)
    key = gateway.key(team="web")
    before = attribution(gateway, key, **{"x-tallystick-prompt-key": "summary"})
    assert (before.get("prompt_version"), before["claimed"]) == (None, ["prompt_key"])
    registry(gateway, "POST", "/versions", prompt_key="summary", version="7", active=True)
    deadline = time.monotonic() + PATIENCE_S
    while (found := attribution(gateway, key, **{"x-tallystick-prompt-key": "summary"})).get("prompt_version") is None:
        assert time.monotonic() < deadline, "the active version is not in force"
    assert (found.get("prompt_version"), found["claimed"]) == ("7", ["assumed.prompt_version", "prompt_key"])
    named = attribution(gateway, key, **{"x-tallystick-prompt-key": "summary", "x-tallystick-prompt-version": "3"})
    assert (named.get("prompt_version"), named["claimed"]) == ("3", ["prompt_key", "prompt_version"])
    other = attribution(gateway, key, **{"x-tallystick-prompt-key": "another"})
    assert other.get("prompt_version") is None
    versions = gateway.api("/api/prompts/one?prompt_key=summary")["version_list"]
    assert {one["version"]: one["registered"] for one in versions} == {"7": True, "3": False, None: False}
    assert gateway.run("verify").returncode == 0
