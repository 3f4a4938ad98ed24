"""A lean noun differs from its frozen self in what making one costs, and in nothing else."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field, replace

import pytest

from tallystick.core.lean import altered, lean
from tests.build.journal import settlement


@lean
@dataclass(frozen=True, slots=True)
class Posting:
    account: str
    amount_nanos: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    note: str = field(default="", kw_only=True)


def test_it_is_made_with_defaults_and_factories_of_its_own() -> None:
    one, other = Posting("cash"), Posting("cash", 5, note="n")
    assert (one.amount_nanos, one.labels, one.note) == (0, {}, "")
    assert (other.amount_nanos, other.note) == (5, "n")
    assert one.labels is not other.labels


def test_equality_text_replace_and_copies_are_a_dataclass_s() -> None:
    one = Posting("cash", 5)
    assert one == Posting("cash", 5) != Posting("bank", 5)
    assert replace(one, amount_nanos=6) == Posting("cash", 6)
    assert repr(one) == "Posting(account='cash', amount_nanos=5, labels={}, note='')"
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one


def test_altered_is_replace() -> None:
    one = settlement()
    assert altered(one, cost_nanos=7, notes=("n",)) == replace(one, cost_nanos=7, notes=("n",)) != one


def test_a_field_that_lacks_its_value_is_refused() -> None:
    with pytest.raises(TypeError, match="account"):
        Posting()  # type: ignore[call-arg]


def test_it_has_slots_alone() -> None:
    with pytest.raises(AttributeError):
        Posting("cash").colour = "red"  # type: ignore[attr-defined]
