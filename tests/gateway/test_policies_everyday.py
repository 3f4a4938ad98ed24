"""What an operator does with policies on an ordinary day, on a running gateway: kill switches of every level, networks behind a
proxy, a budget for each end user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.build.gateway import RunningGateway
from tests.gateway.test_policies import ASK, CHAT, REPLY, Scene, ask
from tests.mini_upstream import MiniUpstream, json_reply

SMALL = {**ASK, "max_tokens": 9}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        provider.expect("POST", CHAT, json_reply(REPLY), times=90)
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url, config='[server]\ntrusted_proxies = ["127.0.0.1"]\n')), provider


def test_a_kill_switch_of_every_level_stops_its_own_and_nobody_else(scene: Scene) -> None:
    gateway, _ = scene
    made = gateway.json("keys", "create", "--team", "web", "--project", "shop", "--user", "ann")
    key, bystander = str(made["key"]), gateway.key(team="ops", project="batch", user="bob")
    said = {"x-tallystick-agent": "bot", "x-tallystick-session": "run-1"}
    for level in ("org", "team:web", "project:web/shop", f"key:{made['id']}", "user:ann", "agent:bot", "session:run-1", "user:*"):
        pulled = gateway.json("policies", "kill", "--on", level, "--reason", "leaked")
        assert (pulled["not_in_force_on"], pulled["warnings"]) == ([], []), level
        refused = ask(gateway, key, SMALL, **said)
        assert (refused.status_code, refused.json()["error"]["message"]) == (403, "This was stopped by its organisation: leaked"), level
        assert ask(gateway, bystander, SMALL).status_code == (403 if level in ("org", "user:*") else 200), level
        gateway.json("policies", "unkill", "--on", level)
        assert ask(gateway, key, SMALL, **said).status_code == 200, level
    assert gateway.json("policies", "kill", "--on", "team:wbe")["warnings"] == ["no live key can be in team:wbe"]
    gateway.stop()
    assert gateway.run("verify").returncode == 0


def test_behind_a_proxy_the_right_most_hop_that_is_not_trusted_counts(scene: Scene) -> None:
    gateway, _ = scene
    key = gateway.key()
    gateway.json("policies", "set", "addresses", "-p", 'allow=["10.0.0.0/8"]')
    for hops, status in (("10.1.2.3", 200), ("203.0.113.9, 10.1.2.3", 200), ("10.1.2.3, 203.0.113.9", 403), ("10.1.2.3, 127.0.0.1", 200)):
        assert ask(gateway, key, SMALL, **{"x-forwarded-for": hops}).status_code == status, hops
    assert ask(gateway, key, SMALL).status_code == 403, "the proxy itself"


def test_each_end_user_has_a_budget_once_the_servers_word_counts(scene: Scene) -> None:
    gateway, _ = scene
    key = gateway.key(team="shop")
    gateway.json("policies", "set", "delegation", "--on", "team:shop", "-p", 'dimensions=["user"]')
    gateway.json("policies", "set", "required_dimensions", "--on", "team:shop", "-p", 'require=["user"]')
    assert gateway.json("budgets", "set", "--user", "*", "--limit", "2 calls/day")["warnings"] == []

    def calls(user: str, times: int) -> list[int]:
        return [ask(gateway, key, SMALL, **{"x-tallystick-user": user}).status_code for _ in range(times)]

    assert (calls("ann", 3), calls("bob", 1)) == ([200, 200, 402], [200])
    assert ask(gateway, key, SMALL).status_code == 403, "who names nobody is under no cap, so nobody is left out"
