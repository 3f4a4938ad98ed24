"""A cap for each session of a team: on a running gateway, over a start, and on several workers together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.gateway.test_policies import ASK, CHAT, REPLY, Scene, ask
from tests.gateway.test_workers import Workers, database, provider  # noqa: F401 - fixtures
from tests.mini_upstream import MiniUpstream, json_reply

SMALL = {**ASK, "max_tokens": 9}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        provider.expect("POST", CHAT, json_reply(REPLY), times=50)
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url)), provider


def runs(gateway: RunningGateway, key: str, session: str, times: int = 1) -> list[int]:
    return [ask(gateway, key, SMALL, **{"x-tallystick-session": session}).status_code for _ in range(times)]


def test_each_session_of_a_team_has_a_cap_that_holds_over_a_start(scene: Scene) -> None:
    gateway, _ = scene
    agents, web = gateway.key(team="agents"), gateway.key(team="web")
    made = gateway.json("policies", "set", "session_caps", "--on", "team:agents", "-p", "calls=2")
    gateway.json("policies", "set", "session_caps", "--on", "team:web", "-p", "calls=3", "-p", "optional=true")
    assert (runs(gateway, agents, "one", 3), runs(gateway, agents, "two"), runs(gateway, web, "three", 4)) == (
        [200, 200, 402], [200], [200, 200, 200, 402])
    assert (ask(gateway, agents, SMALL).status_code, ask(gateway, web, SMALL).status_code) == (403, 200), "who names none"
    gateway.stop()
    gateway.start()
    refused = ask(gateway, agents, SMALL, **{"x-litellm-trace-id": "one"})
    said = refused.json()["error"]["tallystick"]
    assert (refused.status_code, said["code"], said["scope"], said["policy_id"]) == (402, "budget_exceeded", "session one", str(made["id"]))
    assert runs(gateway, agents, "two", 2) == [200, 402]
    refusals = gateway.calls(5, kind="refused")
    assert {gateway.call(row["id"])["policy_id"] for row in refusals if row["team"] == "agents"} == {made["id"]}
    told = {alert["facts"]["subject"] for alert in gateway.api("/api/alerts")["items"] if alert["kind"] == "budget_threshold"}
    assert told == {"one", "two", "three"}, "each session that used its cap up, and nothing on the way there"
    replayed = gateway.json("policies", "dry-run", "--id", str(made["id"]))
    assert (replayed["would_stop"], replayed["simulated"]) == (4, [made["id"]]), "as many as were: three sessions' calls, and who named none"
    gateway.json("policies", "set", "session_caps", "--on", "team:agents", "-p", "calls=3")
    assert runs(gateway, agents, "one", 2) == [200, 402]
    gateway.json("policies", "set", "session_caps", "--on", "team:agents", "-p", "usd=0.0000001")
    assert runs(gateway, agents, "new") == [402]
    gateway.json("policies", "remove", str(made["id"]))
    assert runs(gateway, agents, "one", 2) == [200, 200]
    gateway.stop()
    assert gateway.run("verify").returncode == 0


def test_the_budgets_are_the_policys(scene: Scene) -> None:
    gateway, _ = scene
    policy = gateway.json("policies", "set", "session_caps", "-p", "calls=2", "-p", "usd=1", "--mode", "observe")
    kept = gateway.json("budgets", "list")["budgets"]
    assert [(one["scope"], one["value"], one["unit"], one["mode"]) for one in kept] == [
        ("session", "*", "calls", "observe"), ("session", "*", "money", "observe")]
    assert {one["policy"] for one in kept} == {one["policy"] for one in gateway.api("/api/budgets")["items"]} == {policy["id"]}
    assert gateway.run("budgets", "remove", str(kept[0]["id"])).returncode == 2
    own = gateway.json("budgets", "set", "--session", "*", "--limit", "9 calls", "--window", "total")
    assert own["id"] not in {one["id"] for one in kept}, "a person's budget is another"
    assert own["policy"] is None
    key = gateway.key()
    assert runs(gateway, key, "one", 4) == [200] * 4, "it only observes"


@pytest.mark.slow
def test_workers_together_never_pass_it(tmp_path: Path, provider: MiniUpstream, database: str) -> None:  # noqa: F811 - the fixtures
    provider.expect("POST", CHAT, json_reply(REPLY), times=50)
    with Workers(tmp_path, provider, database) as workers:
        key = workers.key(team="agents")
        assert workers.json("policies", "set", "session_caps", "-p", "calls=5")["not_in_force_on"] == []
        answers = [httpx.post(f"http://127.0.0.1:{port}{CHAT}", json=SMALL, timeout=PATIENCE_S, headers={
            "authorization": "Bearer sk-own", "x-tallystick-key": key, "x-tallystick-session": "s"}).status_code
            for _ in range(5) for port in workers.ports]
        assert answers.count(200) == 5
        workers.stop()
        assert workers.run("verify").returncode == 0
