"""Who a call belongs to: a key verifies, a caller claims, and the two are told apart."""

from __future__ import annotations

import pytest

from tallystick.core.errors import Denied
from tallystick.core.identity import Attribution, Claims, Principal, attribute

KEY = Principal("k1", "default", {"team": "search", "user": "ann"}, {"region": "eu"})


def attributed(claims: Claims) -> Attribution:
    made = attribute(KEY, claims)
    assert isinstance(made, Attribution)
    return made


def test_what_only_the_caller_says_is_claimed() -> None:
    made = attributed(Claims({"project": "web", "agent": "bot"}, (("feature", "answers"),), {"region": "us", "tier": "gold"}))
    assert made.labels == {"team": "search", "user": "ann", "project": "web", "agent": "bot"}
    assert made.dimensions == {"region": "eu", "tier": "gold"}
    assert made.claimed == {"project", "agent", "tags", "dimension.tier"}


def test_without_claims_nothing_is_claimed() -> None:
    assert attributed(Claims()).claimed == frozenset()


def test_saying_what_the_key_says_claims_nothing() -> None:
    assert attributed(Claims({"team": "search", "user": "bob"})).claimed == frozenset()


@pytest.mark.parametrize("label", ["team", "project"])
def test_no_caller_moves_spend_out_of_its_key(label: str) -> None:
    refused = attribute(Principal("k1", "default", {label: "search"}), Claims({label: "other"}))
    assert isinstance(refused, Denied)
    assert refused.code == "outside_key_scope"
