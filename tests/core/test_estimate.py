"""Tokens from bytes: a bound before the call, and a guess where no usage was stated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts
from tallystick.core.estimate import HIDDEN_PROMPT_TOKENS, MEDIUM_TOKENS, MEDIUM_TOKENS_MAX, estimate_usage, input_bound_tokens
from tallystick.core.usage import Usage, usage_of


@pytest.mark.parametrize(("body_bytes", "strict", "tokens"), [(0, False, 0), (1, False, 1), (1001, False, 501), (1001, True, 1001)])
def test_the_bound_is_half_the_bytes_and_room_for_hidden_prompts(body_bytes, strict, tokens):
    assert input_bound_tokens(Facts(), body_bytes, strict=strict) == tokens + HIDDEN_PROMPT_TOKENS


def test_inline_media_count_by_number_and_not_by_size():
    picture = Facts(media=2, media_bytes=900_000)
    assert input_bound_tokens(picture, 901_000) == 500 + 2 * MEDIUM_TOKENS_MAX + HIDDEN_PROMPT_TOKENS
    assert estimate_usage(picture, 901_000, 0, "google").input_tokens == 133 + 2 * MEDIUM_TOKENS


def test_every_family_has_its_ratio_and_an_unknown_one_the_mean():
    assert estimate_usage(Facts(), 10_000, 1_000, "anthropic") == usage_of(input_text=2820, output_text=338)
    assert estimate_usage(Facts(), 10_000, 1_000, "azure") == estimate_usage(Facts(), 10_000, 1_000, "openai")
    assert estimate_usage(Facts(), 10_000, 1_000, "vertex") == estimate_usage(Facts(), 10_000, 1_000, "google")
    assert estimate_usage(Facts(), 10_000, 1_000, "someone-new") == usage_of(input_text=3390, output_text=208)


def test_what_was_stated_before_the_cut_is_taken_as_stated():
    floor = usage_of(input_text=1000, cached_text=50_000, output_text=1)
    assert estimate_usage(Facts(), 10, 1_000, "anthropic", floor) == usage_of(input_text=1000, cached_text=50_000, output_text=338)
    assert estimate_usage(Facts(), 10, 0, "anthropic", floor) == floor


def test_a_floor_without_input_bounds_the_output_only():
    assert estimate_usage(Facts(), 1000, 0, "anthropic", usage_of(output_text=7)) == usage_of(input_text=282, output_text=7)
    assert estimate_usage(Facts(), 0, 0, "anthropic", Usage()) == Usage()


counts = st.integers(0, 10**9)


@given(counts, counts, counts, st.integers(0, 50), st.sampled_from(["anthropic", "google", "openai", "other"]))
def test_more_bytes_never_mean_fewer_tokens_and_a_bound_is_never_negative(body_bytes, more, media_bytes, media, family):
    facts = Facts(media=media, media_bytes=media_bytes)
    assert 0 < input_bound_tokens(facts, body_bytes) <= input_bound_tokens(facts, body_bytes + more)
    few, many = (estimate_usage(facts, size, size, family) for size in (body_bytes, body_bytes + more))
    assert few.input_tokens <= many.input_tokens
    assert few.output_tokens <= many.output_tokens
