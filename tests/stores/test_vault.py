"""The vault: what is sealed opens for its own organisation, provider, origin, name and version, on this
installation, and for nothing else (S10, S17)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from os import urandom
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import Denied, StoreFault
from tallystick.core.ledger import read_body
from tallystick.core.secret import Secret
from tallystick.stores.secrets import KekFiles, open_secrets
from tallystick.stores.sealing import Binding, BrokenSeal, Sealed, seal, unseal
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT, Database, ensure_organization
from tallystick.stores.sql.entries import stored_entries
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.stored_credentials import Place, SqlCredentials
from tallystick.stores.sql.vault import Vault
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines, files_only, open_database

pytestmark = both_engines

KEK, OTHER_KEK = b"k" * 31 + b"1", b"k" * 31 + b"2"
CANARY, SECOND = "sk-canary-vault-5fJq90", "sk-second-vault-6gKr91"
ORIGINS = {"openai": "https://api.openai.com", "groq": "https://api.groq.com"}
NOW_US = 1_795_000_000_000_000


class House:
    """An installation with a vault, and the line's view of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database: Database = open_database(folder, 1)
        with self.database.write() as db:
            self.other = ensure_organization(db, "other", "Other", 1)
        self.vault = Vault(Sequencer(self.database), lambda: (KEK,), ORIGINS, urandom)
        self.line = self.opened()

    def opened(self, kek: bytes = KEK, origins: dict[str, str] = ORIGINS, configured: dict[Place, Secret] | None = None) -> SqlCredentials:
        return SqlCredentials(self.database, lambda: (kek,), origins, configured or {})

    def set(self, value: str = CANARY, provider: str = "openai", name: str = "default", organization: int = DEFAULT) -> None:
        self.vault.set(organization, provider, name, Secret(value), NOW_US, "acc_1")

    def edit(self, statement: str, *values: Any) -> None:
        """What somebody with the database could do."""
        with self.database.write() as db:
            db.execute(statement, values)
            db.execute("UPDATE change_counter SET value = value + 1")

    def entries(self) -> list[dict[str, Any]]:
        unpack = Packer().unpack
        with self.database.read() as db:
            found = [read_body(unpack(packed)) for _, packed, _, _ in stored_entries(db, DEFAULT)]
        return [fields for fields in found if fields["kind"] == "CREDENTIAL"]

    def wrong(self) -> list[str]:
        return [finding.check for finding in verify(self.database, b"p" * 32).findings]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.database.close()


def found(line: SqlCredentials, provider: str = "openai", name: str = "default", organization: str = "default") -> str | None:
    """The value the line gets, the code of its refusal, or None."""
    answer = asyncio.run(line.find(organization, provider, name))
    return answer.code if isinstance(answer, Denied) else answer.reveal() if answer is not None else None


def test_what_is_set_is_used_and_never_shown(house: House) -> None:
    house.set()
    assert found(house.line) == CANARY
    [stored] = house.vault.list(DEFAULT)
    assert (stored.provider, stored.name, stored.version, stored.origin, stored.set_by) == ("openai", "default", 1, ORIGINS["openai"], "acc_1")
    assert CANARY not in repr(house.vault) + repr(stored) + str(house.entries())


@files_only
def test_the_value_is_nowhere_on_the_disk(house: House) -> None:
    house.set()
    files = [path for path in house.folder.rglob("*") if path.is_file()]
    assert any(b"openai" in path.read_bytes() for path in files), "the write-ahead file holds the row"
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []


def test_several_of_a_provider_by_name(house: House) -> None:
    house.set()
    house.set(SECOND, name="batch")
    assert (found(house.line), found(house.line, name="batch"), found(house.line, name="third")) == (CANARY, SECOND, None)
    assert found(house.line, provider="groq") is None


def test_an_organisation_has_its_own(house: House) -> None:
    house.set()
    assert found(house.line, organization="other") is None
    house.set(SECOND, organization=house.other)
    house.line.poll()
    assert (found(house.line), found(house.line, organization="other")) == (CANARY, SECOND)
    assert [stored.version for stored in house.vault.list(house.other)] == [1]


def test_a_change_is_seen_at_the_next_poll(house: House) -> None:
    house.set()
    assert found(house.line) == CANARY
    house.set(SECOND)
    assert found(house.line) == CANARY
    house.line.poll()
    assert found(house.line) == SECOND
    house.vault.remove(DEFAULT, "openai", "default", NOW_US, "cli")
    house.line.poll()
    assert found(house.line) is None


def test_an_answer_older_than_a_change_is_not_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.set()

    def overtaken(*sealed: Any) -> Secret:
        """The credential changes, and the change is seen, while its older seal is being opened."""
        monkeypatch.undo()
        house.set(SECOND)
        house.line.poll()
        return unseal(*sealed)

    monkeypatch.setattr("tallystick.stores.sql.stored_credentials.unseal", overtaken)
    assert (found(house.line), found(house.line)) == (CANARY, SECOND)


def test_removal_is_final(house: House) -> None:
    house.set()
    with house.database.read() as db:
        before = db.execute("SELECT wrapped_key, sealed, origin, version FROM credential").fetchone()
    assert house.vault.remove(DEFAULT, "openai", "default", NOW_US, "cli") is not None
    assert house.vault.remove(DEFAULT, "openai", "default", NOW_US, "cli") is None
    assert house.vault.list(DEFAULT) == []
    with house.database.read() as db:
        assert db.execute("SELECT wrapped_key, sealed FROM credential").fetchone() == (b"", b"")
    house.set(SECOND)
    assert [stored.version for stored in house.vault.list(DEFAULT)] == [2]
    house.edit("UPDATE credential SET wrapped_key = ?, sealed = ?", *before[:2])
    house.line.poll()
    assert found(house.line) == "provider_credential_unusable"


def test_a_moved_provider_gets_nobodys_key(house: House) -> None:
    """S10: whoever changes the address of a provider does not get the key that was set for the old one."""
    house.set()
    moved = house.opened(origins={**ORIGINS, "openai": "https://evil.example"})
    assert found(moved) == "provider_credential_unusable"
    assert not replace(house.vault, origins={"openai": "https://evil.example"}).usable(house.vault.list(DEFAULT)[0])
    house.edit("UPDATE credential SET origin = 'https://evil.example'")
    moved.poll()
    assert found(moved) == "provider_credential_unusable"
    replace(house.vault, origins={"openai": "https://evil.example"}).set(DEFAULT, "openai", "default", Secret(SECOND), NOW_US, "cli")
    moved.poll()
    assert found(moved) == SECOND


@pytest.mark.parametrize("move", [
    "UPDATE credential SET organization = 2",
    "UPDATE credential SET name = 'default', provider = 'groq', origin = 'https://api.groq.com'",
    "UPDATE credential SET name = 'batch'",
    "UPDATE credential SET version = 2",
])
def test_a_seal_moved_to_another_row_does_not_open(house: House, move: str) -> None:
    house.set()
    house.edit(move)
    house.line.poll()
    places = [(organization, provider, name) for organization in ("default", "other") for provider in ORIGINS for name in ("default", "batch")]
    answers = [found(house.line, provider, name, organization) for organization, provider, name in places]
    assert answers.count("provider_credential_unusable") == 1
    assert CANARY not in answers
    assert "credential" in house.wrong()


def test_an_old_backup_does_not_come_back(house: House) -> None:
    house.set()
    with house.database.read() as db:
        old = db.execute("SELECT wrapped_key, sealed FROM credential").fetchone()
    house.set(SECOND)
    house.edit("UPDATE credential SET wrapped_key = ?, sealed = ?", *old)
    house.line.poll()
    assert found(house.line) == "provider_credential_unusable"
    house.edit("UPDATE credential SET version = 1")                        # now it opens, and the ledger says that it should not
    assert "credential" in house.wrong()


def test_another_key_encryption_key_opens_nothing(house: House) -> None:
    house.set()
    assert found(house.opened(OTHER_KEK)) == "provider_credential_unusable"


def rotating(house: House) -> tuple[KekFiles, Vault, SqlCredentials]:
    """A vault whose key lies on the disk, and a running server's view of it."""
    open_secrets(house.folder / "secrets")
    keks = KekFiles(house.folder / "secrets")
    vault = replace(house.vault, keks=keks)
    vault.set(DEFAULT, "openai", "default", Secret(CANARY), NOW_US, "cli")
    vault.set(house.other, "groq", "batch", Secret(SECOND), NOW_US, "cli")
    return keks, vault, SqlCredentials(house.database, keks, ORIGINS, {})


def both(line: SqlCredentials) -> tuple[str | None, str | None]:
    line.poll()
    return found(line), found(line, "groq", "batch", "other")


def test_a_new_key_encryption_key_loses_nothing(house: House) -> None:
    """S17. The server goes on; afterwards the old key opens nothing, and the new one nothing of an old backup."""
    keks, vault, line = rotating(house)
    [old] = keks()
    with house.database.read() as db:
        backup = db.execute("SELECT wrapped_key FROM credential WHERE provider = 'openai'").fetchone()[0]
    keks.begin()
    assert vault.rewrap(NOW_US, "cli") == 2
    assert both(line) == (CANARY, SECOND)
    keks.finish()
    [new] = keks()
    assert new != old
    assert both(line) == (CANARY, SECOND)
    assert both(house.opened(old)) == ("provider_credential_unusable",) * 2
    assert house.wrong() == []
    house.edit("UPDATE credential SET wrapped_key = ? WHERE provider = 'openai'", backup)
    assert both(line) == ("provider_credential_unusable", SECOND)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_replacement_that_was_broken_off_is_continued(house: House, wrapped: bool) -> None:
    keks, vault, line = rotating(house)
    keks.begin()
    if wrapped:
        vault.rewrap(NOW_US, "cli")
    assert both(line) == (CANARY, SECOND)
    vault.set(DEFAULT, "openai", "default", Secret(SECOND), NOW_US, "cli")
    assert both(line) == (SECOND, SECOND)
    before = keks()[0]
    keks.begin()
    vault.rewrap(NOW_US, "cli")
    keks.finish()
    assert keks() == (before,)
    assert both(line) == (SECOND, SECOND)


def test_one_that_does_not_open_stops_the_replacement(house: House) -> None:
    keks, vault, line = rotating(house)
    house.edit("UPDATE credential SET version = 7 WHERE provider = 'openai'")
    keks.begin()
    with pytest.raises(Refused, match="openai 'default' does not open"):
        vault.rewrap(NOW_US, "cli")
    assert both(line) == ("provider_credential_unusable", SECOND)


def test_a_key_that_cannot_be_read_is_a_fault_of_the_store(house: House) -> None:
    _, vault, line = rotating(house)
    (house.folder / "secrets" / "kek").chmod(0o644)
    with pytest.raises(StoreFault, match="open to others"):
        vault.set(DEFAULT, "openai", "default", Secret(SECOND), NOW_US, "cli")
    with pytest.raises(StoreFault, match="open to others"):
        found(line)
    (house.folder / "secrets" / "kek").unlink()
    with pytest.raises(StoreFault, match="missing"):
        found(line)


def test_a_sealed_one_goes_before_the_configurations(house: House) -> None:
    configured = {("default", "openai", "default"): Secret("sk-env"), ("default", "groq", "default"): Secret("gsk-env")}
    line = house.opened(configured=configured)
    assert (found(line), found(line, "groq"), found(line, organization="other")) == ("sk-env", "gsk-env", None)
    house.set()
    line.poll()
    assert (found(line), found(line, "groq")) == (CANARY, "gsk-env")


def test_one_that_cannot_be_used_is_no_reason_to_use_another(house: House) -> None:
    house.set()
    line = house.opened(OTHER_KEK, configured={("default", "openai", "default"): Secret("sk-env")})
    assert found(line) == "provider_credential_unusable"


def test_every_change_is_an_entry_and_the_ledger_still_verifies(house: House) -> None:
    house.set()
    house.set(SECOND)
    house.vault.remove(DEFAULT, "openai", "default", NOW_US + 1, "cli")
    assert [(entry["event"], entry["actor"], entry["version"], entry["origin"]) for entry in house.entries()] == [
        ("set", "acc_1", 1, ORIGINS["openai"]), ("set", "acc_1", 2, ORIGINS["openai"]), ("removed", "cli", 2, ORIGINS["openai"])]
    assert house.wrong() == []


@pytest.mark.parametrize("edit", [
    "DELETE FROM credential",
    "UPDATE credential SET origin = 'https://evil.example'",
    "UPDATE credential SET removed_us = 1",
    "UPDATE credential SET sealed = ''",
    "INSERT INTO credential SELECT organization, provider, 'added', version, origin, wrapped_key, sealed, set_us, set_by, NULL FROM credential",
])
def test_verify_names_a_vault_that_differs_from_the_ledger(house: House, edit: str) -> None:
    house.set()
    assert house.wrong() == []
    house.edit(edit)
    assert house.wrong() == ["credential"]


def test_a_change_and_its_entry_stand_or_fall_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.set()

    def breaks(*_: object) -> None:
        raise RuntimeError("the machine stops here")

    monkeypatch.setattr("tallystick.stores.sql.vault.engine.note_change", breaks)
    with pytest.raises(RuntimeError):
        house.set(SECOND)
    with pytest.raises(RuntimeError):
        house.vault.remove(DEFAULT, "openai", "default", NOW_US, "cli")
    house.line.poll()
    assert (found(house.line), len(house.entries()), house.wrong()) == (CANARY, 1, [])


@pytest.mark.parametrize(("provider", "name", "value"), [
    ("nobody", "default", CANARY),
    ("openai", "", CANARY), ("openai", "a/b", CANARY), ("openai", "-x", CANARY), ("openai", "x" * 65, CANARY),
    ("openai", "default", ""), ("openai", "default", f"{CANARY} "), ("openai", "default", f"{CANARY}\r\nX-Evil: 1"),
    ("openai", "default", f"{CANARY}é"), ("openai", "default", CANARY * 500), ("openai", "default", f"tsk_{CANARY}"),
])
def test_what_cannot_stand_is_refused_and_not_repeated(house: House, provider: str, name: str, value: str) -> None:
    with pytest.raises(Refused) as refused:
        house.set(value, provider, name)
    assert CANARY not in str(refused.value)
    assert house.entries() == []


bindings = st.builds(Binding, st.integers(1, 9), st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.integers(1, 9))


@given(bindings, bindings, st.text(min_size=1, max_size=20, alphabet="abc-1"))
def test_a_seal_opens_for_its_own_binding_alone(here: Binding, elsewhere: Binding, text: str) -> None:
    sealed = seal(KEK, Secret(text), here, urandom)
    assert unseal((KEK,), sealed, here).reveal() == text
    if elsewhere != here:
        with pytest.raises(BrokenSeal):
            unseal((KEK,), sealed, elsewhere)


@given(st.integers(0), st.booleans())
def test_no_changed_byte_opens(position: int, in_key: bool) -> None:
    binding = Binding(1, "openai", "https://api.openai.com", "default", 1)
    sealed = seal(KEK, Secret(CANARY), binding, urandom)
    parts = [bytearray(sealed.wrapped_key), bytearray(sealed.value)]
    part = parts[0 if in_key else 1]
    part[position % len(part)] ^= 1
    with pytest.raises(BrokenSeal):
        unseal((KEK,), Sealed(bytes(parts[0]), bytes(parts[1])), binding)
