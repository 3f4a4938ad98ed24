"""Where pictures, sound and pages are hard to bill: streams that break off, replies too long to keep,
requests that leave the choice open."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick.core.call import Facts
from tallystick.providers.dialects.openai_audio import OpenAISpeech, OpenAITranscription
from tallystick.providers.dialects.openai_images import OpenAIImages
from tallystick.providers.dialects.page_reading import PageReading
from tests.build.replies import body, events, head, inclusive, read

TOKENS = {"input_tokens": 10, "input_tokens_details": {"text_tokens": 10, "image_tokens": 0}, "output_tokens": 272}
PREVIEW = {"type": "image_generation.partial_image", "b64_json": "aGk=", "partial_image_index": 0}
COMPLETED = {"type": "image_generation.completed", "b64_json": "aGk=", "usage": TOKENS}


def drawn(facts: Facts, *sent: dict[str, Any]) -> Any:
    return read(OpenAIImages(), events(*sent), head(streaming=True), facts)


def test_a_stream_ends_with_the_last_picture_asked_for() -> None:
    meter = OpenAIImages().meter(Facts(n=2, stream=True), head(streaming=True))
    meter.feed(events(PREVIEW, COMPLETED))
    assert not meter.ended
    meter.feed(events(PREVIEW, COMPLETED))
    assert meter.ended
    assert inclusive(meter.finish()) == {"input": 20, "output": 544, "image_out": 544}


def test_a_stream_that_broke_off_before_its_picture_says_nothing() -> None:
    reading = drawn(Facts(model="gpt-image-1", stream=True), PREVIEW)
    assert (reading.usage, reading.opaque, reading.ended, reading.model) == (None, True, False, "gpt-image-1")


def test_an_error_in_a_stream_is_seen() -> None:
    assert drawn(Facts(), {"type": "error", "error": {"message": "no"}}).failed


@pytest.mark.parametrize(("asked", "said", "chosen"), [
    ({}, {}, {"size": "1024x1024", "quality": "standard"}),
    ({"size": "auto", "quality": "auto"}, {}, {"size": "1024x1024", "quality": "standard"}),
    ({"size": "auto", "quality": "hd"}, {"size": "1792x1024"}, {"size": "1792x1024", "quality": "hd"}),
    ({"size": "512x512"}, {"size": "auto"}, {"size": "512x512", "quality": "standard"}),
])
def test_a_picture_is_priced_as_it_was_made(asked: dict[str, str], said: dict[str, str], chosen: dict[str, str]) -> None:
    dialect = OpenAIImages()
    facts = dialect.facts({"model": "dall-e-3", "prompt": "geese", **asked}, None)
    assert read(dialect, body({"data": [{"url": "https://x/1.png"}], **said}), head(), facts).traits == chosen


def test_pictures_that_were_not_delivered_are_not_counted() -> None:
    reading = read(OpenAIImages(), body({"data": []}), head(), Facts(model="dall-e-2", n=4))
    assert (reading.usage, reading.opaque) == (None, True)


def test_pages_are_found_behind_pictures_too_long_to_keep() -> None:
    long = body({"pages": [{"images": [{"image_base64": "A" * (5 << 20)}]}], "model": "mistral-ocr-latest", "usage_info": {"pages_processed": 3}})
    meter = PageReading().meter(Facts(), head())
    for at in range(0, len(long), 1 << 16):
        meter.feed(long[at:at + (1 << 16)])
    assert inclusive(meter.finish()) == {"pages": 3}


def test_speech_without_text_in_the_request_is_not_free() -> None:
    reading = read(OpenAISpeech(), b"sound", head(content_type="audio/mpeg"), Facts(model="tts-1"))
    assert (reading.usage, reading.opaque) == (None, True)


@pytest.mark.parametrize("wrong", [-1, "long", None, True, [], {}, 1e30])
def test_seconds_that_are_none_are_not_billed(wrong: object) -> None:
    reading = read(OpenAITranscription(seconds_min=10), body({"text": "x", "duration": wrong}), head(), Facts(model="whisper-1"))
    assert (reading.usage, reading.opaque) == (None, True)
