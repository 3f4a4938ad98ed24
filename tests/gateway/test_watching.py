"""Where money goes, in the terminal, beside a running gateway: days, calls as they end, the last minutes."""

from __future__ import annotations

import json
import subprocess

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.gateway.test_budgets import CHAT, COST_NANOS, ask, chat, scene
from tests.mini_upstream import MiniUpstream, json_reply

__all__ = ["scene"]


def test_spend_by_team_and_model(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(chat()), times=9)
    web, ads = gateway.key(team="web"), gateway.key(team="ads")
    for key in (web, web, ads):
        assert ask(gateway, key).status_code == 200
    gateway.calls(3)
    found = gateway.json("spend", "--by", "team", "--by", "model")
    assert [(one["names"], one["cost_nanos"]) for one in found["groups"]] == [
        (["web", "gpt-4o-2024-08-06"], 2 * COST_NANOS), (["ads", "gpt-4o-2024-08-06"], COST_NANOS)]
    assert (found["total"]["cost_nanos"], found["other"]) == (3 * COST_NANOS, None)
    assert gateway.json("spend", "--by", "team", "--top", "1")["other"]["cost_nanos"] == COST_NANOS
    assert gateway.json("spend", "--where", "team!=web", "--where", "model~GPT")["total"]["requests"] == 1
    assert gateway.json("spend", "--where", "user=", "--days", "1")["total"]["requests"] == 3
    assert gateway.json("spend", "--from", "2020-01-01", "--to", "2020-01-31")["groups"] == []
    printed = gateway.run("spend", "--by", "team", "--top", "1").stdout
    assert "1 others" in printed
    assert "66.7%" in printed
    rates = gateway.json("top", "--by", "team")["rows"]
    assert [(row["name"], row["last_15_minutes"]["requests"]) for row in rows_of(rates)] == [("ads", 1), ("web", 2)]
    assert "web" in gateway.run("top", "--once", "--by", "team").stdout


def rows_of(rates: list[dict[str, object]]) -> list[dict[str, dict[str, int]]]:
    return sorted(rates, key=lambda row: str(row["name"]))  # type: ignore[return-value]


def test_a_tail_shows_the_latest_and_then_what_comes(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    provider.expect("POST", CHAT, json_reply(chat()), times=9)
    web, ads = gateway.key(team="web"), gateway.key(team="ads")
    before = ask(gateway, web).headers["x-tallystick-request-id"]
    gateway.calls(1)
    following = subprocess.Popen(gateway._command("tail", "--where", "team=web", "--count", "2", "--json"), env=gateway._env,
                                 stdout=subprocess.PIPE, text=True)
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["id"] == before       # from here on it follows
    ask(gateway, ads)
    after = ask(gateway, web).headers["x-tallystick-request-id"]
    rest, _ = following.communicate(timeout=PATIENCE_S)
    assert [json.loads(line)["id"] for line in rest.splitlines()] == [after]
    line = gateway.run("tail", "--count", "1", "--last", "1").stdout
    assert ("web" in line, "8→50" in line, "$0.000520" in line) == (True, True, True)


def test_what_makes_no_sense_is_said(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    for words, said in (
        (("spend", "--by", "moon"), "One or two of"), (("spend", "--where", "team"), "A --where is"), (("spend", "--where", "moon=x"), "narrows by"),
        (("spend", "--from", "yesterday"), "A day is"), (("tail", "--where", "moon=x"), "narrows by"), (("top", "--by", "moon"), "--by takes"),
    ):
        done = scene[0].run(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert said in done.stderr
