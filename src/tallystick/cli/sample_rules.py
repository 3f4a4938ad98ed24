"""What `tallystick demo` sets over its invented calls: budgets as tight as the month makes them interesting, a few policies, and
the registered versions of the prompts. All of it by the same doors as a person's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tallystick.cli.sample_company import DAY_S, PROJECTS
from tallystick.core.budget import Mode, Scope, parse_limit
from tallystick.core.money import NANOS_PER_UNIT
from tallystick.stores.sql import prompts
from tallystick.stores.sql.breakdown import Question, broken_down
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.engine import DEFAULT, Database
from tallystick.stores.sql.facts import DAY_US
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.policies import Policies, PolicySpec

_BY: Final = "cli"
# Scope, how it binds, and how many percent of it this month has used by now.
_BUDGETS: Final[tuple[tuple[Scope, Mode, int], ...]] = (
    (Scope("org"), "hard", 62), (Scope("team", "sample-support"), "hard", 87), (Scope("team", "sample-search"), "hard", 41),
    (Scope("team", "sample-research"), "soft", 104), (Scope("team", "sample-growth"), "hard", 71),
    (Scope("team", "sample-platform"), "observe", 55))
_POLICIES: Final = (
    PolicySpec("required_dimensions", Scope("org"), {"require": ["team", "project"]}, name="Whose account"),
    PolicySpec("model_access", Scope("team", "sample-growth"), {"allow_providers": ["mistral"]}, name="Growth writes with Mistral"),
    PolicySpec("expensive", Scope("org"), {"warn_above_usd": "2"}, name="Dear calls"),
    PolicySpec("session_caps", Scope("team", "sample-platform"), {"calls": 60, "per": "session", "optional": True}, mode="observe",
               name="An agent's run ends"),
)


def set_rules(database: Database, sequencer: Sequencer, start_us: int, now_us: int) -> None:
    """Everything, once the calls are told. Raises StoreFault."""
    spent = _spent_this_month(database, now_us)
    budgets, policies = Budgets(sequencer), Policies(sequencer)
    for scope, mode, percent in _BUDGETS:
        cents = max(100, spent.get(scope.value or None, 0) * 10_000 // (percent * NANOS_PER_UNIT))
        amount, window = parse_limit(f"${cents // 100}.{cents % 100:02}/month")
        budgets.set(DEFAULT, BudgetSpec(scope, amount, str(window), mode=mode, limit=amount.value), now_us, _BY)
    for policy in _POLICIES:
        policies.set(DEFAULT, policy, now_us, _BY)
    _register(database, start_us)


def _spent_this_month(database: Database, now_us: int) -> dict[str | None, int]:
    """In nanos by team; None is the whole organisation's."""
    now = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    today = now_us // DAY_US
    with database.read() as db:
        totals = broken_down(db, DEFAULT, Question(today - now.day + 1, today, groups=("team",)))
    spent: dict[str | None, int] = {name: total.cost_nanos for (_, (name,)), total in totals.items()}
    return {**spent, None: sum(spent.values())}


def _register(database: Database, start_us: int) -> None:
    with database.write() as db:
        for project in PROJECTS:
            for prompt in project.prompts:
                prompts.register(db, DEFAULT, prompt.key, prompts.Words(tags=(project.name,)), start_us, _BY)
                for version in prompt.versions:
                    since_us = start_us + version.since * DAY_S * 1_000_000
                    spec = prompts.VersionSpec(version.name, version.model.name, max_tokens=4_000, note=version.note)
                    prompts.add_version(db, DEFAULT, prompt.key, spec, since_us, _BY)
                    prompts.activate(db, DEFAULT, prompt.key, version.name, since_us)
