"""The policy that lets another credential carry a call: what it takes, of which calls it speaks, and that a dry run owns up."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.core.budget import Scope
from tallystick.core.call import Call, Facts
from tallystick.core.identity import Attribution
from tallystick.core.policies.book import judge, policy_book, rule_of
from tallystick.core.policies.dry_run import PastCall, dry_run
from tallystick.core.policies.parameters import BadPolicy
from tallystick.core.policies.policy import Bypass, Case, Policy

NOW_US = 1_795_000_000_000_000


def case(provider: str = "openai") -> Case:
    return Case(Call("req_1", provider, "POST", "/p", "chat", "openai_chat", Facts(model="m-1"), 10, NOW_US), Attribution("key_1", "default", {}))


def policy(number: int, *credentials: str, **more: Any) -> Policy:
    return Policy(number, "", "failover", Scope("org"), rule_of("failover", {"credentials": list(credentials), **more}))


@pytest.mark.parametrize("parameters", [
    {}, {"credentials": []}, {"credentials": ["not a name"]}, {"credentials": ["a"] * 9}, {"credentials": ["a"], "on": ["sometimes"]},
    {"credentials": ["a"], "attempts": 1}, {"credentials": ["a"], "attempts": 4}, {"credentials": ["a"], "on": ["unanswered"]},
    {"credentials": ["a"], "retries": 3},
])
def test_what_cannot_be_done_is_an_error(parameters: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy):
        rule_of("failover", parameters)


def test_unless_it_says_more_it_is_two_attempts_after_a_limit_or_a_refusal() -> None:
    fallback = judge(policy_book([policy(3, "b", "a", "b")]), case()).fallback
    assert fallback is not None
    assert (fallback.credentials, fallback.on, fallback.attempts, fallback.policy) == (("b", "a"), {"rate_limit", "refused"}, 2, 3)


def test_the_first_one_that_speaks_of_the_provider_counts() -> None:
    book = policy_book([policy(1, "a", providers="anthropic"), policy(2, "b"), policy(3, "c")])
    assert [found.policy for name in ("openai", "anthropic") if (found := judge(book, case(name)).fallback) is not None] == [2, 1]


def test_it_can_be_bypassed() -> None:
    book = policy_book([policy(1, "a")], [Bypass(1, Scope("org"), NOW_US + 1)])
    judgement = judge(book, case())
    assert judgement.fallback is None
    assert [one.how for one in judgement.judged] == ["bypassed"]


def test_a_dry_run_counts_what_it_cannot_judge() -> None:
    found = dry_run(policy_book([policy(1, "a")]), [PastCall("req_1", case(), 900)])
    assert (found.unjudged, found.changed, found.tally.stopped) == ({"failover": 1}, 0, 0)
