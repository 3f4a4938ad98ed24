"""What proves who somebody is, on both engines and by several instances at once: each thing that may happen once does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from secrets import token_bytes

import pytest

from tallystick.core.membership import Membership
from tallystick.stores.sql import login_failures
from tallystick.stores.sql.access_log import close_failure_minutes, note_failure
from tallystick.stores.sql.accounts import add_first_owner, by_id
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT, Database
from tallystick.stores.sql.invitations import Invitations
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.members import HOST, Members, Newcomer, find_member
from tallystick.stores.sql.personal_tokens import PersonalTokens
from tallystick.stores.sql.second_factors import STEP_S, SecondFactors, code_of, is_required
from tallystick.stores.sql.sessions import SESSIONS_MAX, Sessions
from tallystick.stores.sql.sight import Sight
from tallystick.stores.sql.signing_out import end_session, end_sessions_of, generation_of
from tests.build.databases import both_engines, open_database

pytestmark = both_engines
SECOND_US = 1_000_000
NOW_US = 1_795_176_000 * SECOND_US


@dataclass
class House:
    """Two instances of one installation, each with a connection of its own."""

    databases: tuple[Database, Database]

    def sessions(self, instance: int = 0) -> Sessions:
        return Sessions(Sequencer(self.databases[instance]), b"s" * 32, token_bytes, 1_800 * SECOND_US, 43_200 * SECOND_US)

    def factors(self, instance: int = 0) -> SecondFactors:
        return SecondFactors(Sequencer(self.databases[instance]), lambda: (b"k" * 32,), token_bytes, b"s" * 32)

    def invitations(self, instance: int = 0) -> Invitations:
        ids = count(1)
        return Invitations(Members(Sequencer(self.databases[instance]), lambda: f"acc_{instance}_{next(ids)}"), b"s" * 32, token_bytes)

    def signed_in(self, role: str = "owner", now_us: int = NOW_US) -> str:
        sessions = self.sessions()
        with sessions.sequencer.append(now_us) as pen:
            account = by_id(pen.db, "acc_1", "default")
            assert account is not None and account.role == role
            return sessions.open(pen, account, "Firefox on Linux")[1]

    def at_once(self, act: Callable[[int], object]) -> list[object]:
        """What eight who try at once are told, half of them by each instance."""
        def tried(number: int) -> object:
            try:
                return act(number % 2)
            except Refused as refused:
                return refused.code

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(tried, range(8)))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    databases = open_database(tmp_path, 1), open_database(tmp_path, 1)
    add_first_owner(databases[0], "acc_1", "ana@house", "$hash", 1)
    yield House(databases)
    for database in databases:
        database.close()


def test_a_session_is_one_for_all_instances(house: House) -> None:
    cookie = house.signed_in()
    found = house.sessions(1).find(cookie, NOW_US + 1)
    assert found is not None and (found.account.id, found.session.organization, found.cookie) == ("acc_1", "default", None)
    assert house.sessions(1).find(cookie + "x", NOW_US) is None
    with house.databases[1].write() as db:
        assert end_session(db, "acc_2", found.session.id) is False
        assert end_session(db, "acc_1", found.session.id) is True
    assert house.sessions().find(cookie, NOW_US) is None


def test_of_sessions_the_oldest_gives_way_and_what_ended_is_swept_out(house: House) -> None:
    cookies = [house.signed_in(now_us=NOW_US + number) for number in range(SESSIONS_MAX + 1)]
    open_ones = [cookie for cookie in cookies if house.sessions().find(cookie, NOW_US + 100)]
    assert open_ones == cookies[1:]
    house.signed_in(now_us=NOW_US + 1_801 * SECOND_US)
    with house.databases[0].read() as db:
        assert db.execute("SELECT count(*) FROM session").fetchone()[0] == 1


def test_all_sessions_end_with_the_tokens_that_are_out(house: House) -> None:
    cookies = [house.signed_in() for _ in range(3)]
    sessions = house.sessions(1)
    kept = sessions.find(cookies[2], NOW_US)
    assert kept is not None
    with house.databases[0].write() as db:
        assert end_sessions_of(db, "acc_1", organization=DEFAULT + 1) == 0
        assert end_sessions_of(db, "acc_1", keep=kept.session.id) == 2
        assert generation_of(db, "acc_1") == 2
    assert [sessions.find(cookie, NOW_US) is not None for cookie in cookies] == [False, False, True]


def test_another_role_gives_one_other_cookie_however_many_ask_at_once(house: House) -> None:
    members = Members(Sequencer(house.databases[0]), lambda: "acc_2")
    members.add(DEFAULT, Newcomer("bo@house", "", Membership("owner"), "$hash"), NOW_US, HOST)
    cookie = house.signed_in()
    members.change(DEFAULT, "acc_1", lambda _: Membership("auditor"), NOW_US, HOST)
    given = house.at_once(lambda instance: house.sessions(instance).find(cookie, NOW_US))
    fresh = [found.cookie for found in given if found.cookie]  # type: ignore[attr-defined]
    assert len(fresh) == 1 and all(found.account.role == "auditor" for found in given)  # type: ignore[attr-defined]
    assert house.sessions().find(fresh[0], NOW_US + 11 * SECOND_US) is not None
    assert house.sessions().find(cookie, NOW_US + 11 * SECOND_US) is None


def test_a_code_and_a_recovery_code_are_taken_once_by_whoever_is_first(house: House) -> None:
    secret = house.factors().begin("acc_1", NOW_US)
    codes = house.factors(1).confirm("acc_1", code_of(secret, NOW_US // SECOND_US // STEP_S), NOW_US, keep=None)
    later = NOW_US + STEP_S * SECOND_US
    for code in (code_of(secret, later // SECOND_US // STEP_S), codes[0]):
        assert sorted(house.at_once(lambda instance, code=code: house.factors(instance).take("acc_1", code, later))) == [False] * 7 + [True]  # type: ignore[misc]
    assert house.factors().remove("acc_1", later, "acc_1") is True
    assert house.factors().take("acc_1", codes[1], later) is False


def test_a_rule_is_everybodys_and_told_once(house: House) -> None:
    for _ in range(2):
        house.factors().require(DEFAULT, required=True, now_us=NOW_US, by="acc_1")
    with house.databases[1].read() as db:
        account = by_id(db, "acc_1", "default")
        assert is_required(db, DEFAULT) and account is not None and account.lacks_factor
    house.factors().require(DEFAULT, required=False, now_us=NOW_US, by="acc_1")
    with house.databases[1].read() as db:
        account = by_id(db, "acc_1", "default")
        assert account is not None and not account.lacks_factor


def test_an_invitation_is_accepted_once(house: House) -> None:
    made, token = house.invitations().invite(DEFAULT, "bo@house", Membership("admin"), days=1, now_us=NOW_US, by="acc_1")
    told = house.at_once(lambda instance: house.invitations(instance).accept(token.reveal(), "", "$hash", NOW_US).email)
    assert sorted(map(str, told)) == ["bo@house"] + ["invitation_gone"] * 7
    (listed,) = house.invitations(1).list(DEFAULT, limit=10)
    assert (listed.id, listed.status(NOW_US)) == (made.id, "accepted")
    with house.databases[0].read() as db:
        assert db.execute("SELECT count(*) FROM membership").fetchone()[0] == 2


def test_a_token_ends_for_all_instances(house: House) -> None:
    tokens = [PersonalTokens(Sequencer(database), b"s" * 32, token_bytes) for database in house.databases]
    row, text = tokens[0].make(DEFAULT, "acc_1", "", ["read"], now_us=NOW_US, expires_us=None)
    found = tokens[1].find(text.reveal(), NOW_US)
    assert found is not None and (found[0].id, found[1]) == ("acc_1", {"read"})
    assert tokens[0].list(DEFAULT, Sight("own", "acc_2"), limit=5) == []
    assert tokens[0].revoke(DEFAULT, row.id, NOW_US, "acc_2", Sight("own", "acc_2")) is None
    assert tokens[0].revoke(DEFAULT, row.id, NOW_US, "acc_1") is not None
    assert tokens[1].find(text.reveal(), NOW_US) is None


def test_failures_of_all_instances_count_together_and_none_shares_a_free_one(house: House) -> None:
    name = login_failures.name_of(b"s" * 32, " Ana@House")
    assert name == login_failures.name_of(b"s" * 32, "ana@house")

    def begin(instance: int) -> object:
        with house.databases[instance].write() as db:
            return login_failures.begin(db, name, NOW_US)

    assert sorted(house.at_once(begin)) == [0] * 5 + [1] * 3  # type: ignore[type-var]
    with house.databases[0].write() as db:
        assert login_failures.begin(db, name, NOW_US - 60 * SECOND_US) == 1        # a clock that was set back
        login_failures.take_back(db, name)
        assert login_failures.begin(db, name, NOW_US) == 0
        login_failures.forget(db, name)
        assert [login_failures.begin(db, name, NOW_US) for _ in range(6)] == [0] * 5 + [1]
        assert login_failures.begin(db, b"another", NOW_US + 3_601 * SECOND_US) == 0
        assert db.execute("SELECT name FROM login_failure").fetchall() == [(b"another",)]


def test_the_failures_that_are_remembered_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_failures, "NAMES_MAX", 3)
    with house.databases[0].write() as db:
        for number in range(6):
            login_failures.begin(db, bytes([number]), NOW_US + number)
        kept = {bytes(name) for (name,) in db.execute("SELECT name FROM login_failure").fetchall()}
    assert kept == {bytes([2]), bytes([3]), bytes([4]), bytes([5])}


def test_a_flood_of_failures_is_counted(house: House) -> None:
    sequencer = Sequencer(house.databases[0])
    for _ in range(12):
        with sequencer.append(NOW_US) as pen:
            note_failure(pen, "acc_1", "password")
    with sequencer.append(NOW_US + 60 * SECOND_US) as pen:
        close_failure_minutes(pen)
        assert pen.db.execute("SELECT count(*) FROM login_failure_minute").fetchone()[0] == 0
        assert find_member(pen.db, DEFAULT, "acc_1") is not None
