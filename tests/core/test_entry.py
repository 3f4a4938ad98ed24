"""An entry says all there is to say: admission, settlement and refusal come back as they were written."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import facts as call_facts
from tallystick.core.attempt import Admission, Basis, Line, Method, Outcome, Settlement
from tallystick.core.call import Facts
from tallystick.core.entry import (
    admission_fields,
    read_admission,
    read_refusal,
    read_settlement,
    refusal_fields,
    request_hex,
    settlement_fields,
    worst_tokens,
)
from tallystick.core.identity import LABELS, Attribution
from tallystick.core.ledger import body_of, read_body
from tallystick.core.usage import UNITS, Part, Usage
from tests.build.journal import admission, key_refusal, refusal, settlement


class Dictionary:
    """Names and numbers, as the ledger keeps them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, Mapping[str, str]]] = {}

    def define(self, kind: str, name: str, content: Callable[[], Mapping[str, str]] | None = None) -> int:
        if (kind, name) not in self.rows:
            self.rows[kind, name] = (1 + sum(k == kind for k, _ in self.rows), content() if content else {})
        return self.rows[kind, name][0]

    def named(self, kind: str, number: int) -> tuple[str, Mapping[str, str]]:
        return next((name, content) for (k, name), (n, content) in self.rows.items() if (k, n) == (kind, number))


def stored(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Fields as they come back from their bytes."""
    return read_body(body_of({"kind": "ATTEMPT", **fields, **more}))


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
amounts = st.integers(0, 10**15)
maybe_amounts = st.none() | amounts
counts = st.integers(0, 2**27)
quantities = st.integers(1, 10**9) | st.decimals("0.001", 10**6, places=3)
usages = st.builds(Usage, st.dictionaries(st.sampled_from(UNITS), quantities, max_size=5).map(
    lambda d: {unit: d[unit] for unit in UNITS if unit in d}), st.integers(0, 50))

attributions = st.builds(
    Attribution, key_id=text, organization=st.just("default"), labels=st.dictionaries(st.sampled_from(LABELS), text),
    tags=st.lists(st.tuples(text, text | st.just("")), max_size=3).map(tuple), dimensions=st.dictionaries(text, text, max_size=3),
    claimed=st.frozensets(text, max_size=3))
facts = st.builds(
    Facts, stream=st.booleans(), output_limit=st.none() | counts, n=st.integers(1, 128),
    reasoning_effort=st.none() | st.sampled_from(call_facts.EFFORTS), reasoning_limit=st.none() | counts,
    media=st.integers(0, 500), media_bytes=counts, characters=counts, references=st.integers(0, 500), tools=st.integers(0, 500),
    server_tools=st.integers(0, 100), server_tool_limit=st.none() | st.integers(0, 100), wants_stream_usage=st.booleans(),
    tier=st.none() | st.sampled_from(call_facts.TIERS), background=st.booleans(), inputs=st.integers(1, 2048), end_user=st.none() | text)
admissions = st.builds(
    Admission, request_id=st.integers(0, 2**128 - 1).map(lambda n: f"req_{n:032x}"), attempt=st.integers(1, 9),
    at_us=st.integers(10**15, 2 * 10**15), attribution=attributions, provider=text, operation=text, dialect=st.none() | text,
    model=st.none() | text, facts=facts, body_bytes=counts, input_bound=counts, hold_nanos=amounts, hold_priced=st.booleans(),
    billable=st.booleans(), credential=text, sandbox=st.booleans(), budget_nanos=maybe_amounts, route_name=st.none() | text,
    price_version=text | st.just(""), hold_tokens=counts).map(lambda a: replace(a, facts=replace(a.facts, model=a.model)))
lines = st.builds(
    Line, unit=st.sampled_from(UNITS), quantity=quantities, row=text, rate=st.decimals("0.0001", 1000, places=4),
    per=st.sampled_from([1, 1000, 1_000_000]), factor=st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("1.1")]),
    factor_row=st.none() | text, part=st.integers(0, 3))
bare_lines = st.builds(Line, unit=st.sampled_from(UNITS), quantity=quantities, row=st.none(), part=st.integers(0, 3))
settlements = st.builds(
    Settlement, request_id=st.just("req_" + "0" * 32), attempt=st.integers(1, 9), at_us=st.integers(10**15, 2 * 10**15),
    outcome=st.sampled_from(get_args(Outcome)), method=st.sampled_from(get_args(Method)), basis=st.sampled_from(get_args(Basis)),
    cost_nanos=amounts, status=st.integers(0, 599), model=st.none() | text, usage=st.none() | usages,
    lines=st.lists(lines | bare_lines, max_size=4).map(tuple),
    parts=st.lists(st.builds(Part, text, text, usages, st.booleans()), max_size=2).map(tuple),
    traits=st.dictionaries(text, text, max_size=3), stated_nanos=maybe_amounts, computed_nanos=maybe_amounts,
    would_be_nanos=maybe_amounts, upstream_nanos=maybe_amounts, drift=st.booleans(), response_id=st.none() | text,
    first_byte_us=st.none() | counts, latency_us=counts, reply_bytes=counts, code=st.none() | text,
    notes=st.lists(text, max_size=3).map(tuple)).filter(lambda s: s.usage is not None or not s.lines)


@given(admissions)
def test_an_admission_comes_back(written: Admission) -> None:
    names = Dictionary()
    fields = stored(admission_fields(written, names.define), org="default")
    assert read_admission(fields, names.named) == written
    assert len(base64.urlsafe_b64decode(fields["facts"] + "==")) <= call_facts.BYTES_MAX


def test_the_bound_in_tokens_stands_in_an_entry_where_the_request_does_not_say_it() -> None:
    asked = admission()
    told = replace(asked, hold_tokens=3_300 + 1_000)
    assert "hold_tokens" not in admission_fields(told, Dictionary().define)
    untold = replace(asked, facts=replace(asked.facts, output_limit=None), hold_tokens=3_300 + 16_384)
    assert admission_fields(untold, Dictionary().define)["hold_tokens"] == 19_684
    free = replace(asked, billable=False, hold_tokens=0)
    assert "hold_tokens" not in admission_fields(free, Dictionary().define)


@given(admissions)
def test_a_worst_case_counts_the_tokens_that_were_held(written: Admission) -> None:
    fields = stored(admission_fields(written, Dictionary().define), org="default")
    assert worst_tokens(fields) == 0
    assert worst_tokens({**fields, "basis": "worst_case"}) == written.hold_tokens


@given(settlements)
def test_a_settlement_comes_back(written: Settlement) -> None:
    names = Dictionary()
    fields = stored(settlement_fields(written, names.define, lambda row: {"source": f"of {row}"}),
                    request=request_hex(written.request_id), attempt=written.attempt)
    assert read_settlement(fields, names.named) == written


@pytest.mark.parametrize("written", [refusal(), key_refusal(), key_refusal(facts=None, body_bytes=0)])
def test_a_refusal_comes_back(written: Any) -> None:
    names = Dictionary()
    assert read_refusal(stored(refusal_fields(written, names.define), org=written.organization), names.named) == written


def test_a_price_row_is_defined_with_its_rate_and_what_is_known_of_it() -> None:
    names = Dictionary()
    settlement_fields(settlement(), names.define, lambda row: {"source": "list", "provider": row.partition(":")[0]})
    assert names.rows["price_row", "openai:gpt-4o:input_text 2.5/1000000"][1] == {
        "row": "openai:gpt-4o:input_text", "unit": "input_text", "price": "2.5", "per": "1000000", "source": "list", "provider": "openai"}


def test_no_caller_text_stands_in_a_refusal_without_a_key() -> None:
    names = Dictionary()
    fields = refusal_fields(replace(refusal(), model="secret-model", provider="openai"), names.define)
    assert set(fields) == {"at", "request", "code", "status"}
    assert set(names.rows) == {("code", "key_missing")}


def test_facts_that_no_real_call_has_are_clamped_and_unknown_words_are_other() -> None:
    huge = Facts(output_limit=2**60, reasoning_limit=2**60, n=2**60, media=2**60, media_bytes=2**60, characters=2**60, references=2**60, tools=2**60,
                 server_tools=2**60, server_tool_limit=2**60, inputs=2**60, reasoning_effort="cosmic", tier="moon")
    packed = call_facts.pack(huge, 2**60, 2**60)
    assert len(base64.urlsafe_b64decode(packed + "==")) <= call_facts.BYTES_MAX
    asked = call_facts.unpack(packed)
    assert (asked.facts.reasoning_effort, asked.facts.tier, asked.body_bytes) == ("other", "other", 2**35 - 2)


def test_nonsense_that_a_caller_asks_for_is_no_reason_to_fail() -> None:
    asked = call_facts.unpack(call_facts.pack(Facts(n=-5, output_limit=-1, tools=-2, inputs=-1), 10, 20))
    assert (asked.facts.n, asked.facts.output_limit, asked.facts.tools, asked.facts.inputs, asked.body_bytes) == (1, 0, 0, 1, 10)


@pytest.mark.parametrize("packed", ["!", "gA", "AA" * 30])
def test_what_are_no_packed_facts_is_said_so(packed: str) -> None:
    with pytest.raises(ValueError, match="packed facts"):
        call_facts.unpack(packed)


def test_an_ordinary_entry_is_small() -> None:
    names = Dictionary()
    fields = admission_fields(admission(), names.define) | settlement_fields(settlement(), names.define, lambda _: {})
    assert len(body_of({"kind": "ATTEMPT", "org": "default", "seq": 1_000_000, **fields})) < 900
