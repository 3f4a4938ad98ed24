"""The console's table of kinds is the gateway's: every kind in its order, and every parameter of each, no more and no fewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.policies.book import KIND_NAMES, rule_of
from tallystick.core.policies.parameters import BadPolicy
from tallystick.core.policies.reasoning import RANKED
from tallystick.core.policies.rates import WINDOWS
from tallystick.core.policies.failover import AFTER

SHOWN: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "web/src/policykinds.json").read_text(encoding="utf-8"))


def test_every_kind_is_shown_in_the_order_in_which_it_is_asked() -> None:
    assert [one["kind"] for one in SHOWN] == list(KIND_NAMES)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["kind"])
def test_every_parameter_of_a_kind_has_a_field(shown: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy) as fault:
        rule_of(shown["kind"], {"no_such_thing": 1})
    takes = str(fault.value).partition("it takes ")[2].rstrip(".").split(", ")
    assert sorted(field["name"] for field in shown["fields"]) == sorted(takes)


def test_choices_are_those_there_are() -> None:
    choices = {field["name"]: field["choices"] for one in SHOWN for field in one["fields"] if "choices" in field}
    assert set(choices.pop("window")) == set(WINDOWS)
    assert choices == {"effort_max": list(RANKED), "on": list(AFTER)}
