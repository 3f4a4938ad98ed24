"""A splice changes what it names and not one byte besides."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.jsonbytes import add_member, append_member, find_member, members, remove_member, set_member, set_nested

NAMES = st.sampled_from(["usage", "stream_options", "model", "a\"b", "é", "\\", "{", "x"]) | st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6)
STYLES = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}])


@given(OBJECTS, STYLES, NAMES)
def test_removing_a_member_leaves_the_others(document, style, name):
    text = json.dumps(document, **style).encode()
    rest = {k: v for k, v in document.items() if k != name}
    assert list(json.loads(remove_member(text, name)).items()) == list(rest.items())
    if name not in document:
        assert remove_member(text, name) == text


@given(OBJECTS, STYLES, NAMES, VALUES)
def test_adding_then_removing_gives_the_same_bytes(document, style, name, value):
    document.pop(name, None)
    text = json.dumps(document, **style).encode()
    encoded = json.dumps(value).encode()
    for add in (add_member, append_member):
        added = add(text, name, encoded)
        assert json.loads(added) == {**document, name: value}
    if style.get("indent") is None:
        assert remove_member(add_member(text, name, encoded), name) == text
        assert remove_member(append_member(text, name, encoded), name) == text


@given(OBJECTS, STYLES, NAMES, VALUES)
def test_setting_a_member_changes_only_its_value(document, style, name, value):
    text = json.dumps(document, **style).encode()
    assert json.loads(set_member(text, name, json.dumps(value).encode())) == {**document, name: value}


@given(OBJECTS, STYLES, NAMES, NAMES)
def test_setting_a_nested_member(document, style, outer, inner):
    text = json.dumps(document, **style).encode()
    old = document.get(outer)
    expected = {**(old if isinstance(old, dict) else {}), inner: True}
    assert json.loads(set_nested(text, outer, inner, b"true")) == {**document, outer: expected}


@given(OBJECTS, STYLES)
def test_members_are_found_where_they_stand(document, style):
    text = json.dumps(document, **style).encode()
    assert {m.name: json.loads(text[m.value:m.end]) for m in members(text)} == document


def test_the_bytes_around_are_untouched():
    text = b'{ "model" : "m\\u0061" ,\n "n":1.50,"usage" : {"a":[1,{"usage":2}]} , "z":[ ] }'
    assert remove_member(text, "usage") == b'{ "model" : "m\\u0061" ,\n "n":1.50 , "z":[ ] }'
    assert remove_member(text, "model") == b'{ "n":1.50,"usage" : {"a":[1,{"usage":2}]} , "z":[ ] }'
    assert remove_member(text, "z") == b'{ "model" : "m\\u0061" ,\n "n":1.50,"usage" : {"a":[1,{"usage":2}]}  }'
    assert set_nested(b'{"stream_options":null}', "stream_options", "include_usage", b"true") == b'{"stream_options":{"include_usage":true}}'


def test_an_escaped_name_is_the_same_name():
    assert remove_member(b'{"us\\u0061ge":null,"x":1}', "usage") == b'{"x":1}'


def test_the_last_of_two_counts_and_both_are_removed():
    text = b'{"a":1,"b":2,"a":3}'
    member = find_member(text, "a")
    assert member is not None
    assert text[member.value:member.end] == b"3"
    assert remove_member(text, "a") == b'{"b":2}'


@pytest.mark.parametrize("text", [b"", b"[]", b'"x"', b"  "])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ValueError, match=r"not a JSON object"):
        add_member(text, "a", b"1")


@given(st.text(alphabet='{}[]",:\\ a1\n', max_size=30).map(str.encode) | st.binary(max_size=30))
def test_what_is_no_json_ends_in_a_value_error_at_worst(text):
    for change in (lambda: remove_member(text, "a"), lambda: set_nested(text, "a", "b", b"1"), lambda: append_member(text, "a", b"1"),
                   lambda: add_member(text, "a", b"1")):
        try:
            change()
        except ValueError:
            pass
