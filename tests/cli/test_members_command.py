"""`tallystick orgs` and `members` as the host uses them, and commands that are about one of several organisations."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.build.commands import document, tallystick


def test_an_organisation_its_owner_and_a_manager(tmp_path: Path) -> None:
    made = document("orgs", "create", "acme", "--name", "Acme GmbH", "--zone", "Europe/Berlin", data=tmp_path)
    assert {**made, "created_at": ""} == {
        "slug": "acme", "name": "Acme GmbH", "zone": "Europe/Berlin", "members": 0, "keys": 0, "created_at": ""}
    owner = document("members", "add", "Ana@Acme", "--role", "owner", "--org", "acme", "--password-stdin", data=tmp_path, said="long enough\n")
    assert (owner["email"], owner["role"], owner["teams"], "password" in owner) == ("ana@acme", "owner", [], False)
    manager = document("members", "add", "bo@acme", "--role", "manager", "--team", "search", "--team", "ads", "--org", "acme", data=tmp_path)
    assert manager["teams"] == ["ads", "search"] and len(manager.pop("password")) >= 12
    shown = document("members", "list", "--org", "acme", data=tmp_path)["members"]
    assert shown == [owner, manager]
    assert document("members", "list", data=tmp_path) == {"members": []}
    changed = document("members", "role", "bo@acme", "--role", "finance", "--org", "acme", data=tmp_path)
    assert (changed["role"], changed["teams"]) == ("finance", [])
    last = tallystick("members", "remove", "ana@acme", "--org", "acme", data=tmp_path)
    assert (last.returncode, "keeps one owner" in last.stderr) == (2, True)
    assert document("members", "remove", "bo@acme", "--org", "acme", data=tmp_path)["email"] == "bo@acme"
    listed = document("orgs", "list", data=tmp_path)["organizations"]
    assert [(each["slug"], each["members"]) for each in listed] == [("default", 0), ("acme", 1)]
    assert document("verify", data=tmp_path)["ok"] is True


def test_one_account_in_two_organisations_and_out_of_both(tmp_path: Path) -> None:
    document("orgs", "create", "acme", data=tmp_path)
    for org in ("default", "acme"):
        document("members", "add", "ana@acme", "--role", "owner", "--org", org, data=tmp_path)
        document("members", "add", f"second@{org}", "--role", "owner", "--org", org, data=tmp_path)
    document("members", "disable", "ana@acme", "--org", "acme", data=tmp_path)
    for org in ("default", "acme"):
        (ana,) = [each for each in document("members", "list", "--org", org, data=tmp_path)["members"] if each["email"] == "ana@acme"]
        assert ana["status"] == "disabled"
    refused = tallystick("members", "disable", "second@acme", "--org", "acme", data=tmp_path)
    assert (refused.returncode, "keeps one owner" in refused.stderr) == (2, True)
    assert document("members", "enable", "ana@acme", data=tmp_path)["status"] == "active"
    assert document("verify", data=tmp_path)["ok"] is True


def test_commands_are_about_the_organisation_they_name(tmp_path: Path) -> None:
    document("orgs", "create", "acme", data=tmp_path)
    document("members", "add", "ana@acme", "--role", "member", "--team", "search", "--org", "acme", data=tmp_path)
    key = document("keys", "create", "--team", "search", "--owner", "ana@acme", "--org", "acme", data=tmp_path)
    assert (key["organization"], key["owner"]) == ("acme", document("members", "list", "--org", "acme", data=tmp_path)["members"][0]["id"])
    assert document("keys", "list", data=tmp_path) == {"keys": []}
    assert [each["id"] for each in document("keys", "list", "--org", "acme", data=tmp_path)["keys"]] == [key["id"]]
    assert tallystick("keys", "revoke", key["id"], data=tmp_path).returncode == 2
    budget = document("budgets", "set", "--org", "--limit", "500", "--organization", "acme", data=tmp_path)
    assert document("budgets", "list", data=tmp_path) == {"budgets": []}
    assert [each["id"] for each in document("budgets", "list", "--org", "acme", data=tmp_path)["budgets"]] == [budget["id"]]
    unknown = tallystick("keys", "list", "--org", "nobody", data=tmp_path)
    assert (unknown.returncode, "orgs list" in unknown.stderr) == (2, True)
    assert tallystick("keys", "create", "--org", "system", data=tmp_path).returncode == 2
    assert document("verify", data=tmp_path)["ok"] is True


@pytest.mark.parametrize("arguments", [
    ("orgs", "create", "Acme"), ("orgs", "create", "default"), ("orgs", "create", "system"), ("orgs", "create", "x", "--zone", "Mars/Base"),
    ("members", "add", "nobody", "--role", "member"), ("members", "add", "a@b", "--role", "king"),
    ("members", "add", "a@b", "--role", "manager"), ("members", "add", "a@b", "--role", "owner", "--team", "x"),
    ("members", "remove", "a@b"), ("members", "role", "a@b", "--role", "member"),
])
def test_what_cannot_be_is_refused_with_the_reason(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    document("orgs", "create", "acme", data=tmp_path)
    refused = tallystick(*arguments, data=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("tallystick: ")


def test_no_password_is_kept_or_listed(tmp_path: Path) -> None:
    document("members", "add", "ana@acme", "--role", "owner", "--password-stdin", data=tmp_path, said="canary-9fz3-password\n")
    short = tallystick("members", "add", "b@acme", "--role", "member", "--password-stdin", data=tmp_path, said="short\n")
    assert (short.returncode, "8 to 256" in short.stderr) == (2, True)
    again = tallystick("members", "add", "ana@acme", "--role", "owner", "--password-stdin", data=tmp_path, said="another one of mine\n")
    assert again.returncode == 2
    with sqlite3.connect(tmp_path / "tallystick.db") as db:
        (stored,) = db.execute("SELECT password_hash FROM account").fetchone()
    db.close()
    assert stored.startswith("$argon2id$")
    assert all(b"canary-9fz3" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_lost_password_is_reset_by_the_host(tmp_path: Path) -> None:
    tallystick("members", "add", "ann@example.test", "--role", "owner", "--password-stdin", data=tmp_path, said="the first of them\n")
    made = document("members", "reset-password", "ann@example.test", data=tmp_path)
    assert (made["email"], len(made["password"]) >= 12) == ("ann@example.test", True)
    given = tallystick("members", "reset-password", "ann@example.test", "--password-stdin", "--json", data=tmp_path, said="one of their own\n")
    assert (given.returncode, "password" in json.loads(given.stdout)) == (0, False)
    assert tallystick("members", "reset-password", "ann@example.test", "--password-stdin", data=tmp_path, said="short\n").returncode == 2
    assert tallystick("members", "reset-password", "nobody@example.test", data=tmp_path).returncode == 2
