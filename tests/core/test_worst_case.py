"""The bound in tokens of calls that do not say how long their answer may be."""

from __future__ import annotations

import pytest

from tallystick.core.call import Facts
from tallystick.core.worst_case import TOKENS_MAX, Asked, denied_under_a_cap, worst_case
from tests.build.prices import OUTPUT_MAX, book_of

BOOK = book_of(openai={"gpt-4o": {"input_text": "1", "output_text": "10"}, "embed": {"input_text": "1"}})
HOST = Asked("openai", "openai")
AT_US = 1_795_262_400_000_000


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("facts", "output"), [
    (Facts(model="gpt-4o", output_limit=100), 100),
    (Facts(model="gpt-4o", output_limit=100, n=3), 300),
    (Facts(model="gpt-4o"), OUTPUT_MAX),
    (Facts(model="gpt-4o", n=2), 2 * OUTPUT_MAX),
    (Facts(model="embed"), 0),
])
def test_the_bound_is_the_input_and_the_longest_answer(facts: Facts, output: int, strict: bool) -> None:
    worst = worst_case(facts, 1_000, HOST, BOOK, AT_US, strict=strict)
    assert (worst.tokens - worst.input_tokens, worst.endless) == (output, False)


@pytest.mark.parametrize("asked", [HOST, Asked("ollama", "ollama", free=True)])
def test_under_a_cap_in_tokens_an_answer_of_unknown_length_does_not_go_out(asked: Asked) -> None:
    endless = worst_case(Facts(model="never-heard-of"), 1_000, asked, BOOK, AT_US, strict=True)
    denied = denied_under_a_cap(endless, "never-heard-of", {"tokens"})
    assert denied is not None
    assert denied.code == "cost_unbounded"
    said = worst_case(Facts(model="never-heard-of", output_limit=50), 1_000, asked, BOOK, AT_US, strict=True)
    assert denied_under_a_cap(said, "never-heard-of", {"tokens"}) is None


def test_what_answers_in_no_tokens_needs_no_limit() -> None:
    embedding = worst_case(Facts(model="mine"), 1_000, Asked("ollama", "ollama", free=True, answers=False), BOOK, AT_US, strict=True)
    assert denied_under_a_cap(embedding, "mine", {"tokens", "calls"}) is None


def test_nobody_can_ask_for_more_tokens_than_can_be_counted() -> None:
    huge = worst_case(Facts(model="gpt-4o", output_limit=10**12, n=10**12), 1_000, HOST, BOOK, AT_US, strict=True)
    assert huge.tokens == TOKENS_MAX
