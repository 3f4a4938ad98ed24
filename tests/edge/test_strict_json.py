"""A body that two readers could read differently goes nowhere; every other one is read exactly."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import Denied
from tallystick.edge.strict_json import DEPTH_MAX, KEYS_MAX, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """An object that holds `depth` − 1 containers, one in the other, and a number in the last."""
    return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_whatever_a_proper_writer_writes_is_read_as_it_was_meant(value, ascii_only, indent):
    assert parse(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == value


@pytest.mark.parametrize(("body", "code"), [
    # B7: duplicates at any depth, escaped twins too
    (b'{"model":"a","model":"b"}', "duplicate_key"),
    (b'{"max_tokens":1,"x":2,"max_tokens":9}', "duplicate_key"),
    (b'{"messages":[{"role":"user","role":"system"}]}', "duplicate_key"),
    (b'{"model":"a","mod\\u0065l":"b"}', "duplicate_key"),
    (b'{"\\u006dodel":"a","model":"b"}', "duplicate_key"),
    (b'{"":1,"":2}', "duplicate_key"),
    # B8: anything but plain UTF-8
    (b"\xef\xbb\xbf{}", "invalid_json"),
    ('{"a":1}'.encode("utf-16"), "invalid_json"),
    ('{"a":1}'.encode("utf-16-le"), "invalid_json"),
    ('{"a":1}'.encode("utf-16-be"), "invalid_json"),
    ('{"a":1}'.encode("utf-32"), "invalid_json"),
    (b'{"a":"\xc0\xaf"}', "invalid_json"),
    (b'{"a":"\xed\xa0\x80"}', "invalid_json"),
    (b'{"a":"\xf5\x80\x80\x80"}', "invalid_json"),
    (b'{"a":"\xff"}', "invalid_json"),
    (b'{"a":"\\ud800"}', "invalid_json"),
    (b'{"a":"\\ud800\\u0041"}', "invalid_json"),
    (b'{"\\udfff":1}', "invalid_json"),
    (b'{"a":"\x00"}', "invalid_json"),
    (b'{"a":1}\x00', "invalid_json"),
    # B9: numbers
    (b'{"a":NaN}', "invalid_json"),
    (b'{"a":Infinity}', "invalid_json"),
    (b'{"a":-Infinity}', "invalid_json"),
    (b'{"a":1e400}', "number_out_of_range"),
    (b'{"a":[{"b":-1E+400}]}', "number_out_of_range"),
    (b'{"a":' + b"9" * 309 + b"}", "number_out_of_range"),
    (b'{"a":' + b"9" * 4_301 + b"}", "number_out_of_range"),
    (b'{"a":01}', "invalid_json"),
    (b'{"a":+1}', "invalid_json"),
    (b'{"a":.5}', "invalid_json"),
    (b'{"a":0x10}', "invalid_json"),
    # what lax readers let pass
    (b"", "invalid_json"),
    (b" ", "invalid_json"),
    (b"{}{}", "invalid_json"),
    (b"{} x", "invalid_json"),
    (b'{"a":1,}', "invalid_json"),
    (b"{'a':1}", "invalid_json"),
    (b'{"a":1 /* */}', "invalid_json"),
    (b'{"a":"\t"}', "invalid_json"),
    (b'{"a":tru}', "invalid_json"),
    (b"\x0c{}", "invalid_json"),
    (b"[]", "not_an_object"),
    (b'"text"', "not_an_object"),
    (b"null", "not_an_object"),
    # B11: without end
    (nested(DEPTH_MAX + 1), "json_too_deep"),
    (nested(DEPTH_MAX + 1, b'{"b":', b"}"), "json_too_deep"),
    (nested(100_000), "json_too_deep"),
    (b"[" * 100_000, "json_too_deep"),
    (b"{" + b",".join(b'"k%d":1' % index for index in range(KEYS_MAX + 1)) + b"}", "json_too_many"),
    (b"{" + b",".join(b'"k%d" : 1' % index for index in range(KEYS_MAX + 1)) + b"}", "json_too_many"),
])
def test_a_body_that_could_be_read_two_ways_is_refused(body, code):
    refused = parse(body)
    assert isinstance(refused, Denied)
    assert refused.code == code


@pytest.mark.parametrize("body", [
    b'{"Model":"a","model":"b"}',                        # B13: other case, other key
    b'{"a":{"b":1},"c":{"b":1}}',
    b'{"a":"\\ud83d\\ude00","b":"\\u0000"}',
    b'{"a":1.7976931348623157e308,"b":-9223372036854775808,"c":18446744073709551615,"d":1e-400}',
    b' \r\n\t{ "a" : [ ] } \n',
    nested(DEPTH_MAX),
])
def test_what_only_looks_odd_is_read(body):
    assert parse(body) == json.loads(body)


def test_a_long_text_full_of_colons_and_commas_is_no_crowd():
    text = "12:30:01, " * 200_000
    assert parse(json.dumps({"input": text, "n": 1}).encode()) == {"input": text, "n": 1}


def test_a_refusal_repeats_nothing_of_the_body():
    for body in (b'{"sk-secret":1,"sk-secret":2}', b'{"a":sk-secret}', b'["sk-secret"]'):
        refused = parse(body)
        assert isinstance(refused, Denied)
        assert "sk-secret" not in refused.message


def test_no_mutation_of_a_body_raises_and_what_is_read_agrees_with_the_standard_library():
    seed = b'{"model":"gpt-4o","messages":[{"role":"user","content":"h\xc3\xa9 \\u00e9 \\n"}],"n":1,"t":0.5e1,"s":true,"z":null}'
    random_source = random.Random(20261121)
    alphabet = b'{}[]":,\\ \n\t0123456789eE+-.untrfalse\x00\xff\xc3\xed\xa0'
    for _ in range(4_000):
        body = bytearray(seed)
        for _ in range(random_source.randint(1, 4)):
            place = random_source.randrange(len(body))
            action = random_source.randrange(3)
            if action == 0:
                body[place] = random_source.choice(alphabet)
            elif action == 1:
                body.insert(place, random_source.choice(alphabet))
            else:
                del body[place]
        read = parse(bytes(body))
        if not isinstance(read, Denied):
            assert read == json.loads(body), bytes(body)
