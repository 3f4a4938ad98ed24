"""A body, whole or as it comes: never longer than allowed, never shorter than sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tallystick.core.errors import Denied
from tallystick.edge.body import BodyFault, BodyLimits, read_body, stream_body
from tallystick.edge.replies import status_of, upstream_failed

LIMITS = BodyLimits(body_bytes_max=10, upload_bytes_max=20)


class Sender:
    """A client that sends these pieces, and then leaves if the last was not marked so. `asked` counts
    how often it was read from."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self.asked = 0
        self._messages: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        if ends:
            self._messages[-1]["more_body"] = False

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}


def scope(control: Any = None, **headers: str) -> dict[str, Any]:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if control:
        control.fields = dict(lines)
    return {"headers": lines, "extensions": {"tallystick": control} if control else {}}


def gate(fault: Denied | None = None) -> SimpleNamespace:
    control = SimpleNamespace(fault=fault, uploading=False, whole_body=lambda: None)
    control.uploads = lambda: setattr(control, "uploading", True)
    return control


async def streamed(request: dict[str, Any], sender: Sender) -> list[bytes]:
    stream = stream_body(request, sender, LIMITS)
    assert not isinstance(stream, Denied)
    return [piece async for piece in stream]


@pytest.mark.parametrize("pieces", [(b"0123456789",), (b"01234", b"", b"56789"), (b"0123456789", b"")])
async def test_a_body_is_read_to_its_end(pieces):
    assert await read_body(scope(transfer_encoding="chunked"), Sender(*pieces), LIMITS) == b"0123456789"


async def test_a_request_without_a_body_is_not_waited_for():
    sender = Sender(b"")
    assert await read_body(scope(), sender, LIMITS) == b""
    assert sender.asked == 0


async def test_a_declared_length_is_judged_before_a_byte_is_read():
    sender = Sender(b"")
    refused = await read_body(scope(content_length="11"), sender, LIMITS)
    assert isinstance(refused, Denied)
    assert (refused.code, sender.asked) == ("body_too_large", 0)
    assert stream_body(scope(content_length="21"), sender, LIMITS).code == "body_too_large"


async def test_an_undeclared_length_is_judged_as_it_grows():
    sender = Sender(b"012345", b"678901", b"never read")
    assert (await read_body(scope(transfer_encoding="chunked"), sender, LIMITS)).code == "body_too_large"
    assert sender.asked == 2


async def test_a_client_that_leaves_leaves_no_request():
    assert (await read_body(scope(content_length="10"), Sender(b"01234", ends=False), LIMITS)).code == "incomplete_body"


async def test_the_gate_knows_why_a_body_broke_off():
    late = Denied("request_timeout", "Too slow.")
    assert await read_body(scope(gate(late), content_length="10"), Sender(b"0", ends=False), LIMITS) is late


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-unknown"])
async def test_compressed_bodies_are_not_read(encoding):
    assert (await read_body(scope(content_length="1", content_encoding=encoding), Sender(b"x"), LIMITS)).code == "unsupported_encoding"
    assert stream_body(scope(content_length="1", content_encoding=encoding), Sender(b"x"), LIMITS).code == "unsupported_encoding"


async def test_an_upload_passes_piece_by_piece_and_says_so_to_the_gate():
    control = gate()
    sender = Sender(b"0123456789", b"", b"0123456789")
    assert await streamed(scope(control, content_length="20"), sender) == [b"0123456789", b"0123456789"]
    assert control.uploading


@pytest.mark.parametrize(("sender", "status"), [
    (Sender(b"0123456789", ends=False), 400),
    (Sender(b"0123456789", b"0123456789", b"0"), 413),
])
async def test_an_upload_that_breaks_off_is_a_fault_with_an_answer(sender, status):
    with pytest.raises(BodyFault) as fault:
        await streamed(scope(transfer_encoding="chunked"), sender)
    assert status_of(upstream_failed(fault.value).code) == status
