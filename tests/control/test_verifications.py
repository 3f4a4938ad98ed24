"""Verifying from the console: the same judgement as `tallystick verify`, in another process, one at a time, kept and cancelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.control import verifications
from tallystick.stores.secrets import open_secrets
from tallystick.stores.sql import verifications as store
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.ledger_reading import length_of
from tests.build.control import Desk

PATIENCE_S = 60
PLACE = "/api/ledger/verifications"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    key = open_secrets(tmp_path).ledger_key
    desk = Desk(tmp_path)
    desk.sequencer = Sequencer(desk.database, key)
    object.__setattr__(desk.parts, "ledger_key", key.public_key)
    object.__setattr__(desk.parts, "stopping", lambda: False)
    for number in range(5):
        desk.book(1_500_001 + number, labels={"team": "search"})
    desk.clock.at_us += 120_000_000
    desk.book(9)
    yield desk
    desk.close()


async def ended(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """What came of one."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found: dict[str, Any] = (await client.get(f"{PLACE}/{run_id}")).json()
        if found["state"] != "running":
            return found
        time.sleep(0.05)
    raise AssertionError("it does not end")


async def test_a_sound_ledger_is_said_to_be(desk: Desk) -> None:
    async with desk.person(desk.member("auditor")) as auditor:
        with desk.database.read() as db:
            size, head = length_of(db, DEFAULT)
        begun = await auditor.post(PLACE)
        assert begun.status_code == 202, begun.text
        found = await ended(auditor, begun.json()["id"])
        assert (found["state"], found["entries"], found["head"]) == ("sound", size, head.hex())
        assert found["done"] == found["total"] == size
        assert [one["id"] for one in (await auditor.get(PLACE)).json()["items"]] == [found["id"]]


async def test_the_first_bad_entry_is_named(desk: Desk) -> None:
    with desk.database.write() as db:
        db.execute("UPDATE call_fact_202611 SET cost_nanos = cost_nanos + 1 WHERE cost_nanos = 1500003")
        (seq,) = db.execute("SELECT seq FROM call_fact_202611 WHERE cost_nanos = 1500004 ORDER BY seq").fetchone()
    async with desk.owner() as owner:
        found = await ended(owner, (await owner.post(PLACE)).json()["id"])
    assert found["state"] == "wrong"
    assert (found["findings"][0]["check"], found["findings"][0]["seq"]) == ("columns", seq)


async def test_one_at_a_time_and_a_cancelled_one_makes_room(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifications, "_run", lambda *_: None)
    async with desk.owner() as owner:
        first = (await owner.post(PLACE)).json()
        second = await owner.post(PLACE)
        assert (second.status_code, second.json()["code"]) == (409, "exists")
        assert (await owner.delete(f"{PLACE}/{first['id']}")).json()["state"] == "cancelled"
        assert (await owner.post(PLACE)).status_code == 202


async def test_one_whose_process_is_gone_is_called_lost_and_makes_room(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifications, "_run", lambda *_: None)
    async with desk.owner() as owner:
        first = (await owner.post(PLACE)).json()
        desk.clock.at_us += store.LOST_AFTER_US + 1
        assert (await owner.get(f"{PLACE}/{first['id']}")).json()["state"] == "lost"
        assert (await owner.post(PLACE)).status_code == 202


def test_a_cancelled_one_is_told_to_stop(desk: Desk) -> None:
    with desk.database.write() as db:
        run = store.begin(db, DEFAULT, "run1", desk.clock.at_us, "acc_1")
        assert store.go_on(db, run.id, 5, 10, desk.clock.at_us)
        store.cancel(db, DEFAULT, run.id, desk.clock.at_us)
        assert not store.go_on(db, run.id, 6, 10, desk.clock.at_us)
        store.end(db, run.id, "sound", desk.clock.at_us, {})
        found = store.find(db, DEFAULT, run.id, desk.clock.at_us)
    assert found is not None
    assert (found.state, found.done) == ("cancelled", 5)


def test_only_the_last_ones_are_kept(desk: Desk) -> None:
    with desk.database.write() as db:
        for number in range(store.KEPT + 5):
            store.begin(db, DEFAULT, f"run{number}", desk.clock.at_us + number, "acc_1")
            store.end(db, f"run{number}", "sound", desk.clock.at_us + number, {"entries": 1})
        assert [run.id for run in store.runs(db, DEFAULT, desk.clock.at_us)] == [f"run{number}" for number in range(24, 4, -1)]
