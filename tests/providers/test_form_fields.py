"""The few words of a form that decide a price, read while the form streams past."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.providers.dialects.form_fields import FIELDS_MAX, VALUE_BYTES_MAX, FormFields

SOUND = b"RIFF\r\n--not the boundary\r\n\r\n" + bytes(range(256)) * 40


def form(fields: dict[str, str]) -> tuple[str, bytes]:
    """A form as a real client writes it: its content type and its bytes."""
    request = httpx.Request("POST", "http://provider.test/", data=fields, files={"file": ("speech.wav", SOUND, "audio/wav")})
    return request.headers["content-type"], request.read()


def reader(content_type: str) -> FormFields:
    found = FormFields.of(content_type)
    assert found is not None
    return found


@pytest.mark.parametrize("size", [1, 3, 70, 4096, 1 << 20])
def test_fields_are_read_however_the_bytes_arrive(size: int) -> None:
    content_type, body = form({"model": "whisper-1", "response_format": "verbose_json", "n": "2", "stream": "true", "prompt": ""})
    fields = reader(content_type)
    for at in range(0, len(body), size):
        fields.feed(body[at:at + size])
    assert fields.fields == {"model": "whisper-1", "response_format": "verbose_json", "n": 2, "stream": True, "prompt": ""}
    assert fields.file_bytes == len(SOUND)


def test_fields_behind_the_file_are_read_too() -> None:
    body = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\nabc\r\n'
            b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\nepilogue')
    fields = reader('multipart/form-data; charset=utf-8; boundary="b"')
    fields.feed(body)
    assert (fields.fields, fields.file_bytes) == ({"model": "whisper-1"}, 3)


def test_a_file_called_like_a_field_is_no_field() -> None:
    body = b'--b\r\nContent-Disposition: form-data; filename="x"; name="model"\r\n\r\ngpt-9\r\n--b--\r\n'
    fields = reader("multipart/form-data; boundary=b")
    fields.feed(body)
    assert fields.fields == {}


def test_what_is_no_form_is_not_read() -> None:
    assert FormFields.of("application/json") is None
    assert FormFields.of("multipart/form-data") is None


def test_memory_is_bounded() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\n%s\r\n'
    fields = reader("multipart/form-data; boundary=b")
    fields.feed(part % (0, b"x" * (VALUE_BYTES_MAX + 1)))
    for number in range(1, 2 * FIELDS_MAX):
        fields.feed(part % (number, b"y"))
    assert len(fields.fields) <= FIELDS_MAX
    assert "0" not in fields.fields


def test_a_head_without_end_ends_the_reading() -> None:
    fields = reader("multipart/form-data; boundary=b")
    for _ in range(100):
        fields.feed(b"--b\r\nContent-Disposition: " + b"x" * 1_000)
    fields.feed(b'\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b--')
    assert fields.fields == {}


@given(st.binary(max_size=400), st.lists(st.integers(1, 40), max_size=12))
def test_it_never_raises_and_splits_change_nothing(noise: bytes, cuts: list[int]) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n' + noise
    whole, pieces = reader("multipart/form-data; boundary=b"), reader("multipart/form-data; boundary=b")
    whole.feed(body)
    at = 0
    for cut in [*cuts, len(body)]:
        pieces.feed(body[at:at + cut])
        at += cut
    assert pieces.fields == whole.fields
