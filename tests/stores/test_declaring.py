"""Several changes as one transaction, and a file that is applied to what was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tallystick.core.budget import Amount, Scope
from tallystick.stores import declaring
from tallystick.stores.declaring import Section
from tallystick.stores.sql.budget_rows import budget_rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.declared import BudgetSection, Hand
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT, Database
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines, open_database

pytestmark = both_engines
NOW_US = 1_795_262_400_000_000
FILE = {"budgets": [{"scope": "team", "value": name, "limit": "5/day"} for name in ("a", "b")]}


def sections(sequencer: Sequencer) -> Sequence[Section]:
    return (BudgetSection(Hand(sequencer, DEFAULT, "cli", lambda: NOW_US, {})),)


def a_budget(sequencer: Sequencer, team: str, dollars: int) -> None:
    Budgets(sequencer).set(DEFAULT, BudgetSpec(Scope("team", team), Amount(dollars * 10**9, "money"), "day", limit=dollars * 10**9), NOW_US, "cli")


def limits(database: Database) -> dict[str, int]:
    with database.read() as db:
        return {row.value: row.amount // 10**9 for row in budget_rows(db, DEFAULT)}


def test_what_one_change_wrote_the_next_one_sees_and_a_failure_undoes_all_of_it(tmp_path: Path) -> None:
    database = open_database(tmp_path, NOW_US)
    sequencer = Sequencer(database)
    with sequencer.together(NOW_US) as one:
        a_budget(one, "a", 5)
        assert limits(one.database) == {"a": 5}
        a_budget(one, "a", 7)
    assert limits(database) == {"a": 7}

    def half() -> None:
        with sequencer.together(NOW_US) as one:
            a_budget(one, "a", 9)
            a_budget(one, "a new name", 9)
            raise Refused("invalid_request", "no")

    with pytest.raises(Refused):
        half()
    a_budget(sequencer, "another new name", 1)       # a name that was defined and undone is defined anew
    a_budget(sequencer, "a new name", 1)
    assert limits(database) == {"a": 7, "another new name": 1, "a new name": 1}
    assert [finding.message for finding in verify(database, b"p" * 32).findings if finding.check != "checkpoint"] == []


def test_a_file_is_not_applied_to_what_nobody_looked_at(tmp_path: Path) -> None:
    database = open_database(tmp_path, NOW_US)
    sequencer = Sequencer(database)
    with database.read() as db:
        planned = declaring.plan(db, sections(sequencer), FILE)
    a_budget(sequencer, "b", 6)
    with pytest.raises(Refused) as refused:
        declaring.apply(sequencer, NOW_US, sections, FILE, planned)
    assert (refused.value.code, limits(database)) == ("changed_meanwhile", {"b": 6})
    with database.read() as db:
        planned = declaring.plan(db, sections(sequencer), FILE)
    declaring.apply(sequencer, NOW_US, sections, FILE, planned)
    assert limits(database) == {"a": 5, "b": 5}
