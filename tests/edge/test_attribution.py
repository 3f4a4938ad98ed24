"""What a caller says about a call, in the words of ours, of the five source systems and of LiteLLM."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import Denied
from tallystick.core.identity import LABELS, Claims
from tallystick.edge.attribution import HEADERS, claims

USD = 1_000_000_000


def said(*headers: tuple[str, str], body=None) -> Claims | Denied:
    return claims([(name.lower().encode(), value.encode()) for name, value in headers], body)


def test_our_own_headers():
    assert said(
        ("X-Tallystick-Team", "marketing"), ("X-Tallystick-Project", "bot"), ("X-Tallystick-User", "u1"), ("X-Tallystick-Agent", "writer"),
        ("X-Tallystick-Environment", "prod"), ("X-Tallystick-Cost-Center", "4711"), ("X-Tallystick-Prompt-Key", "greet"),
        ("X-Tallystick-Prompt-Version", "3"), ("X-Tallystick-Session", "s1"), ("X-Tallystick-Tags", "beta, tier=gold"),
        ("X-Tallystick-Dimension-Region", "eu"), ("X-Tallystick-Budget", "49.90"), ("X-Tallystick-Route", "cheap"),
        ("X-Tallystick-Confirm", "yes"), ("X-Tallystick-Sandbox", "true"),
    ) == Claims(
        labels={"team": "marketing", "project": "bot", "user": "u1", "agent": "writer", "environment": "prod", "cost_center": "4711",
                "prompt_key": "greet", "prompt_version": "3", "session": "s1"},
        tags=(("beta", ""), ("tier", "gold")), dimensions={"region": "eu"}, budget_nanos=49 * USD + 900_000_000, route="cheap",
        confirm=True, sandbox=True,
    )


def test_a_call_that_says_nothing():
    assert said(("user-agent", "curl"), ("x-tallystick-team", ""), body={"model": "m"}) == Claims()


def test_s0_s_tenant_is_our_team_and_its_budget_a_month_s_dollars():
    claim = said(("X-Cartie-Tenant", "marketing-usa"), ("X-Cartie-Project", "social-media-bot"), ("X-Cartie-Budget", "500"))
    assert claim == Claims(labels={"team": "marketing-usa", "project": "social-media-bot"}, budget_nanos=500 * USD)


def test_s1_s_dimensions():
    claim = said(("X-ASO-Team", "core"), ("X-ASO-Dimension-Feature", "search"), ("X-ASO-Dimension-Cost-Pool", "a b"))
    assert claim == Claims(labels={"team": "core"}, dimensions={"feature": "search", "cost-pool": "a b"})


def test_s3_s_body_member_and_sandbox():
    body = {"model": "m", "_aipromptcost": {"prompt_key": "summary", "feature_tags": ["chat", "beta"], "version": 2}}
    assert said(("X-Sandbox", "true"), body=body) == Claims(
        labels={"prompt_key": "summary", "prompt_version": "2"}, tags=(("chat", ""), ("beta", "")), sandbox=True,
    )


@pytest.mark.parametrize("name", ["_aipromptcost", "X-AIPromptCost"])
def test_s3_s_metadata_as_a_header(name):
    assert said((name, '{"prompt_key":"summary","version":2}')) == Claims(labels={"prompt_key": "summary", "prompt_version": "2"})


@pytest.mark.parametrize("metadata", [{}, {"prompt_key": None, "feature_tags": None, "version": None}, {"prompt_key": ""}])
def test_all_of_s3_s_members_are_optional_and_a_missing_prompt_key_is_no_label(metadata):
    assert said(body={"_aipromptcost": metadata}) == Claims()


def test_litellm_s_headers():
    assert said(
        ("x-litellm-tags", "a,b"), ("x-litellm-end-user-id", "eu"), ("x-litellm-trace-id", "t-1"),
        ("x-litellm-spend-logs-metadata", '{"feature":"search","n":3,"on":true,"nothing":null}'),
    ) == Claims(
        labels={"user": "eu", "session": "t-1"}, tags=(("a", ""), ("b", "")), dimensions={"feature": "search", "n": "3", "on": "true"},
    )


@pytest.mark.parametrize(("name", "label"), [
    ("x-litellm-team-id", "team"), ("x-litellm-customer-id", "user"), ("x-litellm-end-user-id", "user"), ("x-litellm-user-id", "user"),
    ("x-litellm-agent-id", "agent"), ("x-litellm-trace-id", "session"), ("x-litellm-session-id", "session"),
])
def test_each_of_litellm_s_headers_is_a_label(name, label):
    assert said((name, "it")) == Claims(labels={label: "it"})


@pytest.mark.parametrize("names", [
    ("x-litellm-customer-id", "x-litellm-end-user-id", "x-litellm-user-id"), ("x-litellm-trace-id", "x-litellm-session-id"),
])
def test_where_two_of_litellm_s_headers_mean_the_same_the_one_that_litellm_reads_first_counts(names):
    (label,) = {dict(HEADERS)[name.encode()] for name in names}
    assert said(*((name, name) for name in reversed(names))) == Claims(labels={label: names[0]})


def test_our_header_wins_over_the_body_and_the_body_over_other_headers():
    body = {"_aipromptcost": {"prompt_key": "from-body", "version": 1}}
    claim = said(("x-aipromptcost", '{"prompt_key":"from-header","version":9}'), ("x-tallystick-prompt-key", "ours"), body=body)
    assert claim == Claims(labels={"prompt_key": "ours", "prompt_version": "1"})


def test_tags_of_several_forms_add_up_once_each():
    claim = said(("x-litellm-tags", "a,b"), ("x-tallystick-tags", "b,c"), ("x-tallystick-tags", "d"))
    assert claim == Claims(tags=(("b", ""), ("c", ""), ("d", ""), ("a", "")))


def test_tags_are_percent_decoded_where_needed():
    claim = said(("x-tallystick-tags", "a%2Cb=c%3Dd, caf%C3%A9 , ,x=1=2"))
    assert claim == Claims(tags=(("a,b", "c=d"), ("café", ""), ("x", "1=2")))


@pytest.mark.parametrize(("text", "dollars"), [
    ("500", "500"), ("$500", "500"), ("$500/month", "500"), ("0", "0"), ("0.000000001", "0.000000001"), ("1234567.89", "1234567.89"),
])
def test_budgets(text, dollars):
    whole, _, part = dollars.partition(".")
    claim = said(("x-tallystick-budget", text))
    assert claim == Claims(budget_nanos=int(whole) * USD + int(part.ljust(9, "0")))


@pytest.mark.parametrize("headers", [
    [("x-tallystick-budget", "-5")], [("x-tallystick-budget", "5e3")], [("x-tallystick-budget", "5 000")], [("x-cartie-budget", "$500/year")],
    [("x-cartie-budget", "500 EUR")], [("x-cartie-budget", "0.0000000001")], [("x-cartie-budget", "٥")],
    [("x-tallystick-tags", "100%")], [("x-tallystick-tags", "%ff")], [("x-tallystick-tags", "a%00b")],
    [("x-tallystick-tags", ",".join(f"t{n}" for n in range(33)))], [("x-tallystick-tags", "n" * 65)], [("x-tallystick-tags", "n=" + "v" * 257)],
    [("x-tallystick-team", "v" * 257)], [("x-tallystick-team", "a\x01b")], [("x-tallystick-dimension-", "v")],
    [("x-tallystick-sandbox", "ture")], [("x-sandbox", "on")], [("x-tallystick-confirm", "maybe")],
    [("x-tallystick-team", "a"), ("x-tallystick-team", "b")], [("x-aso-dimension-a", "1"), ("x-tallystick-dimension-a", "2")],
    [("x-aipromptcost", "[]")], [("x-aipromptcost", "{")], [("x-litellm-spend-logs-metadata", '{"a":{"b":1}}')],
    [("x-litellm-spend-logs-metadata", '{"a":1,"a":2}')],
])
def test_what_cannot_be_read_is_refused(headers):
    refused = said(*headers)
    assert isinstance(refused, Denied)
    assert refused.code == "bad_attribution"


def test_bytes_that_are_not_utf_8_are_refused():
    assert claims([(b"x-tallystick-team", b"\xff")]).code == "bad_attribution"


@pytest.mark.parametrize("metadata", [
    [], "{", 7, {"prompt_key": 1}, {"version": 1.5}, {"version": True}, {"feature_tags": "chat"}, {"feature_tags": [1]}, {"prompt_key": "k" * 257},
])
def test_malformed_metadata_in_the_body_is_refused(metadata):
    assert said(body={"_aipromptcost": metadata}).code == "bad_attribution"


def test_a_repeated_header_with_one_value_says_it_once():
    assert said(("x-tallystick-team", "a"), ("x-tallystick-team", "a")) == Claims(labels={"team": "a"})


def test_every_label_has_a_header_of_ours():
    named = {meaning for name, meaning in HEADERS if name.startswith(b"x-tallystick-")}
    assert named >= set(LABELS)


@given(st.lists(st.tuples(st.sampled_from([name for name, _ in HEADERS] + [b"x-aso-dimension-a"]), st.binary(max_size=40)), max_size=6))
def test_no_header_raises(headers):
    assert isinstance(claims(headers), Claims | Denied)
