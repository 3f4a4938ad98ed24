"""A caller who did not ask for usage sees the stream that nobody asked for it, byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.providers.dialects.stream_usage import UsageRemover, inject

USAGE = b'"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}'


def undo(pieces):
    remover = UsageRemover()
    return b"".join(remover.feed(piece) for piece in pieces) + remover.finish()


def chunks(*texts, end=b"\n\n", asked, tail=b""):
    """A stream as a provider writes it, with the option and without. `tail`: members behind usage."""
    null = b',"usage":null' if asked else b""
    for text in texts:
        body = json.dumps({"index": 0, "delta": {"content": text}, "finish_reason": None}, separators=(",", ":")).encode()
        yield b'data: {"id":"c1","model":"m","choices":[' + body + b"]" + null + tail + b"}" + end
    if asked:
        yield b'data: {"id":"c1","model":"m","choices":[],' + USAGE + tail + b"}" + end
    yield b"data: [DONE]" + end


PAIRS = [
    {"end": b"\n\n"},
    {"end": b"\r\n\r\n"},
    {"end": b"\r\r"},
    {"end": b"\n\n", "tail": b',"obfuscation":"x1Y"'},
]
TEXTS = ["", "Hello", ' "usage":null', '{"usage": {"a": 1}}', "é\n\n\r\n", "\\"]


@pytest.mark.parametrize("form", PAIRS)
def test_the_stream_is_the_one_without_the_option(form):
    asked, plain = b"".join(chunks(*TEXTS, asked=True, **form)), b"".join(chunks(*TEXTS, asked=False, **form))
    assert undo([asked]) == plain
    assert undo(list(chunks(*TEXTS, asked=True, **form))) == plain
    assert undo([asked[i:i + 1] for i in range(len(asked))]) == plain
    for cut in range(len(asked)):
        assert undo([asked[:cut], asked[cut:]]) == plain


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from(PAIRS), st.lists(st.integers(1, 90), max_size=30))
def test_any_text_any_split(texts, form, cuts):
    asked, plain = b"".join(chunks(*texts, asked=True, **form)), b"".join(chunks(*texts, asked=False, **form))
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(asked[at:at + cut])
        at += cut
    assert undo([*pieces, asked[at:]]) == plain


def test_every_whole_event_goes_out_at_once():
    remover = UsageRemover()
    sent = list(chunks("a", "b", asked=True))
    plain = list(chunks("a", "b", asked=False))
    assert [remover.feed(piece) for piece in sent] == [plain[0], plain[1], b"", plain[2]]
    assert remover.feed(b"data: {\"cho") == b""
    assert remover.finish() == b"data: {\"cho"


def test_a_chunk_with_choices_is_never_dropped():
    last = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],' + USAGE + b"}\n\n"
    assert undo([last]) == b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


def test_an_opening_chunk_without_choices_or_usage_stays():
    opening = b'data: {"choices":[],"model":"","prompt_filter_results":[{"prompt_index":0}]%s}\n\n'
    assert undo([opening % b',"usage":null']) == opening % b""
    assert undo([opening % b""]) == opening % b""


def test_white_space_around_the_member_goes_with_it():
    event = b'event: chunk\ndata: {"id": "c", "choices": [{"x": 1}], "usage": null, "z": 1}\n\n'
    assert undo([event]) == b'event: chunk\ndata: {"id": "c", "choices": [{"x": 1}], "z": 1}\n\n'


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_what_is_no_chunk_passes_as_it_is(pieces):
    assert undo(pieces) == b"".join(pieces)


@pytest.mark.parametrize("event", [b'data: {"usage":null,\n\n', b'data: ["usage"]\n\n', b'data: "usage"\n\n', b': "usage"\n\n',
                                   b'data: {"a":\ndata: "usage"}\n\n'])
def test_what_cannot_be_read_passes_as_it_is(event):
    assert undo([event]) == event
    assert undo([event[i:i + 1] for i in range(len(event))]) == event


def test_an_event_too_long_to_hold_passes_and_the_next_is_read_again():
    long = b'data: {"choices":[{"x":"' + b"y" * (1 << 21) + b'"}],"usage":null}\n\n'
    after = b'data: {"choices":[],' + USAGE + b"}\n\ndata: [DONE]\n\n"
    stream = long + after
    assert undo([stream[i:i + 70_001] for i in range(0, len(stream), 70_001)]) == long + b"data: [DONE]\n\n"


@pytest.mark.parametrize(("body", "expected"), [
    (b'{"model":"m","stream":true}', b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'),
    (b'{ "stream" : true\n}\n', b'{ "stream" : true\n,"stream_options":{"include_usage":true}}\n'),
    (b'{"stream_options":{"include_usage":false},"a":1.0}', b'{"stream_options":{"include_usage":true},"a":1.0}'),
    (b'{"stream_options":{"include_obfuscation":false}}', b'{"stream_options":{"include_usage":true,"include_obfuscation":false}}'),
    (b'{"stream_options":{},"a":1}', b'{"stream_options":{"include_usage":true},"a":1}'),
    (b'{"stream_options":null,"a":1}', b'{"stream_options":{"include_usage":true},"a":1}'),
    (b'{"messages":[{"content":"\\"stream_options\\" \\u00e9 }"}]}', b'{"messages":[{"content":"\\"stream_options\\" \\u00e9 }"}],"stream_options":{"include_usage":true}}'),
    (b'{"stream\\u005foptions":{"x":1}}', b'{"stream\\u005foptions":{"include_usage":true,"x":1}}'),
])
def test_asking_is_a_splice(body, expected):
    assert inject(body) == expected
    assert json.loads(inject(body))["stream_options"]["include_usage"] is True
