"""Secrets are made once, kept to their owner, never printed, and refused when they cannot be trusted."""

from pathlib import Path

import pytest

from tallystick.stores.secrets import BadSecret, open_secrets, signature_holds


def test_first_start_makes_them_for_the_owner_alone_and_the_second_finds_them(tmp_path: Path) -> None:
    first, second = open_secrets(tmp_path), open_secrets(tmp_path)
    assert (first.pepper, first.kek) == (second.pepper, second.kek)
    assert len({first.pepper, first.kek, first.ledger_key.public_key}) == 3
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o400}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kek", "ledger.key", "pepper"]


def test_nothing_of_them_is_printed(tmp_path: Path) -> None:
    secrets = open_secrets(tmp_path)
    for text in (repr(secrets), str(secrets), repr(secrets.ledger_key), f"{secrets.ledger_key}"):
        assert secrets.pepper.hex() not in text
        assert repr(secrets.pepper)[2:-1] not in text


@pytest.mark.parametrize(("content", "mode", "reason"), [
    (b"", 0o400, "0 bytes"), (b"short", 0o400, "5 bytes"), (bytes(32), 0o400, "repeated"),
    (bytes(range(32)), 0o440, "0440"), (bytes(range(32)), 0o404, "0404")])
def test_a_secret_that_cannot_be_trusted_is_refused_with_the_reason(tmp_path: Path, content: bytes, mode: int, reason: str) -> None:
    path = tmp_path / "pepper"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(BadSecret, match=reason):
        open_secrets(tmp_path)


@pytest.mark.parametrize("name", ["pepper", "kek", "ledger.key"])
def test_a_secret_that_went_missing_is_not_made_anew(tmp_path: Path, name: str) -> None:
    """A new pepper would lock out every key, a new ledger key would disown every checkpoint."""
    open_secrets(tmp_path)
    (tmp_path / "tallystick.db").touch()
    (tmp_path / name).unlink()
    with pytest.raises(BadSecret, match=f"{name} is missing"):
        open_secrets(tmp_path)
    assert not (tmp_path / name).exists()


def test_a_signature_holds_for_its_own_message_only(tmp_path: Path) -> None:
    key = open_secrets(tmp_path).ledger_key
    signature = key.sign(b"root")
    assert signature_holds(key.public_key, signature, b"root")
    assert not signature_holds(key.public_key, signature, b"rook")
    assert not signature_holds(b"short", signature, b"root")
