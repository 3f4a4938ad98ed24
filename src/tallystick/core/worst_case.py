"""The most an attempt can cost, worked out before a byte of it goes upstream, from what the request says and the
book knows. It is what a hold holds and what recovery books.

Two bounds on the input. Where only soft budgets watch, half the body's bytes are enough: it held for 1,792 of
1,796 recorded plain calls. Where a hard cap is on the path it must hold for every call: every byte is a token
(each byte-level token covers at least one; a family whose tokenizer the recorded traffic does not confirm gets
twice that), every inline medium its maximum, and what a provider adds unseen; never more than the context
window, which is also the bound of everything that the request only points at. A tool that the provider runs
sends the whole context again with each round (decisions.md, rule 5; books.md §2.1).

A hard cap is only as good as this bound, so what cannot be bounded does not go out under one.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import Unit
from tallystick.core.call import Facts
from tallystick.core.errors import Denied
from tallystick.core.estimate import HIDDEN_PROMPT_TOKENS, MEDIUM_TOKENS_MAX, input_bound_tokens
from tallystick.core.lean import lean
from tallystick.core.pricebook import Ceiling, PriceBook

CONFIRMED: Final = frozenset(("openai", "azure", "anthropic", "google", "vertex", "xai", "groq", "mistral", "deepseek", "openrouter"))
"""Providers whose recorded calls never had more tokens than bytes and allowance."""
UNCONFIRMED_FACTOR: Final = 2
TOKENS_MAX: Final = 10**12
"""What no call has. A request may ask for more; counters of 64 bits are not to end by it."""


@lean
@dataclass(frozen=True, slots=True)
class WorstCase:
    """`nanos` is 0 with `priced=False` where no price is known. `tokens`: input and output together. `unbounded` says
    what in the request has no bound, "" where everything has one. `endless`: how long the answer may be is not known, and
    `tokens` is of the input alone."""

    nanos: int
    tokens: int
    input_tokens: int
    priced: bool
    unbounded: str = ""
    endless: bool = False


@lean
@dataclass(frozen=True, slots=True)
class Asked:
    """Whom the request goes to. `book`: under which name its prices stand. `free`: the models cost nothing.
    `reasons_beyond`: what the model reasons comes on top of the output limit that a request states. `answers`: it is asked
    for an answer in tokens, whose length such a request could limit."""

    provider: str
    book: str
    free: bool = False
    reasons_beyond: bool = False
    answers: bool = True


NOTHING: Final = WorstCase(0, 0, 0, True)


def worst_case(facts: Facts, body_bytes: int, asked: Asked, prices: PriceBook, at_us: int, *, strict: bool) -> WorstCase:
    """The bound. `strict`: a hard cap is on the path."""
    window = prices.limits(asked.book, facts.model, at_us)[0] if strict else None
    input_tokens, unbounded = _input(facts, body_bytes, asked, window) if strict else (input_bound_tokens(facts, body_bytes), "")
    output = None if strict and asked.reasons_beyond else facts.output_limit
    if asked.free:
        longest = prices.limits(asked.book, facts.model, at_us)[1] if output is None else output
        return _bounded(Ceiling(0, True, longest), facts, input_tokens, unbounded, asked)
    ceiling = prices.ceiling(
        asked.book, facts.model or "", at_us, input_tokens=input_tokens, output_tokens=output, n=facts.n, traits=_traits(facts),
        media=bool(facts.media or facts.references), tool_calls=(facts.server_tool_limit or 0) if facts.server_tools else 0)
    return _bounded(ceiling, facts, input_tokens, unbounded, asked)


def _bounded(ceiling: Ceiling, facts: Facts, input_tokens: int, unbounded: str, asked: Asked) -> WorstCase:
    longest = ceiling.output_tokens
    tokens = min(input_tokens + (longest or 0) * max(facts.n, 1), TOKENS_MAX)
    return WorstCase(ceiling.nanos, tokens, input_tokens, ceiling.priced, unbounded, endless=longest is None and asked.answers)


def denied_under_a_cap(worst: WorstCase, model: str | None, units: AbstractSet[Unit]) -> Denied | None:
    """What may not go out under hard caps that count in these units: an unknown price where one counts money, tokens without
    a bound where one counts them or money. A cap on the number of calls asks for neither."""
    if not worst.priced and "money" in units:
        return Denied("model_not_priced", f"No price is known for {model or 'this call'}, and a hard budget applies to it.",
                      details={"model": model or ""})
    if worst.endless and "tokens" in units:
        return Denied("cost_unbounded", "A hard budget in tokens applies to this call, it states no limit on its output, and how long an"
                                        f" answer of {model or 'its model'} may be is not known.")
    if worst.unbounded and units & {"money", "tokens"}:
        return Denied("cost_unbounded", f"A hard budget applies to this call, and its cost has no bound: {worst.unbounded}.")
    return None


def _input(facts: Facts, body_bytes: int, asked: Asked, window: int | None) -> tuple[int, str]:
    """Tokens that may be billed as input, and what in it has no bound."""
    factor = 1 if asked.provider in CONFIRMED else UNCONFIRMED_FACTOR
    text_bytes = max(0, body_bytes - facts.media_bytes)
    once = (text_bytes + facts.media * MEDIUM_TOKENS_MAX + HIDDEN_PROMPT_TOKENS) * factor
    if facts.references:
        if window is None:
            return once, "it refers to content whose size is not known, nor is the model's context window"
        once = window
    elif window is not None:
        once = min(once, window)
    if not facts.server_tools:
        return once, ""
    if facts.server_tool_limit is None:
        return once, "it lets the provider run tools without a limit on their number"
    if window is None:
        return once, "it lets the provider run tools, and the model's context window is not known"
    return window * (facts.server_tool_limit + 1), ""


def _traits(facts: Facts) -> Mapping[str, str]:
    return {"tier": facts.tier} if facts.tier else {}
