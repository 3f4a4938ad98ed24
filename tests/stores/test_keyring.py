"""Keys: made and revoked in one transaction with their ledger entries, found from memory, and never
valid a poll longer than the database says."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core import keyformat
from tallystick.core.errors import StoreFault
from tallystick.core.identity import Principal
from tallystick.stores.memory import MemoryKeyring
from tallystick.stores.sql import engine
from tallystick.stores.sql.directory import Directory, KeySpec, Refused, find_key, list_keys, list_projects, list_teams
from tallystick.stores.sql.engine import DEFAULT, Database
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.keyring import SqlKeyring
from tallystick.stores.sql.packing import Packer
from tests.build.databases import both_engines, files_only, open_database

pytestmark = both_engines

PEPPER = b"p" * 32


@dataclass
class Clock:
    at_us: int = 1_000_000

    def now_us(self) -> int:
        return self.at_us

    def monotonic_us(self) -> int:
        return self.at_us


class Draws:
    """Bytes that look random and are the same in every run."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, size: int) -> bytes:
        return hashlib.shake_256(next(self._numbers).to_bytes(8, "big")).digest(size)


class House:
    """A database, its directory and one server's keyring."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.database: Database = open_database(folder, 1)
        self.directory = Directory(Sequencer(self.database), PEPPER, Draws())
        self.keyring = SqlKeyring(self.database, PEPPER, self.clock)

    def make(self, **labels: str) -> tuple[str, str]:
        """(id, text) of a new key."""
        row, key = self.directory.create_key(DEFAULT, KeySpec(labels=labels), self.clock.at_us)
        return row.id, key.reveal()

    def finds(self, presented: str) -> Principal | None:
        return asyncio.run(self.keyring.find(presented))

    def ledger(self) -> list[bytes]:
        """The bytes of every standing entry."""
        with self.database.read() as db:
            return [Packer().unpack(row[0]) for row in db.execute("SELECT body FROM entry_standing ORDER BY organization, seq")]

    def entries(self, kind: str) -> list[dict[str, object]]:
        return [entry for entry in map(json.loads, self.ledger()) if entry["kind"] == kind]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.database.close()


def test_a_new_key_works_at_once_and_says_whom_it_speaks_for(house: House) -> None:
    key_id, text = house.make(team="search", project="ranking", user="ana", cost_center="42")
    principal = house.finds(text)
    assert principal == Principal(
        key_id, "default", {"team": "search", "project": "ranking", "user": "ana", "cost_center": "42"}, {}, None, None,
    )
    assert [team.name for team in list_teams(house.database, DEFAULT, limit=9)] == ["default", "search"]
    assert [(project.team, project.name) for project in list_projects(house.database, DEFAULT, limit=9)] == [
        ("default", "default"), ("search", "ranking"),
    ]


def test_a_key_without_team_and_project_speaks_for_the_organisation(house: House) -> None:
    _, text = house.make()
    principal = house.finds(text)
    assert principal is not None
    assert principal.labels == {}


def test_a_project_without_a_team_is_one_of_the_default_team(house: House) -> None:
    _, text = house.make(project="bot")
    principal = house.finds(text)
    assert principal is not None
    assert principal.labels == {"project": "bot", "team": "default"}


@pytest.mark.parametrize("form", keyformat.FORMATS)
def test_every_format_opens_what_it_was_made_for(house: House, form: keyformat.KeyFormat) -> None:
    row, key = house.directory.create_key(DEFAULT, KeySpec(format=form.name), 5)
    text = key.reveal()
    assert text.startswith(form.prefix)
    assert house.keyring.recognises(text)
    found = house.finds(text)
    assert found is not None
    assert found.key_id == row.id


@files_only
def test_the_text_is_nowhere_in_the_database(house: House) -> None:
    _, text = house.make(team="t")
    house.database.close()
    for file in house.database.path.parent.iterdir():
        content = file.read_bytes()
        assert text.encode() not in content
        assert text[-20:].encode() not in content


def test_another_pepper_opens_nothing(house: House) -> None:
    _, text = house.make()
    assert asyncio.run(SqlKeyring(house.database, b"q" * 32, house.clock).find(text)) is None


def test_a_revoked_key_is_refused_from_the_next_poll_on(house: House) -> None:
    key_id, text = house.make(team="t")
    assert house.finds(text) is not None
    revoked = house.directory.revoke_key(DEFAULT, key_id, 77, "cli")
    assert revoked is not None
    assert revoked.revoked_us == 77
    house.keyring.poll()
    assert house.finds(text) is None


def test_a_key_in_use_is_no_guess_whatever_changes_beside_it(house: House) -> None:
    _, used = house.make()
    house.keyring.poll()
    _, fresh = house.make()
    assert house.finds(used) is not None
    house.keyring.poll()                     # the fresh key is a change: all that is remembered goes
    assert (house.keyring.knows(used), house.keyring.knows(fresh), house.keyring.knows("tsk_typing_error")) == (True, False, True)


def test_revoking_twice_keeps_the_first_moment_and_one_entry(house: House) -> None:
    key_id, _ = house.make()
    house.directory.revoke_key(DEFAULT, key_id, 77, "cli")
    again = house.directory.revoke_key(DEFAULT, key_id, 99, "cli")
    assert again is not None
    assert again.revoked_us == 77
    assert [entry["event"] for entry in house.entries("KEY")] == ["created", "revoked"]


def test_a_rotated_key_says_the_same_under_another_text(house: House) -> None:
    key_id, text = house.make(team="search", user="ana")
    made = house.directory.rotate_key(DEFAULT, key_id, 9, "cli")
    assert made is not None
    house.keyring.poll()
    fresh = house.finds(made[1].reveal())
    assert house.finds(text) is None
    assert fresh is not None
    assert (fresh.key_id, fresh.labels) == (made[0].id, {"team": "search", "user": "ana"})
    assert [entry["event"] for entry in house.entries("KEY")] == ["created", "rotated", "created"]
    with pytest.raises(Refused):
        house.directory.rotate_key(DEFAULT, key_id, 10, "cli")
    assert house.directory.rotate_key(DEFAULT, "nobody", 10, "cli") is None


def test_a_key_rotated_with_a_grace_works_until_its_end_and_never_longer(house: House) -> None:
    key_id, text = house.make()
    short, short_text = house.directory.create_key(DEFAULT, KeySpec(expires_us=1_000_003), 1)
    for rotated in (key_id, short.id):
        house.directory.rotate_key(DEFAULT, rotated, 1_000_000, "cli", grace_us=5)
    house.keyring.poll()
    valid_until = []
    for moment in range(1_000_000, 1_000_007):
        house.clock.at_us = moment
        valid_until += [name for name, key in (("long", text), ("short", short_text.reveal())) if house.finds(key)]
    assert (valid_until.count("long"), valid_until.count("short")) == (5, 3)


def test_nobody_revokes_a_key_of_another_organisation(house: House) -> None:
    key_id, _ = house.make()
    with house.database.write() as db:
        other = engine.ensure_organization(db, "other", "Other", 1)
    assert house.directory.revoke_key(other, key_id, 5, "cli") is None
    assert find_key(house.database, other, key_id) is None
    assert list_keys(house.database, other, limit=9) == []


def test_a_key_expires_by_the_clock(house: House) -> None:
    row, key = house.directory.create_key(DEFAULT, KeySpec(expires_us=2_000_000), 1)
    assert house.finds(key.reveal()) is not None
    house.clock.at_us = 2_000_000
    assert house.finds(key.reveal()) is None
    assert row.status(2_000_000) == "expired"


def test_an_answer_read_before_a_change_is_not_kept_after_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that began before a revocation and ends after the poll that saw it."""
    key_id, text = house.make()
    read = house.keyring._remember

    def slow(digest: bytes, principal: Principal | None) -> None:
        read(digest, principal)
        raise AssertionError("a stale answer was remembered")

    original = house.database.read

    def interrupted() -> object:
        view = original()

        class Late:
            def __enter__(self) -> object:
                db = view.__enter__()
                db.execute("SELECT value FROM change_counter").fetchone()     # the view is taken here
                monkeypatch.setattr(house.database, "read", original)
                house.directory.revoke_key(DEFAULT, key_id, 9, "cli")
                house.keyring.poll()
                return db

            def __exit__(self, *error: object) -> object:
                return view.__exit__(*error)

        return Late()

    monkeypatch.setattr(house.keyring, "_remember", slow)
    monkeypatch.setattr(house.database, "read", interrupted)
    house.finds(text)                                        # this one call may still be served
    monkeypatch.setattr(house.keyring, "_remember", read)
    assert house.finds(text) is None


def test_what_is_remembered_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.stores.sql.keyring.UNKNOWN_MAX", 3)
    monkeypatch.setattr("tallystick.stores.sql.keyring.VALID_MAX", 2)
    for text in ("sk-1", "sk-2", "sk-3", "sk-4", "sk-5"):
        assert house.finds(text) is None
    texts = [house.make()[1] for _ in range(4)]
    house.keyring.poll()
    assert all(house.finds(text) for text in texts)
    assert len(house.keyring._unknown) <= 3
    assert len(house.keyring._valid) == 2
    assert all(house.finds(text) for text in texts)


def test_a_failing_store_fails_only_what_is_not_in_memory(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    _, known = house.make()
    _, fresh = house.make()
    assert house.finds(known) is not None

    def broken() -> object:
        raise StoreFault("gone")

    monkeypatch.setattr(house.database, "read", broken)
    assert house.finds(known) is not None
    with pytest.raises(StoreFault):
        house.finds(fresh)


@pytest.mark.parametrize("text", ["", "x" * 5000, "tsk_", "tsk_wrong_sum", "' OR 1=1 --", "\udc80", "vk_\x00"])
def test_text_that_is_no_key_finds_nobody(house: House, text: str) -> None:
    house.make()
    assert house.finds(text) is None


@pytest.mark.parametrize("labels", [{"team": "x" * 257}, {"user": "a\nb"}, {"nonsense": "x"}, {"team": " "}])
def test_labels_that_cannot_stand_in_an_entry_make_no_key(house: House, labels: dict[str, str]) -> None:
    with pytest.raises(Refused):
        house.directory.create_key(DEFAULT, KeySpec(labels=labels), 1)
    assert list_keys(house.database, DEFAULT, limit=9) == []
    assert house.entries("KEY") == []


def test_a_key_and_its_entry_stand_or_fall_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> int:
        raise StoreFault("disk full")

    monkeypatch.setattr("tallystick.stores.sql.journal.Appending.key_event", fails)
    before = house.database.change_count()
    with pytest.raises(StoreFault):
        house.make(team="new")
    assert list_keys(house.database, DEFAULT, limit=9) == []
    assert [team.name for team in list_teams(house.database, DEFAULT, limit=9)] == ["default"]
    assert house.database.change_count() == before


def test_entries_name_the_key_but_neither_its_text_nor_the_person(house: House) -> None:
    _, text = house.make(team="search", user="ana@example.org")
    ledger = b"".join(house.ledger())
    assert b"search" in ledger
    assert b"ana@example.org" not in ledger
    assert text.encode() not in ledger


@files_only
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["make", "make_short", "revoke", "wait", "find"]), st.integers(0, 4)), max_size=25))
def test_after_a_poll_the_keyring_is_the_plain_dict(tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    oracle = MemoryKeyring(house.clock)
    issued: list[tuple[str, str]] = []
    for act, which in acts:
        if act in ("make", "make_short"):
            expires_us = house.clock.at_us + 3 if act == "make_short" else None
            row, key = house.directory.create_key(
                DEFAULT, KeySpec(labels={"team": f"t{which}"}, expires_us=expires_us), house.clock.at_us)
            issued.append((row.id, key.reveal()))
            oracle.issue(key.reveal(), Principal(row.id, "default", {"team": f"t{which}"}, {}, None, expires_us))
        elif act == "wait":
            house.clock.at_us += which
        elif issued and act == "revoke":
            key_id, text = issued[which % len(issued)]
            house.directory.revoke_key(DEFAULT, key_id, house.clock.at_us, "cli")
            oracle.revoke(text)
        elif issued:
            house.finds(issued[which % len(issued)][1])
        house.keyring.poll()
        assert [house.finds(text) for _, text in issued] == [asyncio.run(oracle.find(text)) for _, text in issued]
    house.database.close()
