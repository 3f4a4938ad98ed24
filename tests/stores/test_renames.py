"""A team keeps its history under another name, and a project's move counts from its date: figures, filters, budgets,
policies, keys and people follow; calls under way are booked where they belong; the ledger stays as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.core.budget import Amount, Scope
from tallystick.core.identity import Attribution, Claims, attribute, by_first_name
from tallystick.stores.sql import moving_projects
from tallystick.stores.sql.breakdown import Question, broken_down
from tallystick.stores.sql.breakdown_names import Filter
from tallystick.stores.sql.budget_rows import books, budget_rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.directory import Refused, find_key, list_projects
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.live_teams import LiveTeams
from tallystick.stores.sql.moving_projects import Move
from tallystick.stores.sql.overrides import overrides_of_all
from tallystick.stores.sql.policies import Policies, PolicySpec
from tallystick.stores.sql.policy_rows import policy_books, policy_rows
from tallystick.stores.sql.renaming import rename_team
from tallystick.stores.sql.standing import standing
from tests.build.control import Desk
from tests.build.databases import both_engines

pytestmark = both_engines
DAY = 20_777                                 # the desk's day, 2026-11-20


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    assert not made.findings(), made.findings()          # whatever a test does, the ledger verifies
    made.close()


def rename(desk: Desk, team: str, name: str) -> None:
    assert rename_team(desk.sequencer, DEFAULT, team, name, desk.clock.at_us, "acc_1") is not None
    desk.parts.keyring.poll()


def limit(desk: Desk, kind: str, value: str, nanos: int = 10**9) -> int:
    spec = BudgetSpec(Scope(kind, value), Amount(nanos, "money"), limit=nanos)  # type: ignore[arg-type]
    return Budgets(desk.sequencer).set(DEFAULT, spec, desk.clock.at_us, "cli").id


def cost_by(desk: Desk, *groups: str, **filters: str) -> dict[tuple[str | None, ...], int]:
    asked = tuple(Filter(name, "is", (value,)) for name, value in filters.items())
    with desk.database.read() as db:
        found = broken_down(db, DEFAULT, Question(DAY - 40, DAY + 40, groups, filters=asked))
    return {group: total.cost_nanos for (_, group), total in found.items()}


def spent(desk: Desk, budget: int) -> dict[str, int]:
    """What a budget has counted, by the subjects that people read."""
    with desk.database.read() as db:
        row = next(row for row in budget_rows(db, DEFAULT, removed=True) if row.id == budget)
        return {part.node.subject: part.settled for part in standing(db, row, desk.clock.at_us)}


def test_the_past_shows_under_the_new_name_and_the_ledger_is_untouched(desk: Desk) -> None:
    desk.key(team="hr", project="bot")
    desk.book(100, labels={"team": "hr", "project": "bot"})
    with desk.database.read() as db:
        before = db.execute("SELECT seq, leaf FROM entry_202611 ORDER BY seq").fetchall()
    rename(desk, "hr", "people")
    desk.book(10, labels={"team": "hr", "project": "bot"})           # a call that was under way
    assert cost_by(desk, "team") == {("people",): 110}
    assert cost_by(desk, "project", team="people") == cost_by(desk, "project", team="hr") == {("bot",): 110}
    with desk.database.read() as db:
        assert db.execute("SELECT seq, leaf FROM entry_202611 ORDER BY seq").fetchall()[:len(before)] == before
        assert db.execute("SELECT name FROM team WHERE organization = ? AND name IN ('hr', 'people')", (DEFAULT,)).fetchall() == [("people",)]


async def test_the_line_goes_on_by_the_first_name(desk: Desk) -> None:
    key_id, text = desk.key(team="hr")
    rename(desk, "hr", "people")
    rename(desk, "people", "humans")
    row, principal = find_key(desk.database, DEFAULT, key_id), await desk.parts.keyring.find(text)
    assert row is not None and row.labels == {"team": "humans"}
    assert principal is not None and principal.labels == {"team": "hr"}
    first = LiveTeams(desk.database).get("default") or {}
    for said in ("hr", "people", "humans"):  # a header may say any of them
        assert attribute(principal, by_first_name(Claims({"team": said}), first)) == Attribution(key_id, "default", {"team": "hr"})
    assert LiveTeams(desk.database).get("other") is None


def test_limits_and_policies_bind_the_calls_that_they_bound(desk: Desk) -> None:
    """No gateway has to learn of it at once: the books of the line say what they said before."""
    for kind, value in (("team", "hr"), ("project", "hr/bot"), ("team", "*"), ("project", "*"), ("header", "hr/bot")):
        if kind == "header":
            Budgets(desk.sequencer).open_header("default", value, desk.clock.at_us)
        else:
            limit(desk, kind, value)
    Policies(desk.sequencer).set(DEFAULT, PolicySpec("kill", Scope("project", "hr/bot")), desk.clock.at_us, "cli")
    desk.book(100, labels={"team": "hr", "project": "bot"})
    with desk.database.read() as db:
        line = books(db)["default"].budgets, policy_books(db, desk.clock.at_us)["default"]
        nodes = db.execute("SELECT budget, subject, start_us, settled FROM budget_node ORDER BY budget").fetchall()
    rename(desk, "hr", "people")
    with desk.database.read() as db:
        assert (books(db)["default"].budgets, policy_books(db, desk.clock.at_us)["default"]) == line
        assert db.execute("SELECT budget, subject, start_us, settled FROM budget_node ORDER BY budget").fetchall() == nodes
        assert [str(row.scope) for row in policy_rows(db, DEFAULT)] == ["project:people/bot"]
        assert [str(row.scope) for row in budget_rows(db, DEFAULT)] == ["team:people", "project:people/bot", "team:*", "project:*",
                                                                        "header:people/bot"]
    desk.book(10, labels={"team": "hr", "project": "bot"})
    assert [spent(desk, budget) for budget in (1, 2, 3, 4, 5)] == [{"": 110}, {"": 110}, {"people": 110}, {"people/bot": 110}, {"": 110}]


def test_what_somebody_sets_by_the_old_name_stands_on_the_team(desk: Desk) -> None:
    desk.key(team="hr")
    desk.book(100, labels={"team": "hr"})
    rename(desk, "hr", "people")
    assert spent(desk, limit(desk, "team", "hr")) == {"": 100}
    assert limit(desk, "team", "hr") == limit(desk, "team", "people")
    key_id, _ = desk.key(team="hr")
    row = find_key(desk.database, DEFAULT, key_id)
    assert row is not None and row.labels == {"team": "people"}
    with desk.sequencer.append(desk.clock.at_us) as pen:
        pen.db.execute("INSERT INTO price_override (organization, id, terms, set_us, proposed_by, approved_by) VALUES (?, 'x', ?, 1, '', '')",
                       (DEFAULT, '{"kind": "percent", "provider": "*", "unit": "all", "value": "-5", "team": "people"}'))
    with desk.database.read() as db:
        assert overrides_of_all(db)["default"][0].team == "hr"
    with desk.database.write() as db:
        db.execute("DELETE FROM price_override")


def test_a_call_that_was_admitted_before_is_counted_after(desk: Desk) -> None:
    every, own = limit(desk, "team", "*"), limit(desk, "team", "hr")
    admission = desk.admit(labels={"team": "hr"})
    rename(desk, "hr", "people")
    desk.settle(admission, 70)
    assert (spent(desk, every), spent(desk, own)) == ({"people": 70}, {"": 70})
    with desk.database.read() as db:
        kept = db.execute("SELECT subject FROM budget_node WHERE budget = ?", (every,)).fetchall()
    assert kept == [("hr",)]


def test_no_other_team_gets_the_old_name_and_it_may_have_it_back(desk: Desk) -> None:
    desk.key(team="hr")
    desk.key(team="ops")
    limit(desk, "team", "ghosts")
    rename(desk, "hr", "people")
    for team, name in (("ops", "people"), ("ops", "hr"), ("people", "ops"), ("ops", "ghosts")):
        with pytest.raises(Refused) as refused:
            rename_team(desk.sequencer, DEFAULT, team, name, desk.clock.at_us, "cli")
        assert refused.value.code == "exists"
    with pytest.raises(Refused):
        desk.directory.create_team(DEFAULT, "hr", desk.clock.at_us)
    for name in ("", " x", "a/b", "a\nb"):
        with pytest.raises(Refused):
            rename_team(desk.sequencer, DEFAULT, "ops", name, desk.clock.at_us, "cli")
    with pytest.raises(Refused):
        rename_team(desk.sequencer, DEFAULT, "default", "x", desk.clock.at_us, "cli")
    assert rename_team(desk.sequencer, DEFAULT, "nobody", "x", desk.clock.at_us, "cli") is None
    for name in ("humans", "people", "hr", "people"):
        rename(desk, "hr", name)
        desk.book(1, labels={"team": "hr"})
    assert cost_by(desk, "team") == {("people",): 4}


def test_a_name_that_somebody_edits_is_found(desk: Desk) -> None:
    desk.key(team="hr")
    desk.key(team="ops")
    rename(desk, "hr", "people")
    for statement, undo in (
            ("UPDATE team_former_name SET name = 'x'", "UPDATE team_former_name SET name = 'hr'"),
            ("UPDATE team_former_name SET team = (SELECT id FROM team WHERE name = 'ops')",
             "UPDATE team_former_name SET team = (SELECT id FROM team WHERE name = 'people')"),
            ("UPDATE dictionary SET name = 'x' WHERE kind = 'team' AND name = 'people'",
             "UPDATE dictionary SET name = 'people' WHERE kind = 'team' AND name = 'x'")):
        with desk.database.write() as db:
            db.execute(statement)
        assert "dictionary" in {finding.check for finding in desk.findings()}, statement
        with desk.database.write() as db:
            db.execute(undo)


def move(desk: Desk, project: str, team: str, to: str) -> int:
    prepared = moving_projects.prepare(desk.directory, Move(DEFAULT, team, project, to), desk.clock.at_us, "acc_1")
    assert prepared is not None
    moved = moving_projects.finish(desk.directory, prepared, desk.clock.at_us, "acc_1")
    desk.parts.keyring.poll()
    return moved


async def test_a_move_counts_from_its_date(desk: Desk) -> None:
    key_id, text = desk.key(team="hr", project="bot")
    desk.key(team="ops")
    of_hr, of_ops, of_bot = limit(desk, "team", "hr"), limit(desk, "team", "ops"), limit(desk, "project", "hr/bot", 777)
    Policies(desk.sequencer).set(DEFAULT, PolicySpec("kill", Scope("project", "hr/bot"), name="stop"), desk.clock.at_us, "cli")
    desk.book(100, key_id=key_id, labels={"team": "hr", "project": "bot"})
    under_way = desk.admit(key_id=key_id, labels={"team": "hr", "project": "bot"})
    assert move(desk, "bot", "hr", "ops") == 1
    desk.settle(under_way, 20)               # it was admitted as hr's
    principal = await desk.parts.keyring.find(text)
    assert principal is not None and principal.labels == {"team": "ops", "project": "bot"}
    desk.book(3, key_id=key_id, labels=dict(principal.labels))
    assert cost_by(desk, "team", project="bot") == {("hr",): 120, ("ops",): 3}
    assert (spent(desk, of_hr), spent(desk, of_ops), spent(desk, of_bot)) == ({"": 120}, {"": 3}, {"": 120})
    with desk.database.read() as db:
        there = next(row for row in budget_rows(db, DEFAULT) if row.value == "ops/bot")
        assert next(row for row in budget_rows(db, DEFAULT) if row.id == of_bot).ends_us is not None
        assert {str(row.scope) for row in policy_rows(db, DEFAULT)} == {"project:hr/bot", "project:ops/bot"}
    assert (there.amount, spent(desk, there.id)) == (777, {"": 3})
    projects = {(row.team, row.name): row.moved_to for row in list_projects(desk.database, DEFAULT, limit=9)}
    assert projects[("hr", "bot")] == "ops" and projects[("ops", "bot")] is None


def test_a_project_may_go_back_and_a_team_be_renamed_after_it(desk: Desk) -> None:
    desk.key(team="hr", project="bot")
    desk.key(team="ops")
    move(desk, "bot", "hr", "ops")
    rename(desk, "ops", "operations")
    move(desk, "bot", "operations", "hr")
    projects = {(row.team, row.name): row.moved_to for row in list_projects(desk.database, DEFAULT, limit=9)}
    assert projects[("hr", "bot")] is None and projects[("operations", "bot")] == "hr"


@pytest.mark.parametrize(("project", "to", "code"), [
    ("bot", "hr", "invalid_request"), ("bot", "nobody", "unknown_team"), ("web", "ops", "exists")])
def test_where_it_cannot_go(desk: Desk, project: str, to: str, code: str) -> None:
    desk.key(team="hr", project="bot")
    desk.key(team="hr", project="web")
    desk.key(team="ops", project="web")
    with pytest.raises(Refused) as refused:
        moving_projects.prepare(desk.directory, Move(DEFAULT, "hr", project, to), desk.clock.at_us, "cli")
    assert refused.value.code == code
    assert moving_projects.prepare(desk.directory, Move(DEFAULT, "hr", "none", "ops"), desk.clock.at_us, "cli") is None
