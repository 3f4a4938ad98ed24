"""Issued keys keep the look their source system's users expect, and tell a typing error from a key."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.keyformat import ENTROPY_BYTES, FORMATS, format_named, mint, preview, recognises, well_formed
from tallystick.core.secret import Secret

ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


@given(st.sampled_from(FORMATS), ENTROPY)
def test_a_minted_key_is_recognised_and_well_formed(form, entropy):
    minted = mint(form, entropy)
    key = minted.key.reveal()
    assert key.startswith(f"{form.prefix}{minted.id}{form.joint}")
    assert recognises(key)
    assert well_formed(key)
    assert not any(character.isspace() or character in ",;=" for character in key)


@given(st.sampled_from(FORMATS), ENTROPY, st.data())
def test_one_mistyped_character_is_noticed(form, entropy, data):
    key = mint(form, entropy).key.reveal()
    place = data.draw(st.integers(len(form.prefix), len(key) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0aZ" if digit != key[place]]))
    assert not well_formed(key[:place] + wrong + key[place + 1:])


@given(ENTROPY, ENTROPY)
def test_other_random_bytes_make_another_key(one, other):
    keys = {mint(FORMATS[0], entropy).key.reveal() for entropy in (one, other)}
    assert len(keys) == len({one, other})


def test_too_little_randomness_makes_no_key():
    with pytest.raises(AssertionError, match="40 random bytes"):
        mint(FORMATS[0], b"short")


def test_the_forms_are_those_of_the_source_systems():
    shapes = {form.name: mint(form, bytes(ENTROPY_BYTES)).key.reveal() for form in FORMATS}
    assert shapes["tallystick"].startswith("tsk_00000000000_")
    assert shapes["cartie"].startswith("cartie_proxy_")
    assert shapes["aso"].startswith("aso_k_00000000000.")
    assert shapes["vk"].startswith("vk_")
    assert shapes["apc"].startswith("apc_")
    assert shapes["acm"].startswith("acm_proj_")


def test_a_format_is_found_by_name_or_prefix():
    assert format_named("acm") is format_named("acm_proj") is format_named("acm_proj_") is FORMATS[5]
    assert format_named("sk") is None


def test_a_preview_shows_the_last_four_characters():
    assert preview("apc_1234567890x4f2") == "apc_...x4f2"
    assert preview("proj-hr-chatbot-dev") == "...-dev"


def test_a_provider_key_is_none_of_ours():
    assert not recognises("sk-proj-abc")
    assert not well_formed("sk-proj-abc")


def test_a_secret_shows_itself_to_nobody():
    secret = Secret("sk-canary")
    shown = f"{secret} {secret!r} {secret!s} {secret:>20} {[secret]}"
    assert "canary" not in shown
    assert secret.reveal() == "sk-canary"
    assert secret == Secret("sk-canary")
    assert secret != Secret("other")
    assert not Secret("")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)
