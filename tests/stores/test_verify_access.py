"""Whoever edits what opens the API to people without saying so is found by `verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes

import pytest

from tallystick.core.membership import Membership
from tallystick.stores.sql.accounts import add_first_owner
from tallystick.stores.sql.engine import DEFAULT, Database
from tallystick.stores.sql.invitations import Invitations
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.members import HOST, Members, Newcomer
from tallystick.stores.sql.personal_tokens import PersonalTokens
from tallystick.stores.sql.second_factors import STEP_S, SecondFactors, code_of
from tallystick.stores.sql.sessions import set_lifetime_rule
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines, files_only, open_database

pytestmark = both_engines

NOW_US = 1_795_176_000_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Two tokens of Ana's, one revoked, and one of Bo's, who has left; an invitation of each kind; a second factor."""
    database = open_database(tmp_path, 1)
    sequencer = Sequencer(database)
    add_first_owner(database, "ana", "ana@house", "$hash", 1)
    members = Members(sequencer, lambda: "bo")
    members.add(DEFAULT, Newcomer("bo@house", "", Membership("admin"), "$hash"), NOW_US, HOST)
    tokens = PersonalTokens(sequencer, b"s" * 32, token_bytes)
    for account, name in (("ana", "in force"), ("ana", "revoked"), ("bo", "of who left")):
        row, _ = tokens.make(DEFAULT, account, name, ["keys:read"], now_us=NOW_US, expires_us=None)
        if name == "revoked":
            tokens.revoke(DEFAULT, row.id, NOW_US + 1, "ana")
    members.remove(DEFAULT, "bo", NOW_US + 2, "ana")
    invitations = Invitations(Members(sequencer, lambda: "cy"), b"s" * 32, token_bytes)
    for email in ("cy@house", "di@house", "di@house"):
        _, link = invitations.invite(DEFAULT, email, Membership("member"), days=7, now_us=NOW_US + 3, by="ana")
        if email == "cy@house":
            invitations.accept(link.reveal(), "", "$hash", NOW_US + 4)
    factors = SecondFactors(sequencer, lambda: (b"k" * 32,), token_bytes, b"s" * 32)
    secret = factors.begin("ana", NOW_US)
    factors.confirm("ana", code_of(secret, NOW_US // 1_000_000 // STEP_S), NOW_US, keep=None)
    factors.require(DEFAULT, required=True, now_us=NOW_US, by="ana")
    set_lifetime_rule(sequencer, DEFAULT, 3_600, NOW_US, "ana")
    yield database
    database.close()


def found(database: Database) -> list[str]:
    return [finding.message for finding in verify(database, b"p" * 32).findings if finding.check != "checkpoint"]


def test_what_was_said_stands(database: Database) -> None:
    assert found(database) == []


@pytest.mark.parametrize(("statement", "named"), [
    ("UPDATE personal_token SET revoked_us = NULL WHERE name = 'revoked'", "token"),
    ("UPDATE personal_token SET revoked_us = NULL WHERE name = 'of who left'", "token"),
    ("UPDATE personal_token SET revoked_us = 7 WHERE name = 'in force'", "token"),
    ("UPDATE personal_token SET expires_us = expires_us + 1 WHERE name = 'in force'", "token"),
    ("UPDATE personal_token SET scopes = 'write' WHERE name = 'in force'", "token"),
    ("UPDATE personal_token SET account = 'cy' WHERE name = 'in force'", "token"),
    ("UPDATE personal_token SET digest = zeroblob(32) WHERE name = 'in force'", "token"),
    ("DELETE FROM personal_token WHERE name = 'in force'", "is missing"),
    ("INSERT INTO personal_token SELECT 'new', zeroblob(32), account, organization, name, preview, scopes, created_us, expires_us, NULL"
     " FROM personal_token WHERE name = 'in force'", "token new"),
    ("UPDATE invitation SET role = 'owner' WHERE email = 'di@house'", "invitation"),
    ("UPDATE invitation SET revoked_us = NULL", "invitation"),
    ("UPDATE invitation SET accepted_us = NULL", "invitation"),
    ("UPDATE invitation SET digest = zeroblob(32) WHERE email = 'cy@house'", "invitation"),
    ("UPDATE invitation SET expires_us = 0", "invitation"),
    ("UPDATE invitation SET invited_by = 'cli'", "invitation"),
    ("INSERT INTO invitation_team SELECT id, 'search' FROM invitation", "invitation"),
    ("DELETE FROM session_rule", "sessions may last"),
    ("UPDATE session_rule SET lifetime_s = 86400", "sessions may last"),
    ("DELETE FROM invitation", "is missing"),
    ("DELETE FROM second_factor", "second factor"),
    ("UPDATE second_factor SET confirmed_us = NULL", "second factor"),
    ("UPDATE sign_in_rule SET second_factor = 0", "asked for"),
    ("DELETE FROM sign_in_rule", "asked for"),
])
@files_only
def test_what_nobody_said_is_found(database: Database, statement: str, named: str) -> None:
    with database.write() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute(statement)
    messages = found(database)
    assert messages and all(named in message for message in messages), messages
