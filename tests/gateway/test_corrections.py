"""Corrections on a running gateway: commands and API beside the server, then everything that shows money, and the
outsider's verifier on what leaves the house."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.core.attempt import Line
from tallystick.core.usage import usage_of
from tallystick.stores.sql.booking import book_attempt
from tallystick.stores.sql.engine import open_database
from tallystick.stores.sql.journal import Sequencer
from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.build.journal import admission, request_id, settlement
from tests.mini_upstream import MiniUpstream, json_reply, reply

VERIFIER = Path(__file__).parents[2] / "scripts" / "verify_export.py"
AT_US = 1_795_176_000_000_000                    # 2026-11-20 12:00 UTC
RIGHT = 1_000 * 150 + 100 * 600                  # what the book makes of the usage below
DAYS = ("--since", "2026-11-20", "--until", "2026-11-20")


def old_calls(gateway: RunningGateway) -> None:
    """Yesterday's calls, priced by a list that was twice too dear; one model has no price at all, and one call
    was booked at its worst case."""
    database = open_database(gateway.data, 1)
    lines = (Line("input_text", 1_000, "openai:gpt-4o-mini:input_text", Decimal("0.3"), 1_000_000),
             Line("output_text", 100, "openai:gpt-4o-mini:output_text", Decimal("1.2"), 1_000_000))
    with Sequencer(database).append(AT_US) as pen:
        for number, changes in enumerate((
            {}, {}, {"model": "no-such-model-1", "method": "unpriced", "cost_nanos": 0, "computed_nanos": None,
                     "lines": tuple(replace(line, row=None, rate=Decimal(0), per=1) for line in lines)},
            {"method": "estimated", "basis": "worst_case", "usage": None, "lines": (), "cost_nanos": 50_000_000, "computed_nanos": None},
        ), start=1):
            said: dict[str, Any] = {"usage": usage_of(input_text=1_000, output_text=100), "lines": lines, "traits": {}, "model": chat.MODEL,
                                    "cost_nanos": 2 * RIGHT, "computed_nanos": 2 * RIGHT, **changes}
            asked = admission(number, at_us=AT_US + number, model=said["model"])
            book_attempt(pen, asked, settlement(number, at_us=AT_US + 9, **said), lambda _row: {})
    database.close()


@pytest.fixture(scope="module")
def corrected(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with RunningGateway(tmp_path_factory.mktemp("corrected"), upstream=provider.url) as running:
        old_calls(running)
        yield running


def test_a_re_pricing_is_shown_first_and_posted_once(corrected: RunningGateway) -> None:
    shown = corrected.json("prices", "reprice", *DAYS)
    assert (shown["calls"], shown["changed"], shown["delta_nanos"], shown["posted"]) == (2, 2, -2 * RIGHT, None)
    assert shown["models"] == [{"provider": "openai", "model": "gpt-4o-mini", "calls": 2, "changed": 2, "old_nanos": 4 * RIGHT,
                                "new_nanos": 2 * RIGHT, "delta_nanos": -2 * RIGHT}]
    assert {one["reason"]: one["calls"] for one in shown["cannot_be_repriced"]} == {"no_price": 1, "worst_case": 1}
    assert {(one["model"], one["unit"]) for one in shown["without_price"]} == {("no-such-model-1", "input_text"), ("no-such-model-1", "output_text")}
    assert corrected.call(request_id(1))["adjustments"] == []

    asked = corrected.run("prices", "reprice", *DAYS)
    assert (asked.returncode, "say --yes" in asked.stdout, "Nothing was posted" in asked.stdout) == (0, True, True), asked.stderr
    posted = corrected.json("prices", "reprice", *DAYS, "--model", "gpt-4o-mini", "--reason", "the list was wrong", "--yes")
    assert posted["posted"] == {"adjustments": 2, "delta_nanos": -2 * RIGHT}
    again = corrected.json("prices", "reprice", *DAYS, "--yes")
    assert (again["changed"], again["posted"]) == (0, None)

    call = corrected.call(request_id(1))
    assert (call["cost_nanos"], call["booked_cost_nanos"]) == (RIGHT, 2 * RIGHT)
    (made,) = call["adjustments"]
    assert (made["reason"], made["text"], made["actor"], made["call_day"]) == ("reprice", "the list was wrong", "cli", "2026-11-20")
    assert {line["price_row"] for line in made["lines"]} == {"openai:gpt-4o-mini:input_text", "openai:gpt-4o-mini:output_text"}
    assert all(line["source"] for line in made["lines"])
    told = corrected.run("explain", request_id(1)).stdout
    assert f"{2 * RIGHT} - {RIGHT} = {RIGHT} nanos" in told
    assert "re-priced by book" in told
    assert corrected.run("verify").returncode == 0


def test_a_worst_case_on_the_line_is_corrected_by_command_and_by_api(corrected: RunningGateway, provider: MiniUpstream) -> None:
    provider.expect("POST", chat.PATH, reply(504, [(b"Content-Type", b"text/plain")], b""))
    answer = httpx.post(f"{corrected.url}{chat.PATH}", json=chat.asked(), headers=chat.headers(corrected.key()), timeout=PATIENCE_S)
    lost = answer.headers["x-tallystick-request-id"]
    held = corrected.call(lost)
    assert held["basis"] == "worst_case"

    made = corrected.json("adjust", lost, "--cost", "0.0000123", "--evidence", "usage report of 20 November")
    assert (made["posted"], made["cost_nanos"], made["delta_nanos"]) == (True, 12_300, 12_300 - held["cost_nanos"])
    assert corrected.json("adjust", lost, "--cost", "0.0000123", "--evidence", "usage report of 20 November")["posted"] is False
    token = httpx.post(f"{corrected.url}/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}, timeout=PATIENCE_S).json()["access_token"]
    path, owner = f"{corrected.url}/api/requests/{lost}/adjustments", {"Authorization": f"Bearer {token}"}
    reply_of_api = httpx.post(path, json={"cost_usd": "0.00002", "evidence": "invoice 7"}, headers=owner, timeout=PATIENCE_S)
    assert (reply_of_api.status_code, reply_of_api.json()["cost_nanos"]) == (201, 20_000)
    assert [one["reason"] for one in corrected.call(lost)["adjustments"]] == ["evidence", "evidence"]
    refused = httpx.post(path, json={"cost_usd": "free", "evidence": "invoice 7"}, headers=owner, timeout=PATIENCE_S)
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")

    for words in (("--cost", "-1", "--evidence", "x"), ("--cost", "0.0000000001", "--evidence", "x"), ("--cost", "1", "--evidence", " ")):
        assert corrected.run("adjust", lost, *words).returncode == 2
    assert corrected.run("adjust", "req_" + "f" * 32, "--cost", "1", "--evidence", "x").returncode == 2


def test_every_sum_and_the_outsiders_agree(corrected: RunningGateway, provider: MiniUpstream) -> None:
    provider.expect("POST", chat.PATH, json_reply(chat.completion(3), usage=chat.usage(3)))
    httpx.post(f"{corrected.url}{chat.PATH}", json=chat.asked(), headers=chat.headers(corrected.key()), timeout=PATIENCE_S).raise_for_status()
    corrected.calls(at_least=6)
    rows = list(csv.DictReader(io.StringIO(corrected.run("export", "calls-csv").stdout)))
    net = sum(int(row["cost_nanos"]) for row in rows)
    assert net == sum(int(row["booked_cost_nanos"]) + int(row["adjusted_nanos"]) for row in rows)
    assert net == sum(call["cost_nanos"] for call in corrected.calls())
    exported = corrected.data / "ledger.jsonl"
    assert corrected.run("export", "ledger-jsonl", "--out", str(exported)).returncode == 0
    lines = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    assert net == sum(int(line["delta_nanos"] if line["kind"] == "ADJUST" else line["cost_nanos"])
                      for line in lines if line.get("kind") in ("ATTEMPT", "SETTLE", "ADJUST"))
    done = subprocess.run([sys.executable, "-I", "-S", str(VERIFIER), str(exported)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, f"booked {net} nanos, corrections of" in done.stdout) == (0, True), done.stdout
    assert corrected.run("verify").returncode == 0


def test_a_contract_dated_back_is_posted_on_past_calls(corrected: RunningGateway) -> None:
    corrected.json("prices", "overrides", "set", "openai", "--percent", "-10", "--unit", "all", "--from", "2026-11-01", "--contract", "frame contract 4")
    posted = corrected.json("prices", "reprice", *DAYS, "--model", "gpt-4o-mini", "--reason", "frame contract 4", "--yes")
    assert posted["posted"] == {"adjustments": 2, "delta_nanos": 2 * (RIGHT * 9 // 10 - RIGHT)}
    latest = corrected.call(request_id(2))["adjustments"][-1]
    assert (latest["cost_nanos"], latest["text"]) == (RIGHT * 9 // 10, "frame contract 4")
    assert corrected.run("explain", request_id(2)).returncode == 0
    assert corrected.run("verify").returncode == 0


def test_corrections_need_no_server(corrected: RunningGateway) -> None:
    corrected.stop()
    made = corrected.json("adjust", request_id(4), "--cost", "0", "--evidence", "the provider never saw it")
    assert made["delta_nanos"] == -50_000_000
    assert corrected.json("prices", "reprice", *DAYS, "--provider", "openai", "--yes")["posted"] is None
    assert corrected.run("verify").returncode == 0
    corrected.start()
    assert corrected.call(request_id(4))["cost_nanos"] == 0
