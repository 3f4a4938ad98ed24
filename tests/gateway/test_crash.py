"""`kill -9` at any moment: what a caller saw complete is in the books, exactly and once."""

from __future__ import annotations

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx

from tallystick.stores.disk import PosixDisk
from tallystick.stores.recovery import open_spool
from tests.build import chat, journal
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.build.storm import Storm, printed
from tests.mini_upstream import Answer, Gate, MiniUpstream, json_reply

CALLS, KILLS = 400, 5


def test_killed_again_and_again_under_load_the_books_agree_with_the_bill(tmp_path: Path) -> None:
    moments = random.Random(7).sample(range(20, CALLS - 40), KILLS)
    with MiniUpstream(strict=False) as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        storm = Storm(gateway, provider, gateway.key(team="hr", project="bot"), CALLS)
        storm.run(moments)
        figures = storm.reckon()
        assert gateway.run("verify").returncode == 0
    print(printed(figures))
    assert (figures.seen_complete, figures.kills) == (CALLS, KILLS)


USAGE = {"input_tokens": 1_000, "output_tokens": 200, "total_tokens": 1_200}
BILL_NANOS = 1_000 * 2_500 + 200 * 10_000        # gpt-4o: $2.50, $10 a million


def job(status: str, usage: dict[str, int] | None = None) -> Answer:
    return json_reply({"id": "resp_1", "object": "response", "status": status, "background": True, "model": "gpt-4o", "output": [], "usage": usage})


def test_a_job_made_before_the_crash_is_billed_once_on_the_call_that_made_it(tmp_path: Path) -> None:
    """It is polled the moment the gateway is back, twice at once, though nothing of it had reached the ledger."""
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        headers, gate = chat.headers(gateway.key()), Gate()
        with closing(sqlite3.connect(gateway.data / "tallystick.db", isolation_level=None)) as ledger:
            ledger.execute("BEGIN IMMEDIATE")
            provider.expect("POST", "/v1/responses", job("queued"))
            made = httpx.post(f"{gateway.url}/v1/responses", headers=headers, timeout=PATIENCE_S,
                              json={"model": "gpt-4o", "input": "hi", "background": True, "max_output_tokens": 500})
            gateway.kill()
        gateway.start()
        provider.expect("GET", "/v1/responses/resp_1", job("completed", USAGE).before(gate), times=2)
        with ThreadPoolExecutor() as pool:
            polls = [pool.submit(httpx.get, f"{gateway.url}/v1/responses/resp_1", headers=headers, timeout=PATIENCE_S) for _ in range(2)]
            gate.wait_reached()
            gate.open()
            booked = [gateway.call(poll.result().headers["x-tallystick-request-id"])["cost_nanos"] for poll in polls]
        creator = gateway.call(made.headers["x-tallystick-request-id"])
        assert (booked, creator["cost_nanos"], creator["basis"]) == ([0, 0], BILL_NANOS, "usage")
        assert not (gateway.data / "quarantine").exists()
        assert gateway.run("verify").returncode == 0


def test_a_record_that_cannot_be_booked_is_put_aside_and_shipping_goes_on(tmp_path: Path) -> None:
    """A settlement of an attempt that nobody admitted stands in the spool, as no process of ours would leave it."""
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        key = gateway.key()
        gateway.stop()
        folder = gateway.data / "spool" / "0"
        last = max(int(path.stem) for path in folder.glob("*.seg"))
        spool = open_spool(folder, lambda: "never asked", PosixDisk(), journal.HandClock(), ledger_segment=lambda _: last)
        journal.run(spool.settle(journal.settlement(7)))
        spool.close()
        gateway.start()
        provider.expect("POST", chat.PATH, chat.answers(1)[0])
        answer = httpx.post(f"{gateway.url}{chat.PATH}", json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)
        assert gateway.call(answer.headers["x-tallystick-request-id"])["cost_nanos"] == chat.cost_nanos(1)
        assert len(list((gateway.data / "quarantine").iterdir())) == 1
        assert "could not be booked" in gateway.log.read_text()
        assert gateway.run("verify").returncode == 0
