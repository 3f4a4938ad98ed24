"""Members, organisations, proposals and what each sees, by the same statements on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tallystick.core.membership import Membership, Role
from tallystick.stores.sql.accounts import add_first_owner, by_id, opened_by
from tallystick.stores.sql.directory import Directory, KeySpec, Refused, list_keys, list_projects, list_teams
from tallystick.stores.sql.engine import DEFAULT, Database, open_database
from tallystick.stores.sql.facts import Asked, is_seen, total
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.members import HOST, Members, Newcomer, list_members
from tallystick.stores.sql.organizations import create_organization, organizations
from tallystick.stores.sql.proposals import Proposals, list_proposals
from tallystick.stores.sql.sight import Sight
from tallystick.stores.sql.verify import verify


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = request.getfixturevalue("postgresql").new_database() if request.param == "postgres" else None
    made = open_database(tmp_path, 1, url=url)
    yield made
    made.close()


class People:
    """The stores of one installation, and how somebody comes into it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.pen = Sequencer(database)
        ids = count(2)
        self.members = Members(self.pen, lambda: f"acc_{next(ids)}")
        self.directory = Directory(self.pen, b"s" * 32, lambda size: bytes([next(ids)]) * size)
        add_first_owner(database, "acc_1", "owner@house", "hash", 1)

    def join(self, role: Role, *teams: str, organization: int = DEFAULT, email: str = "") -> str:
        for team in teams:
            with suppress(Refused):              # it is there already
                self.directory.create_team(organization, team, 2)
        newcomer = Newcomer(email or f"{role}@house", "", Membership(role, frozenset(teams)), "hash")
        return self.members.add(organization, newcomer, 3, HOST)[0].account

    def sound(self) -> bool:
        return verify(self.database, b"p" * 32).findings == ()


def test_who_is_there_and_what_they_see(database: Database) -> None:
    here = People(database)
    manager, member = here.join("manager", "search", "ads"), here.join("member", "search")
    own, _ = here.directory.create_key(DEFAULT, KeySpec({"team": "search", "project": "web"}, owner=member), 4)
    here.directory.create_key(DEFAULT, KeySpec({"team": "law"}), 4)
    for account, reach, keys, teams in ((manager, "own_teams", 1, ["search", "ads"]), (member, "own", 1, ["search"]), ("", "all", 2, None)):
        sight = Sight(reach, account)  # type: ignore[arg-type]
        assert len(list_keys(database, DEFAULT, sight, limit=9)) == keys
        seen = [team.name for team in list_teams(database, DEFAULT, sight, limit=9)]
        assert seen == (teams or ["default", "search", "ads", "law"])
        assert {project.team for project in list_projects(database, DEFAULT, sight, limit=9)} <= set(seen)
        with database.read() as db:
            assert total(db, DEFAULT, Asked(sight=sight)).requests == 0
            assert not is_seen(db, DEFAULT, bytes(16), sight)
    assert [each.account for each in list_members(database, DEFAULT, Sight("own_teams", member), limit=9)] == [manager, member]
    assert list_keys(database, DEFAULT, Sight("own", member), limit=9) == [own]
    with database.read() as db:
        account, opened = by_id(db, manager, "default"), opened_by(db, "manager@house")
    assert account is not None and opened is not None
    assert (account.teams, opened.organizations) == (frozenset({"search", "ads"}), ("default",))
    assert here.sound()


def test_changed_disabled_let_go(database: Database) -> None:
    here = People(database)
    account = here.join("manager", "search")
    changed = here.members.change(DEFAULT, account, lambda before: Membership.of("finance", before.teams), 5, "acc_1")
    assert changed is not None and changed.membership == Membership("finance")
    for disabled in (True, False):
        here.members.set_disabled(account, disabled=disabled, now_us=6)
        with database.read() as db:
            assert (opened_by(db, "manager@house") is None) == disabled
        assert here.sound()
    assert here.members.remove(DEFAULT, account, 7, "acc_1") is not None
    assert here.members.remove(DEFAULT, account, 7, "acc_1") is None
    with pytest.raises(Refused, match="keeps one owner"):
        here.members.remove(DEFAULT, "acc_1", 7, HOST)
    assert here.members.add(DEFAULT, Newcomer("manager@house", "", Membership("auditor"), None), 8, "acc_1")[0].account == account
    assert here.sound()


def test_an_organisation_of_their_own(database: Database) -> None:
    here = People(database)
    made = create_organization(here.pen, "acme", "Acme", "Europe/Berlin", 5)
    here.join("owner", organization=made.id, email="owner@acme")
    with database.read() as db:
        assert [(row.slug, row.zone, row.members) for row in organizations(db)] == [("default", "UTC", 1), ("acme", "Europe/Berlin", 1)]
    with pytest.raises(Refused, match="There is an organisation acme"):
        create_organization(here.pen, "acme", "", "UTC", 6)
    with pytest.raises(Refused, match="whoever runs the installation"):
        here.members.add(DEFAULT, Newcomer("owner@acme", "", Membership("member"), None), 6, "acc_1")
    assert here.sound()


def test_a_proposal_is_decided_once_and_all_of_it_or_nothing(database: Database) -> None:
    here = People(database)
    finance, approvers = here.join("finance"), {"price": ("owner", "finance")}
    proposals = Proposals(here.pen, lambda size: b"\1" * size)
    made = proposals.add(DEFAULT, "price", {"value": "1"}, 5, finance)
    done: list[str] = []

    def fails(*_: object) -> None:
        done.append("tried")
        raise Refused("not_active", "It has ended.")

    with pytest.raises(Refused, match="own proposal"):
        proposals.approve(DEFAULT, made.id, 6, finance, approvers, fails)
    with pytest.raises(Refused, match="ended"):
        proposals.approve(DEFAULT, made.id, 6, "acc_1", approvers, fails)
    assert [each.state for each in list_proposals(database, DEFAULT, "open", limit=9)] == ["open"]
    here.members.change(DEFAULT, "acc_1", lambda _: Membership("owner"), 7, HOST)
    decided = proposals.approve(DEFAULT, made.id, 7, "acc_1", approvers, lambda _pen, _proposal: done.append("done"))
    assert decided is not None and (decided.state, decided.decided_by, done) == ("approved", "acc_1", ["tried", "done"])
    with pytest.raises(Refused, match="approved already"):
        proposals.decline(DEFAULT, made.id, 8, "acc_1", approvers)
    assert proposals.approve(DEFAULT, "prp_none", 8, "acc_1", approvers, fails) is None
    assert [each.id for each in list_proposals(database, DEFAULT, limit=9)] == [made.id]
