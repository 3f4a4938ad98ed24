"""`tallystick doctor` looks and changes nothing: a sound installation is good, each fault is named by its check,
and what is not there cannot be judged. A server that runs beside it is no fault."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.build.commands import document, tallystick
from tests.build.gateway import RunningGateway


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """An installation with a key, on a port nobody has."""
    data = tmp_path / "data"
    document("keys", "create", data=data)
    with socket.create_server(("127.0.0.1", 0)) as free:
        (data / "tallystick.toml").write_text(f"[server]\nport = {free.getsockname()[1]}\n")
    return data


def looked(data: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    done = tallystick("doctor", "--json", data=data)
    return done.returncode, {check["check"]: check for check in json.loads(done.stdout)["checks"]}


def test_a_sound_installation_is_good(house: Path) -> None:
    before = {path: path.stat().st_mode for path in house.iterdir()}
    code, checks = looked(house)
    assert (code, {check["state"] for check in checks.values()}) == (0, {"good"}), checks
    assert {path: path.stat().st_mode for path in house.iterdir() if path in before} == before
    assert "price book" in tallystick("doctor", data=house).stdout


def test_beside_a_running_server_it_sees_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gateway = RunningGateway(tmp_path)
    gateway.config.touch()
    gateway.key()
    (gateway.data / "tallystick.toml").write_text(f"[server]\nport = {port}\n")
    with gateway:
        code, checks = looked(gateway.data)
        assert checks["spool"]["message"] == "held by a running server"
        assert (code, checks["port"]["state"]) == (2, "unknown"), "it listens on another port than the file says"
        (gateway.data / "tallystick.toml").write_text(f"[server]\nport = {gateway.url.rpartition(':')[2]}\n")
        assert looked(gateway.data)[0] == 0


def broken_mode(house: Path) -> None:
    house.chmod(0o755)


def weak_secret(house: Path) -> None:
    (house / "pepper").chmod(0o600)


def lost_secret(house: Path) -> None:
    (house / "kek").unlink()


def no_database(house: Path) -> None:
    for path in house.glob("tallystick.db*"):
        path.unlink()
    (house / "tallystick.db").write_bytes(b"nothing at all" * 100)
    (house / "tallystick.db").chmod(0o600)


def newer_schema(house: Path) -> None:
    import sqlite3

    with sqlite3.connect(house / "tallystick.db") as db:
        db.execute("UPDATE schema_version SET version = 99")


def put_aside(house: Path) -> None:
    (house / "quarantine").mkdir()
    (house / "quarantine" / "1-0.json").write_text("{}")


def mistyped(house: Path) -> None:
    (house / "tallystick.toml").write_text("[server]\nprot = 8000\n")


def unknown_provider(house: Path) -> None:
    (house / "tallystick.toml").write_text('[providers.opena]\nbase_url = "http://127.0.0.1:9"\n')


def clock_behind(house: Path) -> None:
    import sqlite3

    with sqlite3.connect(house / "tallystick.db") as db:
        db.execute("UPDATE chain SET checkpoint_us = 9000000000000000")


@pytest.mark.parametrize(("harm", "check"), [
    (broken_mode, "data directory"), (weak_secret, "secrets"), (lost_secret, "secrets"), (no_database, "database"), (newer_schema, "database"),
    (put_aside, "quarantine"), (mistyped, "settings"), (unknown_provider, "providers"), (clock_behind, "clock"),
])
def test_each_fault_is_named(house: Path, harm: Any, check: str) -> None:
    harm(house)
    code, checks = looked(house)
    assert (code, checks[check]["state"]) == (1, "wrong"), checks


def test_a_port_that_somebody_else_has_is_named(house: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        (house / "tallystick.toml").write_text(f"[server]\nport = {other.getsockname()[1]}\n")
        code, checks = looked(house)
    assert (code, checks["port"]["state"]) == (1, "wrong")


def test_what_is_not_there_cannot_be_judged(tmp_path: Path) -> None:
    data = tmp_path / "nowhere"
    code, checks = looked(data)
    assert (code, checks["data directory"]["state"]) in ((2, "unknown"), (1, "unknown"))
    assert not data.exists()
