"""The ledger as people read it: every entry is told, acts stand beside what was before them, and a proof of any entry holds for
an outsider with one script.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.control import ledger
from tallystick.core import merkle
from tallystick.core.ledger import KINDS, leaf_of
from tallystick.stores.secrets import open_secrets
from tallystick.stores.sql import proofs
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.journal import Sequencer
from tests.build.control import Desk

VERIFIER = Path(__file__).parents[2] / "scripts" / "verify_export.py"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Calls of two teams, one of them settled later, a refusal; checkpoints are signed."""
    key = open_secrets(tmp_path).ledger_key
    desk = Desk(tmp_path)
    desk.sequencer = Sequencer(desk.database, key)
    object.__setattr__(desk.parts, "ledger_key", key.public_key)
    for number in range(5):
        desk.book(1_500_001 + number, labels={"team": f"team{number % 2}", "user": "ada"})
    desk.refuse(team="team0")
    desk.settle(desk.admit(labels={"team": "team1"}), 777)
    desk.clock.at_us += 120_000_000          # the next write signs what is there
    desk.book(9, labels={"team": "team1"})
    yield desk
    desk.close()


async def read(desk: Desk, path: str, **params: Any) -> Any:
    async with desk.owner() as owner:
        reply = await owner.get(path, params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def everything(desk: Desk, **params: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await read(desk, "/api/ledger/entries", **params, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def test_all_entries_are_there_once_newest_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "LOOKED_AT_MAX", 7)
    page = await read(desk, "/api/ledger/entries")
    found = await everything(desk, limit=4)
    assert [one["seq"] for one in found] == list(range(page["entries"]))[::-1]
    assert all(one["sentence"] and "kind that this console" not in one["sentence"] for one in found)
    acts = await everything(desk, acts=True, limit=1)
    assert [one["seq"] for one in acts] == [one["seq"] for one in found if one["kind"] in ledger.ACTS]


async def test_a_list_is_narrowed_down(desk: Desk) -> None:
    found = await everything(desk)
    request = next(one["request_id"] for one in found if one["kind"] == "SETTLE")
    of_call = await everything(desk, request=request)
    assert [one["kind"] for one in of_call] == ["SETTLE", "ADMIT"]
    assert {one["kind"] for one in await everything(desk, kind="REFUSED")} == {"REFUSED"}
    of_team = await everything(desk, subject="team1")
    assert {one["kind"] for one in of_team} >= {"ATTEMPT", "ADMIT", "DEFINE"}
    assert await everything(desk, start="2026-11-21") == []
    assert {one["seq"] for one in await everything(desk, start="2026-11-20", end="2026-11-20")} < {one["seq"] for one in found}


async def test_an_entry_shows_its_bytes_hashes_and_postings(desk: Desk) -> None:
    found = await everything(desk)
    for listed in found:
        one = await read(desk, f"/api/ledger/entries/{listed['seq']}")
        assert one["intact"]
        assert one["sentence"] == listed["sentence"]
        assert sum(leg["amount_nanos"] for leg in one["postings"]) == 0
        body = one["exact"].replace(f'"prev":"{one["previous_leaf"]}"', '"prev":""').encode()
        assert leaf_of(body, bytes.fromhex(one["previous_leaf"])).hex() == one["leaf"]
    settled = next(one for one in found if one["kind"] == "SETTLE")
    shown = await read(desk, f"/api/ledger/entries/{settled['seq']}")
    opened = await read(desk, f"/api/ledger/entries/{shown['refers_to']}")
    assert opened["later"] == [settled["seq"]]
    assert {leg["account"]: leg["amount_nanos"] for leg in shown["postings"]} == {"held": -9_000_000, "free": 8_999_223, "spent": 777}
    assert opened["said"]["team"] == "team1"


async def test_an_entry_that_was_changed_in_its_table_is_seen(desk: Desk) -> None:
    seq = next(one["seq"] for one in await everything(desk) if one["kind"] == "DEFINE")
    with desk.database.write() as db:
        db.execute("UPDATE entry_standing SET leaf = ? WHERE organization = ? AND seq = ?", (b"x" * 32, DEFAULT, seq))
    assert not (await read(desk, f"/api/ledger/entries/{seq}"))["intact"]


async def test_a_proof_holds_for_an_outsider_and_a_changed_one_does_not(desk: Desk, tmp_path: Path) -> None:
    found = await everything(desk)
    signed = [one["seq"] for one in found if (await read(desk, f"/api/ledger/entries/{one['seq']}"))["checkpoint"]]
    assert 0 < len(signed) <= len(found)
    async with desk.owner() as owner:
        for seq in (signed[0], signed[-1], signed[len(signed) // 2]):
            proof = (await owner.get(f"/api/ledger/entries/{seq}/proof")).text
            assert outsider(tmp_path, proof) == 0
            said = json.loads(proof)
            for member, value in (("entry", said["entry"].replace('"kind"', '"kinD"')), ("seq", seq + 1), ("path", said["path"][1:]),
                                  ("path", [*said["path"], "00" * 32]), ("note", said["note"].replace("tallystick/", "tallystick-", 1))):
                assert outsider(tmp_path, json.dumps({**said, member: value})) == 1, member


def outsider(folder: Path, proof: str) -> int:
    file = folder / "proof.json"
    file.write_text(proof.rstrip("\n") + "\n", encoding="utf-8")
    return subprocess.run([sys.executable, "-I", str(VERIFIER), str(file)], capture_output=True, timeout=60, check=False).returncode


async def test_proofs_are_the_trees_whatever_is_kept_of_blocks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "BLOCK", 4)
    blocks = proofs.Blocks()
    with desk.database.read() as db:
        size = db.execute("SELECT next_seq FROM chain WHERE organization = ?", (DEFAULT,)).fetchone()[0]
        leaves = proofs._leaves(db, DEFAULT, 0, size)
        for length in range(1, size + 1):
            for index in (0, length // 2, length - 1):
                path = proofs.inclusion(db, DEFAULT, index, length, blocks)
                assert path == merkle.inclusion_proof(leaves[:length], index)
                assert merkle.is_included(leaves[index], index, length, path, merkle.tree_root(leaves[:length]))


async def test_an_act_stands_beside_what_was_before(desk: Desk) -> None:
    async with desk.owner() as owner:
        made = await owner.post("/api/budgets", json={"scope": "team", "value": "team1", "limit": "$5/month"})
        assert made.status_code == 201, made.text
        changed = await owner.put(f"/api/budgets/{made.json()['id']}", json={"limit": "$7/month"})
        assert changed.status_code == 200, changed.text
    latest, first = (await everything(desk, kind="CAP"))[:2]
    assert latest["before_seq"] == first["seq"]
    assert {"name": "limit", "before": "$5.00", "after": "$7.00"} in latest["changes"]
    assert first["before_seq"] is None
    assert latest["by"] == "admin@local"
    assert "team team1" in latest["sentence"]


async def test_a_manager_sees_the_entries_of_their_teams_calls(desk: Desk) -> None:
    found = {one["seq"]: one for one in await everything(desk)}
    async with desk.person(desk.member("manager", "team1")) as manager:
        seen = (await manager.get("/api/ledger/entries", params={"limit": 200})).json()["items"]
        assert {one["kind"] for one in seen} == {"ATTEMPT", "ADMIT", "SETTLE"}
        for seq in found:
            status = (await manager.get(f"/api/ledger/entries/{seq}")).status_code
            assert status == (200 if seq in {one["seq"] for one in seen} else 404)


def test_every_kind_has_a_sentence() -> None:
    from tallystick.control.ledger_sentences import _SENTENCES

    assert set(_SENTENCES) == set(KINDS)
