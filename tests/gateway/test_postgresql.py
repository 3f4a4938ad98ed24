"""A gateway on PostgreSQL does all that one on a file does: books, budgets, verify, explain, export, `kill -9`; serves on
while the server is away; and a second gateway shares the books and the caps."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.build.postgres import Server
from tests.build.storm import Storm, printed
from tests.gateway.test_budgets import CHAT, COST_NANOS, HOLD_NANOS, ask, chat, show
from tests.mini_upstream import MiniUpstream, json_reply

pytestmark = pytest.mark.slow
CALLS, KILLS = 200, 3


@pytest.fixture
def provider() -> Iterator[MiniUpstream]:
    with MiniUpstream(strict=False) as running:
        yield running


@pytest.fixture
def settings(postgresql: Server) -> str:
    return f'[database]\nurl = "{postgresql.new_database()}"\n'


def test_calls_are_booked_shown_explained_exported_and_verified(tmp_path: Path, provider: MiniUpstream, settings: str) -> None:
    with RunningGateway(tmp_path, upstream=provider.url, config=settings) as gateway:
        key = gateway.key(team="web", project="search")
        provider.expect("POST", CHAT, json_reply(chat()), times=3)
        ids = [ask(gateway, key).headers["x-tallystick-request-id"] for _ in range(3)]
        assert [gateway.call(one)["cost_nanos"] for one in ids] == [COST_NANOS] * 3
        assert f"{COST_NANOS / 1e9:.6f}" in gateway.run("explain", ids[0]).stdout
        exported = [json.loads(line) for line in gateway.run("export", "calls-jsonl").stdout.splitlines()]
        assert [row["id"] for row in exported] == ids
        assert gateway.run("export", "calls-csv").stdout.count("\n") == 4
        assert gateway.api("/api/metrics/overview")["today"]["cost_nanos"] == 3 * COST_NANOS
        assert [row["id"] for row in gateway.calls(3)] == ids[::-1]
        assert gateway.json("verify")["findings"] == []
        looked = {one["check"]: one["state"] for one in json.loads(gateway.run("doctor", "--json").stdout)["checks"]}
        assert (looked["database"], looked["clock"], looked["spool"]) == ("good", "good", "good")
        assert not (gateway.data / "tallystick.db").exists()


def test_killed_again_and_again_under_load_the_books_agree_with_the_bill(tmp_path: Path, provider: MiniUpstream, settings: str) -> None:
    moments = random.Random(7).sample(range(20, CALLS - 40), KILLS)
    with RunningGateway(tmp_path, upstream=provider.url, config=settings) as gateway:
        storm = Storm(gateway, provider, gateway.key(team="hr", project="bot"), CALLS)
        storm.run(moments)
        figures = storm.reckon()
    print(printed(figures))
    assert (figures.seen_complete, figures.kills) == (CALLS, KILLS)


def test_while_the_server_is_away_calls_go_on_and_are_booked_afterwards(tmp_path: Path, provider: MiniUpstream, settings: str,
                                                                       postgresql: Server) -> None:
    with RunningGateway(tmp_path, upstream=provider.url, config=settings) as gateway:
        key = gateway.key()
        gateway.stop()                       # a key that has just been made is looked up again when its gateway hears of it
        gateway.start()
        provider.expect("POST", CHAT, json_reply(chat()), times=5)
        assert ask(gateway, key).status_code == 200
        postgresql.stop()
        try:
            assert [ask(gateway, key).status_code for _ in range(4)] == [200] * 4
        finally:
            postgresql.start()
        assert [row["cost_nanos"] for row in gateway.calls(5)] == [COST_NANOS] * 5
        assert gateway.run("verify").returncode == 0


def test_who_is_cut_off_for_too_long_refuses_what_a_budget_may_forbid(tmp_path: Path, provider: MiniUpstream, settings: str,
                                                                     postgresql: Server) -> None:
    with RunningGateway(tmp_path, upstream=provider.url, config=f"{settings}max_staleness_s = 3\n") as gateway:
        key = gateway.key()
        gateway.json("budgets", "set", "--org", "--limit", "1000")
        provider.expect("POST", CHAT, json_reply(chat()), times=10_000)
        assert ask(gateway, key).status_code == 200
        postgresql.stop()
        try:
            refused = _until(lambda: ask(gateway, key), 503)
            assert (refused.json()["error"]["code"], refused.headers["retry-after"]) == ("budget_unavailable", "5")
            assert "has not followed its database" in refused.text
            ready = httpx.get(f"{gateway.url}/readyz", timeout=PATIENCE_S)
            assert (ready.status_code, "budgets" in ready.json()["reasons"]) == (503, True)
        finally:
            postgresql.start()
        _until(lambda: ask(gateway, key), 200)
        _until(lambda: httpx.get(f"{gateway.url}/readyz", timeout=PATIENCE_S), 200)


def _until(do: Callable[[], httpx.Response], status: int) -> httpx.Response:
    """Again and again until it answers so."""
    ends_s = time.monotonic() + PATIENCE_S
    while (answer := do()).status_code != status:
        assert time.monotonic() < ends_s, answer.text
        time.sleep(0.2)
    return answer


def test_two_gateways_share_keys_and_caps(tmp_path: Path, provider: MiniUpstream, settings: str) -> None:
    one, other = (RunningGateway(tmp_path / name, upstream=provider.url, config=settings) for name in ("one", "other"))
    with ExitStack() as running:
        running.enter_context(one)
        key = one.key(team="web")
        budget = one.json("budgets", "set", "--org", "--limit", f"{1.5 * HOLD_NANOS / 1e9:.9f}")
        other.data.mkdir(parents=True)
        other.config.write_text(one.config.read_text())
        refused = other.run("serve", "--port", "0")
        assert "other secrets" in refused.stderr
        assert refused.returncode == 2
        for secret in ("pepper", "kek", "ledger.key"):
            (other.data / secret).unlink(missing_ok=True)
            shutil.copy2(one.data / secret, other.data / secret)
        running.enter_context(other)
        provider.expect("POST", CHAT, json_reply(chat()), times=100)
        answers = [ask(gateway, key).status_code for _ in range(10) for gateway in (one, other)]
        assert set(answers) == {200, 402}
        assert len(provider.bill) == answers.count(200)
        one.calls(answers.count(200))
        spent_nanos = show(other, budget["id"])["spent_nanos"]
        assert answers.count(200) * COST_NANOS == spent_nanos <= 1.5 * HOLD_NANOS
        changed = other.json("budgets", "set", "--org", "--limit", "9")
        assert changed["not_in_force_on"] == []
        assert httpx.get(f"{one.url}/readyz", timeout=PATIENCE_S).json()["status"] == "ready"
        assert [ask(gateway, key).status_code for gateway in (one, other)] == [200, 200]
    assert one.run("verify").returncode == 0


def test_an_installation_moves_from_its_file_to_a_server_with_its_whole_ledger(tmp_path: Path, provider: MiniUpstream, postgresql: Server) -> None:
    gateway, url = RunningGateway(tmp_path, upstream=provider.url), postgresql.new_database()
    provider.expect("POST", CHAT, json_reply(chat()), times=10)
    with gateway:
        key = gateway.key(team="web", project="search", user="ann")
        gateway.json("budgets", "set", "--team", "web", "--limit", "$5/month")
        gateway.json("envelopes", "request", "team:web", "--amount", "3", "--until", "30d", "--purpose", "trial", "--sign")
        ids = [ask(gateway, key).headers["x-tallystick-request-id"] for _ in range(3)]
        gateway.calls(3)
        busy = gateway.run("move", "--to", url)
        assert (busy.returncode, "Stop it first" in busy.stderr) == (2, True)
        gateway.stop()
        exported = gateway.run("export", "ledger-jsonl").stdout
        moved = gateway.json("move", "--to", url)
        assert (moved["findings"], moved["put_aside"]) == ([], str(gateway.data / "tallystick.moved.db"))
        assert "database.url" in gateway.run("keys", "list").stderr, "nobody goes on with the file by mistake"
        gateway.config.write_text(gateway.config.read_text() + f'[database]\nurl = "{url}"\n')
        assert gateway.run("export", "ledger-jsonl").stdout == exported, "to the byte"
        gateway.start()
        after = ask(gateway, key).headers["x-tallystick-request-id"]
        assert [row["id"] for row in gateway.calls(4)] == [after, *ids[::-1]]
        [budget] = [one for one in gateway.json("budgets", "list")["budgets"] if not one["name"].startswith("envelope")]
        assert budget["nodes"][0]["spent_nanos"] == 4 * COST_NANOS
        assert gateway.json("verify")["findings"] == []
        gateway.stop()
        (gateway.data / "tallystick.moved.db").rename(gateway.data / "tallystick.db")
        again = gateway.run("move")
        assert (again.returncode, "already" in again.stderr) == (2, True)
