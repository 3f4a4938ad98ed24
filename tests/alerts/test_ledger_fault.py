"""The slow walk round the ledger: whatever is not as it was written is told within a round, once, and is over when a whole
round has found nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.stores.sql import alerts_ledger
from tallystick.stores.sql.alerts_ledger import LOOK_EVERY_US, look
from tallystick.stores.sql.engine import SYSTEM
from tests.alerts.scene import Scene, open_scene
from tests.build.databases import both_engines
from tests.build.journal import KEY, refusal, rewrite_chain, run

pytestmark = both_engines
DOLLAR = 1_000_000_000


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Some hundred entries and two checkpoints; a look reads twenty-five of them."""
    monkeypatch.setattr(alerts_ledger, "NEWEST", 5)
    monkeypatch.setattr(alerts_ledger, "STEP", 10)
    monkeypatch.setattr(alerts_ledger, "ENTRIES_MAX", 25)
    made = open_scene(tmp_path)
    for _ in range(2):
        made.spend(DOLLAR, calls=50)
        made.pass_time(70_000_000)
        made.journal.ship()
    return made


def change(scene: Scene, statement: str, *values: object) -> None:
    with scene.journal.database.write() as db:
        assert db.execute(statement, values).rowcount > 0


def walk(scene: Scene, looks: int = 12) -> list[str]:
    """So many looks, a minute apart; what was told of the ledger and is open."""
    for _ in range(looks):
        scene.pass_time(LOOK_EVERY_US)
        assert look(scene.journal.database, KEY.public_key, scene.journal.clock.us) <= 30
    return [f"{row.facts['seq']}: {row.facts['found']}" for row in scene.alerts() if row.kind == "ledger_fault" and row.resolved_us is None]


def entries(scene: Scene) -> list[tuple[int, bytes, bytes]]:
    with scene.journal.database.read() as db:
        return db.execute("SELECT seq, body, leaf FROM entry_202611 WHERE organization = 1 ORDER BY seq").fetchall()


def test_a_sound_ledger_is_walked_round_and_round_and_says_nothing(scene: Scene) -> None:
    assert walk(scene, 20) == []
    with scene.journal.database.read() as db:
        began_us, total = (db.execute(text).fetchone()[0] for text in (
            "SELECT min(began_us) FROM alert_ledger", "SELECT sum(next_seq) FROM chain"))
    assert began_us > scene.journal.clock.us - 15 * LOOK_EVERY_US, "more than one round"
    assert total > 100


@pytest.mark.parametrize("place", [3, 60, -1])
def test_a_changed_byte_is_told_wherever_it_is(scene: Scene, place: int) -> None:
    seq, body, _ = entries(scene)[place]
    change(scene, "UPDATE entry_202611 SET body = ? WHERE organization = 1 AND seq = ?", body[:-1] + bytes([body[-1] ^ 1]), seq)
    [told] = walk(scene)
    assert told.startswith(f"{seq}: its ")


def test_what_is_the_newest_is_read_at_the_next_look(scene: Scene) -> None:
    walk(scene, 1)
    seq, _, leaf = entries(scene)[-1]
    change(scene, "UPDATE entry_202611 SET leaf = ? WHERE organization = 1 AND seq = ?", bytes(32), seq)
    assert walk(scene, 1) == [f"{seq}: its hash is not the hash of its bytes and of the entry before"]
    change(scene, "UPDATE entry_202611 SET leaf = ? WHERE organization = 1 AND seq = ?", leaf, seq)
    assert len(walk(scene, 1)) == 1, "one look that finds nothing proves nothing"
    assert walk(scene, 20) == []
    [row] = [row for row in scene.alerts() if row.kind == "ledger_fault"]
    assert row.resolution == "The whole chain was walked since, and it is as it was written."


@pytest.mark.parametrize("gone", ["seq = 40", "seq > 90", "seq BETWEEN 20 AND 70"])
def test_missing_entries_are_told(scene: Scene, gone: str) -> None:
    for table in ("entry_202611", "entry_standing"):
        with scene.journal.database.write() as db:
            db.execute(f"DELETE FROM {table} WHERE organization = 1 AND {gone}")
    [told] = walk(scene)
    assert "missing" in told or "does not end" in told or "not the hash" in told


def test_a_chain_that_was_rewritten_with_every_hash_right_is_not_what_was_signed(scene: Scene) -> None:
    rewrite_chain(scene.journal.database, lambda _, body: body.replace(b'"cost_nanos":"', b'"cost_nanos":"9', 1))
    [told] = walk(scene)
    assert "not those that were signed" in told


def test_one_alert_tells_of_a_chain_and_the_channel_hears_it_once(scene: Scene) -> None:
    scene.channel()
    change(scene, "UPDATE entry_202611 SET leaf = ? WHERE organization = 1 AND seq % 7 = 0", bytes(32))
    walk(scene)
    scene.send()
    [told] = [one for one in scene.service.said() if one["data"]["kind"] == "ledger_fault"]
    assert (told["data"]["severity"], told["data"]["title"]) == ("critical", "The ledger of default is not as it was written")


def test_the_job_of_a_server_looks_and_sends(scene: Scene) -> None:
    scene.channel()
    change(scene, "UPDATE entry_202611 SET leaf = ? WHERE organization = 1 AND seq = ?", bytes(32), entries(scene)[-1][0])
    scene.send()
    assert [one["data"]["kind"] for one in scene.service.said()] == [], "a command's own round does not walk"
    scene.job.ledger_key = KEY.public_key
    scene.send()
    assert [one["data"]["kind"] for one in scene.service.said()] == ["ledger_fault"]


def test_the_installation_s_own_chain_is_walked_too(scene: Scene) -> None:
    run(scene.journal.spool.refuse(refusal(900, at_us=scene.journal.clock.us)))
    scene.journal.ship()
    change(scene, "UPDATE entry_202611 SET leaf = ? WHERE organization = ?", bytes(32), SYSTEM)
    assert len(walk(scene)) == 1


def test_one_instance_looks_at_a_time(scene: Scene) -> None:
    scene.pass_time(LOOK_EVERY_US)
    now_us = scene.journal.clock.us
    assert look(scene.journal.database, KEY.public_key, now_us) > 0
    assert look(scene.journal.database, KEY.public_key, now_us + LOOK_EVERY_US - 1) == 0


def test_a_look_is_bounded_and_breathes(scene: Scene) -> None:
    breaths: list[int] = []
    scene.pass_time(LOOK_EVERY_US)
    read = look(scene.journal.database, KEY.public_key, scene.journal.clock.us, lambda: breaths.append(1))
    assert read <= 30
    assert len(breaths) >= 2
