"""A streamed JSON array comes apart into the same elements however it was cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.providers.dialects.json_documents import JsonDocuments

STREAM = b'[{"a": "}]\\"{", "b": [1, {"c": []}]}\r\n,\n{"d": "\\\\"},{}\n]\n'
ELEMENTS = [b'{"a": "}]\\"{", "b": [1, {"c": []}]}', b'{"d": "\\\\"}', b"{}"]

values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='"\\{}[],é', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='"\\{}[]', max_size=3), inner, max_size=3),
    max_leaves=10,
)


def read(pieces, bytes_max=1 << 20):
    reader = JsonDocuments(bytes_max)
    elements = [element for piece in pieces for element in reader.feed(piece)]
    assert reader.finish() == []
    return elements, reader.dropped, reader.ended


@pytest.mark.parametrize("offset", range(len(STREAM) + 1))
def test_a_cut_anywhere_changes_nothing(offset):
    assert read([STREAM[:offset], STREAM[offset:]]) == (ELEMENTS, 0, True)


def test_one_byte_at_a_time():
    assert read([STREAM[i:i + 1] for i in range(len(STREAM))]) == (ELEMENTS, 0, True)


def test_a_bare_object_is_an_array_of_one():
    assert read([b' {"error": {"code": 400}}\n']) == ([b'{"error": {"code": 400}}'], 0, True)


def test_the_end_is_not_seen_before_it_is_there():
    assert read([STREAM[:-3]]) == (ELEMENTS, 0, False)
    assert read([b'[{"a": 1']) == ([], 0, False)


def test_an_element_over_the_limit_is_dropped_and_the_next_is_read():
    assert read([b'[{"a": "', b"x" * 100, b'"}, {"b": 1}]'], bytes_max=20) == ([b'{"b": 1}'], 1, True)


@given(st.lists(st.dictionaries(st.text(max_size=3), values, max_size=3), max_size=4), st.integers(1, 7))
def test_any_array_of_objects_comes_back(documents, size):
    data = json.dumps(documents, ensure_ascii=False).encode()
    elements, dropped, ended = read([data[at:at + size] for at in range(0, len(data), size)])
    assert [json.loads(element) for element in elements] == documents
    assert (dropped, ended) == (0, True)


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b",", b"a"]), max_size=40), st.integers(1, 5))
def test_any_bytes_read_the_same_under_any_split(tokens, size):
    data = b"".join(tokens)
    assert read([data]) == read([data[at:at + size] for at in range(0, len(data), size)])
