"""Newer prices on a running gateway: read from a feed, shown with their money effect, pending, applied, in force;
an upgrade-proof layer that `verify` watches over."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.gateway.test_price_overrides import booked, within
from tests.mini_upstream import MiniUpstream, json_reply

HEADER = {"provider": "openai", "checked_on": "2099-01-01", "sources": {
    "page": {"name": "OpenAI pricing", "version": "page", "address": "https://openai.com/api/pricing", "checked_on": "2099-01-01"}}}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[RunningGateway, MiniUpstream, str]]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        gateway = stack.enter_context(RunningGateway(tmp_path, upstream=provider.url))
        yield gateway, provider, gateway.key(team="hr")


def feed(path: Path, price: str, model: str = "gpt-4o-mini") -> tuple[str, str]:
    """A release with one price, and its SHA-256."""
    lines = [HEADER, {"model": model, "unit": "input_text", "price": price, "from": "2026-01-01", "source": "page"}]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def cost(scene: tuple[RunningGateway, MiniUpstream, str], tokens: int = 1_000_000) -> tuple[int, str]:
    gateway, provider, key = scene
    reply = {"id": "c", "object": "chat.completion", "model": "gpt-4o-mini", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}}
    provider.expect("POST", chat.PATH, json_reply(reply))
    answer = httpx.post(f"{gateway.url}{chat.PATH}", json={**chat.asked(), "model": "gpt-4o-mini"},
                        headers={"Authorization": "Bearer sk-own", "X-Tallystick-Key": key}, timeout=PATIENCE_S)
    call = booked(gateway, answer.headers["x-tallystick-request-id"])
    return call["cost_nanos"], call["lines"][0]["price_row"]


def test_read_shown_pending_applied_in_force(scene: tuple[RunningGateway, MiniUpstream, str], tmp_path: Path) -> None:
    gateway, _, _ = scene
    assert cost(scene) == (150_000_000, "openai:gpt-4o-mini:input_text")
    path, digest = feed(tmp_path / "feed.jsonl", "0.12")
    wrong = gateway.run("prices", "refresh", "--from", path, "--sha256", "0" * 64)
    assert (wrong.returncode, digest in wrong.stderr) == (2, True)
    shown = gateway.json("prices", "refresh", "--from", path, "--sha256", digest)
    assert [(one["kind"], one["id"], one["new"]) for one in shown["changes"]] == [
        ("added", "openai:gpt-4o-mini:input_text:2026-01-01", "0.12 per 1000000")]
    assert {name: shown["effect"][name] for name in ("calls", "old_nanos", "new_nanos", "delta_nanos")} == {
        "calls": 1, "old_nanos": 150_000_000, "new_nanos": 120_000_000, "delta_nanos": -30_000_000}
    assert [one["model"] for one in shown["effect"]["models"]] == ["gpt-4o-mini"]
    assert cost(scene)[0] == 150_000_000                 # pending is not in force
    assert [one["provider"] for one in gateway.json("prices", "pending")["releases"]] == ["openai"]
    unasked = gateway.run("prices", "apply")
    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    assert gateway.run("prices", "apply", "--yes", "--only", "groq").returncode == 2
    applied = gateway.json("prices", "apply", "--yes", "--only", "openai")["applied"]
    assert [(one["provider"], one["sha256"]) for one in applied] == [("openai", digest)]
    assert within(lambda: cost(scene) == (120_000_000, "openai:gpt-4o-mini:input_text:2026-01-01"))
    rows = [row for row in gateway.json("prices", "show", "openai/gpt-4o-mini")["models"][0]["rows"] if row["unit"] == "input_text"]
    assert "0.12" in {row["price"] for row in rows}
    assert gateway.json("prices", "refresh", "--from", path)["release"] is None          # nothing is new any more
    assert gateway.run("prices", "apply", "--yes").returncode == 2
    entries = [json.loads(line) for line in gateway.run("export", "ledger-jsonl", "--organization", "system").stdout.splitlines()]
    said = [entry for entry in entries if entry.get("kind") == "PRICE"]
    assert [(entry["event"], entry["actor"], entry["approved"], entry["read_digest"]) for entry in said] == [("applied", "cli", "cli", digest)]
    assert gateway.json("verify")["ok"] is True
    gateway.stop()
    gateway.start()
    assert cost(scene)[0] == 120_000_000                 # the layer lies in the data directory
    gateway.stop()
    with sqlite3.connect(gateway.data / "tallystick.db") as db:
        db.execute("UPDATE price_release SET lines = replace(lines, '0.12', '0.01')")
    db.close()
    found = gateway.run("verify", "--json")
    assert (found.returncode, [finding["check"] for finding in json.loads(found.stdout)["findings"]]) == (1, ["prices"])


def test_what_is_rejected_never_holds_and_litellms_map_is_a_feed_too(scene: tuple[RunningGateway, MiniUpstream, str], tmp_path: Path) -> None:
    gateway, _, _ = scene
    path = tmp_path / "litellm.json"
    path.write_text(json.dumps({
        "gpt-4o-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-07, "output_cost_per_token": 6e-07},
        "house-1": {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 2e-06}}))
    shown = gateway.json("prices", "refresh", "--from", str(path), "--valid-from", "2026-01-01")
    assert shown["providers"] == ["groq", "openai"]
    assert "openai:gpt-4o-mini:input_text:2026-01-01" in {one["id"] for one in shown["changes"]}
    assert [one["provider"] for one in gateway.json("prices", "reject", "--only", "openai")["rejected"]] == ["openai"]
    assert gateway.json("prices", "apply", "--yes")["applied"][0]["provider"] == "groq"
    assert cost(scene)[0] == 150_000_000
    asked = gateway.run("prices", "check", "--litellm", str(path), "--json")
    others = [one for one in json.loads(asked.stdout)["disagreements"] if one["source"] == "litellm"]
    assert [(one["model"], one["ours"], one["theirs"]) for one in others] == [("gpt-4o-mini", "0.15", "0.1")]       # groq's is ours by now
    models = gateway.json("prices", "show", "groq/house-1")["models"]
    assert [row["price"] for row in models[0]["rows"] if row["unit"] == "input_text"] == ["2"]
    assert gateway.json("verify")["ok"] is True


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/feed", "https://user:pw@127.0.0.1:9/feed", "ftp://127.0.0.1/feed", "nowhere.jsonl"])
def test_what_is_no_feed_is_not_fetched(source: str, tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path)
    gateway.config.write_text("")
    refused = gateway.run("prices", "refresh", "--from", source)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "tallystick: " in refused.stderr
