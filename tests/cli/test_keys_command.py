"""`tallystick keys` as people and scripts run it: a program with a data directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tallystick.cli.expiry import expiry_us
from tests.build.commands import document, tallystick

def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    made = document(
        "keys", "create", "--team", "search", "--project", "ranking", "--user", "ana", "--agent", "bot",
        "--environment", "prod", "--cost-center", "42", "--name", "first", "--expires", "30d", data=tmp_path,
    )
    assert made["key"].startswith(made["prefix"]) and made["key"].startswith(f"tsk_{made['id']}_")
    assert {name: made[name] for name in ("team", "project", "user", "agent", "environment", "cost_center", "name", "status")} == {
        "team": "search", "project": "ranking", "user": "ana", "agent": "bot", "environment": "prod", "cost_center": "42",
        "name": "first", "status": "active",
    }
    listed = tallystick("keys", "list", "--json", data=tmp_path)
    assert made["key"] not in listed.stdout
    assert [key["id"] for key in json.loads(listed.stdout)["keys"]] == [made["id"]]
    revoked = document("keys", "revoke", made["id"], data=tmp_path)
    assert revoked["status"] == "revoked"
    assert document("keys", "list", data=tmp_path)["keys"][0]["revoked_at"] == revoked["revoked_at"]


def test_a_key_is_rotated(tmp_path: Path) -> None:
    old = document("keys", "create", "--team", "search", data=tmp_path)
    new = document("keys", "rotate", old["id"], "--grace", "1h", data=tmp_path)
    assert (new["team"], new["replaces"]) == ("search", old["id"])
    assert new["key"] != old["key"]
    listed = {key["id"]: key for key in document("keys", "list", data=tmp_path)["keys"]}
    assert listed[old["id"]]["expires_at"] is not None
    assert listed[new["id"]]["expires_at"] is None
    assert tallystick("keys", "rotate", "nobody", data=tmp_path).returncode == 2


def test_people_get_the_same_in_words(tmp_path: Path) -> None:
    made = tallystick("keys", "create", "--name", "[red]for me[/red]", data=tmp_path)
    assert made.returncode == 0
    key_id = next(line.split()[1] for line in made.stdout.splitlines() if line.startswith("id "))
    table = tallystick("keys", "list", data=tmp_path).stdout
    assert key_id in table
    assert "[red]for me[/red]" in table
    assert "Revoked" in tallystick("keys", "revoke", key_id, data=tmp_path).stdout


def test_the_format_of_a_source_system(tmp_path: Path) -> None:
    made = document("keys", "create", "--format", "aso", data=tmp_path)
    assert made["key"].startswith(f"aso_k_{made['id']}.")


@pytest.mark.parametrize("arguments", [
    ("revoke", "nobody"),
    ("create", "--expires", "yesterday"),
    ("create", "--expires", "2020-01-01"),
    ("create", "--format", "rot13"),
    ("create", "--team", "x" * 300),
    ("create", "--nonsense"),
])
def test_what_cannot_be_done_exits_2_and_says_why(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = tallystick("keys", *arguments, data=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_readable_pepper_is_refused(tmp_path: Path) -> None:
    document("keys", "create", data=tmp_path)
    (tmp_path / "pepper").chmod(0o644)
    done = tallystick("keys", "create", data=tmp_path)
    assert done.returncode == 2
    assert "pepper" in done.stderr


def test_when_a_key_ends() -> None:
    hour_us = 3_600_000_000
    assert expiry_us("12h", 5) == 12 * hour_us + 5
    assert expiry_us("30d", 0) == 30 * 24 * hour_us
    assert expiry_us("1970-01-01", 0) == 24 * hour_us                      # to the end of that day
    assert expiry_us("1970-01-01T02:00:00+01:00", 0) == hour_us
    for text in ("0d", "1970-01-01T02:00:00", "soon", "9999999d", "1969-12-30"):
        with pytest.raises(ValueError):
            expiry_us(text, 0)
