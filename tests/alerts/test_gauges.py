"""Budgets as Prometheus sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.core.draw import Draw, NodeKey
from tallystick.jobs.budget_gauges import BudgetGauges
from tallystick.stores.sql import leases
from tallystick.telemetry import Telemetry
from tests.alerts.scene import open_scene
from tests.build.databases import both_engines
from tests.build.journal import NOON_US
from tests.test_telemetry import figures

pytestmark = both_engines
DOLLAR = 1_000_000_000


@pytest.mark.parametrize(("tenant_labels", "scope", "value"), [(False, "", ""), (True, "team", "search")])
def test_a_budget_s_rest_what_is_held_and_what_is_stranded(tmp_path: Path, *, tenant_labels: bool, scope: str, value: str) -> None:
    scene = open_scene(tmp_path)
    row = scene.budget("$10/month")
    scene.budget("9 calls/day", "user", "*")
    scene.spend(4 * DOLLAR, calls=2)
    node = NodeKey(row.id, "", row.budget().span(NOON_US)[0])
    with scene.journal.database.write() as db:
        leases.begin(db, "here", 0, NOON_US)
        for holder, dollars in (("here", 1), ("gone", 2), (leases.DEFERRED, 3)):
            leases.lease(db, holder, [Draw(node, dollars * DOLLAR)])
    telemetry = Telemetry("0")
    BudgetGauges(scene.journal.database, scene.journal.clock, telemetry, tenant_labels).step()
    found = {name: text for name, text in figures(telemetry).items() if name.startswith("tallystick_budget")}
    team, user = f'{{budget="1",scope="{scope}",unit="dollars",value="{value}"}}', '{budget="2",scope="",unit="calls",value=""}'
    assert found == {
        f"tallystick_budget_remaining{team}": "0.0", f"tallystick_budget_held{team}": "6.0", f"tallystick_budget_stranded{team}": "2.0",
        f"tallystick_budget_remaining{user}": "7.0", f"tallystick_budget_held{user}": "0.0", f"tallystick_budget_stranded{user}": "0.0"}
