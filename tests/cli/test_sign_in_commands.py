"""`tallystick members invite` and `reset-totp` as the host uses them, beside the API that answers to what they made."""

from __future__ import annotations

from pathlib import Path
from secrets import token_bytes

from tallystick.control.tokens import INVITATION, derived
from tallystick.stores.secrets import KekFiles, open_secrets
from tallystick.stores.sql.engine import open_database
from tallystick.stores.sql.invitations import Invitations
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.members import Members
from tallystick.stores.sql.second_factors import STEP_S, SecondFactors, code_of
from tallystick.stores.sql.signing_out import generation_of
from tests.build.commands import document, tallystick

NOW_US = 1_800_000_000_000_000


def test_an_invitation_of_the_hosts_opens_what_it_says(tmp_path: Path) -> None:
    made = document("members", "invite", "Ana@House", "--role", "manager", "--team", "search", "--days", "3", data=tmp_path)
    link = made.pop("link")
    assert (made["email"], made["role"], made["teams"], made["status"], made["invited_by"]) == (
        "ana@house", "manager", ["search"], "pending", "cli")
    with_mail = document("members", "invite", "bo@house", "--role", "owner", "--mail", data=tmp_path)
    assert (with_mail["mailed"], with_mail["mail_fault"]) == (False, "There is no mail server (alerts.smtp.host).")
    said = tallystick("members", "invite", "bo@house", "--role", "owner", data=tmp_path)
    assert "/invite/" in said.stdout and "shown this once" in said.stdout
    assert tallystick("members", "invite", "bo@house", "--role", "owner", "--days", "31", data=tmp_path).returncode == 2

    database, secrets = open_database(tmp_path, NOW_US), open_secrets(tmp_path)
    members = Members(Sequencer(database), lambda: "acc_ana")
    member = Invitations(members, derived(secrets.pepper, INVITATION), token_bytes).accept(link.rpartition("/")[2], "Ana", "$hash", NOW_US // 100)
    assert (member.email, member.membership.role, member.membership.teams) == ("ana@house", "manager", frozenset({"search"}))
    database.close()
    assert document("verify", data=tmp_path)["ok"] is True


def test_a_second_factor_is_taken_away(tmp_path: Path) -> None:
    document("members", "add", "ana@house", "--role", "owner", data=tmp_path)
    none = document("members", "reset-totp", "ana@house", data=tmp_path)
    assert none == {"email": "ana@house", "second_factor": "there was none"}
    database = open_database(tmp_path, NOW_US)
    factors = SecondFactors(Sequencer(database), KekFiles(tmp_path), token_bytes, b"x")
    with database.read() as db:
        (account,) = db.execute("SELECT id FROM account").fetchone()
        before = generation_of(db, account)
    secret = factors.begin(account, NOW_US)
    factors.confirm(account, code_of(secret, NOW_US // 1_000_000 // STEP_S), NOW_US, keep=None)
    assert document("members", "reset-totp", "ana@house", data=tmp_path)["second_factor"] == "removed"
    with database.read() as db:
        assert db.execute("SELECT count(*) FROM second_factor").fetchone()[0] == 0
        assert generation_of(db, account) == before + 2
    database.close()
    assert document("verify", data=tmp_path)["ok"] is True
