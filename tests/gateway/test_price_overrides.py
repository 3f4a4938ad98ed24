"""Overrides on a running gateway: set by command and by API, in force within a second, shown by every view
with list and net beside each other, and a table that somebody edited found by `verify`."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

SEEN_WITHIN_S = 1.0
MESSAGES = "/v1/messages"
SONNET = "claude-sonnet-4-6"
OWN_KEY = {"x-api-key": "sk-ant-own", "anthropic-version": "2023-06-01"}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[RunningGateway, MiniUpstream]]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        names = '[providers.openai.models]\n"prod-chat" = "gpt-4o-mini"\n'
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url, config=names)), provider


def case_37() -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": SONNET, "content": [{"type": "text", "text": "ok"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 10_000, "output_tokens": 1_000, "server_tool_use": {"web_search_requests": 2}}}


def ask(gateway: RunningGateway, provider: MiniUpstream, key: str) -> str:
    """Case 37's call; its request id."""
    provider.expect("POST", MESSAGES, json_reply(case_37()))
    body = {"model": SONNET, "max_tokens": 2_000, "messages": [{"role": "user", "content": "What is new?"}]}
    reply = httpx.post(f"{gateway.url}{MESSAGES}", json=body, headers={**OWN_KEY, "X-Tallystick-Key": key}, timeout=PATIENCE_S)
    assert reply.status_code == 200, reply.text
    return reply.headers["x-tallystick-request-id"]


def booked(gateway: RunningGateway, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return gateway.call(request_id)
        except httpx.HTTPStatusError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def within(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SEEN_WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def client_of(gateway: RunningGateway) -> httpx.Client:
    login = httpx.post(f"{gateway.url}/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}, timeout=PATIENCE_S)
    token = login.raise_for_status().json()["access_token"]
    return httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S)


def test_a_contract_prices_the_next_call_and_every_view_shows_list_and_net(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key(team="hr", project="bot")
    before = booked(gateway, ask(gateway, provider, key))
    assert (before["cost_usd"], before["list_cost_nanos"]) == ("0.065000000", None)
    override = gateway.json("prices", "overrides", "set", "anthropic", "--percent", "-12.5", "--unit", "tokens", "--contract", "C-2026-11")
    assert (override["status"], override["proposed_by"], override["approved_by"]) == ("active", "cli", "cli")
    found: list[str] = []

    def net() -> bool:
        found.append(ask(gateway, provider, key))
        return booked(gateway, found[-1])["cost_nanos"] == 59_375_000

    assert within(net)
    call = booked(gateway, found[-1])
    assert (call["cost_usd"], call["list_cost_nanos"], call["list_cost_usd"]) == ("0.059375000", 65_000_000, "0.065000000")
    assert call["attempts"][0]["price_version"] != before["attempts"][0]["price_version"]
    lines = {line["unit"]: line for line in call["lines"]}
    assert (lines["input_text"]["override"], lines["input_text"]["amount_usd"], lines["input_text"]["list_amount_usd"]) == (
        override["id"], "0.02625", "0.03")
    assert lines["input_text"]["price_row"] == f"anthropic:{SONNET}:input_text"
    assert "override" not in lines["web_searches"]
    explained = gateway.run("explain", found[-1]).stdout
    assert override["id"] in explained and "$0.065000000" in explained and "$0.059375000" in explained
    assert gateway.json("explain", found[-1])["list_cost_nanos"] == 65_000_000
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(gateway.run("export", "calls-csv").stdout))}
    assert (rows[found[-1]]["list_cost_nanos"], rows[found[-1]]["cost_nanos"]) == ("65000000", "59375000")
    assert rows[before["id"]]["list_cost_nanos"] == "65000000"
    assert '"kind":"PRICE"' in gateway.run("export", "ledger-jsonl").stdout
    ended = gateway.json("prices", "overrides", "remove", override["id"])
    assert ended["ended_by"] == "cli"
    assert within(lambda: booked(gateway, ask(gateway, provider, key))["cost_nanos"] == 65_000_000)
    assert gateway.json("verify")["ok"] is True


def test_a_price_of_ones_own_for_one_team_by_api(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    theirs, others = gateway.key(team="law", project="bot"), gateway.key(team="art", project="bot")
    with client_of(gateway) as client:
        terms = {"kind": "price", "provider": "anthropic", "model": SONNET, "unit": "input_text", "value": "1.5", "team": "law"}
        made = client.post("/api/prices/overrides", json=terms)
        assert made.status_code == 201, made.text
        override = made.json()["id"]
        call = booked(gateway, ask(gateway, provider, theirs))                  # at once: this process was told
        line = call["lines"][0]
        assert (line["price_row"], line["rate_usd"], line["list_price_row"], line["list_rate_usd"], line["override"]) == (
            f"{override}:anthropic:{SONNET}:input_text", "1.5", f"anthropic:{SONNET}:input_text", "3", override)
        assert (call["cost_nanos"], call["list_cost_nanos"]) == (50_000_000, 65_000_000)
        assert booked(gateway, ask(gateway, provider, others))["cost_nanos"] == 65_000_000
        assert client.post("/api/prices/overrides", json={**terms, "model": "gpt-nothing"}).json()["code"] == "unknown_model"
        assert client.post("/api/prices/overrides", json={**terms, "value": "-1"}).status_code == 400
        assert client.post("/api/prices/overrides", json={**terms, "colour": "red"}).status_code == 400
        assert client.delete("/api/prices/overrides/ovr_none").status_code == 404
        assert client.delete(f"/api/prices/overrides/{override}").json()["status"] == "ended"
        assert client.delete(f"/api/prices/overrides/{override}").json()["code"] == "not_active"
        assert booked(gateway, ask(gateway, provider, theirs))["cost_nanos"] == 65_000_000
    assert gateway.json("verify")["ok"] is True


def test_a_deployments_name_is_priced_requested_and_served(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    """The settings name `prod-chat`; a provider may say that name again in its reply."""
    gateway, provider = scene
    key = gateway.key()
    chat = {"id": "c1", "object": "chat.completion", "model": "prod-chat", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
        "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}}

    def cost(model: str) -> dict[str, Any]:
        provider.expect("POST", "/v1/chat/completions", json_reply({**chat, "model": model}))
        reply = httpx.post(f"{gateway.url}/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": "x"}]},
                           headers={"Authorization": "Bearer sk-own", "X-Tallystick-Key": key}, timeout=PATIENCE_S)
        return booked(gateway, reply.headers["x-tallystick-request-id"])

    named = cost("prod-chat")
    assert (named["method"], named["served_model"], named["cost_nanos"]) == ("priced", "prod-chat", 150_000_000)
    assert not any("requested" in note for note in named["attempts"][0]["notes"])
    assert cost("chat-eu")["method"] == "unpriced"
    gateway.json("prices", "overrides", "set", "openai", "chat-eu", "--means", "gpt-4o-mini")
    assert within(lambda: cost("chat-eu")["cost_nanos"] == 150_000_000)


def test_an_agreement_that_was_set_late_reprices_the_days_it_holds_for(scene: tuple[RunningGateway, MiniUpstream], tmp_path: Path) -> None:
    gateway, provider = scene
    key = gateway.key(team="late")
    call = booked(gateway, ask(gateway, provider, key))
    day = call["at"][:10]
    gateway.json("prices", "overrides", "set", "anthropic", SONNET, "--percent", "-10", "--unit", "output", "--team", "late", "--from", day)
    done = gateway.json("prices", "reprice", "--since", day, "--until", day, "--provider", "anthropic", "--yes")
    assert (done["changed"], done["posted"]["delta_nanos"]) == (1, -1_500_000)
    after = gateway.call(call["id"])
    assert (after["cost_nanos"], after["booked_cost_nanos"]) == (63_500_000, 65_000_000)
    assert {line.get("override") for line in after["adjustments"][0]["lines"]} > {None}
    assert gateway.json("verify")["ok"] is True
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(gateway.run("export", "ledger-jsonl").stdout)
    script = Path(__file__).parents[2] / "scripts/verify_export.py"
    outsider = subprocess.run([sys.executable, str(script), str(ledger)], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert outsider.returncode == 0, outsider.stdout + outsider.stderr


def test_an_edited_table_is_found(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, _ = scene
    override = gateway.json("prices", "overrides", "set", "*", "--percent=-1", "--unit", "tools", "--from", "2030-01-01")
    assert override["status"] == "to_come"
    gateway.stop()
    path: Path = gateway.data / "tallystick.db"
    with sqlite3.connect(path) as db:
        terms = json.loads(db.execute("SELECT terms FROM price_override WHERE id = ?", (override["id"],)).fetchone()[0])
        assert Decimal(terms["value"]) == -1
        db.execute("UPDATE price_override SET terms = ? WHERE id = ?", (json.dumps({**terms, "value": "-99"}), override["id"]))
    db.close()
    found = gateway.run("verify", "--json")
    assert found.returncode == 1
    assert [finding["check"] for finding in json.loads(found.stdout)["findings"]] == ["prices"]
    assert override["id"] in found.stdout
