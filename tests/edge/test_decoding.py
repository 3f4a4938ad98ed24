"""The meter's view of a compressed reply: whole however it was cut, and never more than the limit."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from tallystick.edge.decoding import DECODED_BYTES_MAX, Decoder

TEXT = b"".join(b"%d tokens, " % number for number in range(50_000))
ZEROS = bytes(1 << 20)


def bomb() -> bytes:
    """Zstandard: a frame of blocks that each repeat one byte 128 Ki times."""
    block = b"\x02\x00\x10\x00"                  # not the last, run-length, 131,072 times zero
    return b"\x28\xb5\x2f\xfd\x00\x38" + block * 50_000


COMPRESS = {
    "gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.ZstdCompressor(write_content_size=False).compress,
    "identity": bytes, "": bytes,
}


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("size", [1, 700, 1 << 20])
def test_it_is_the_same_however_it_was_cut(encoding: str, size: int) -> None:
    data = COMPRESS[encoding](TEXT)
    decoder = Decoder(encoding)
    assert b"".join(decoder.feed(data[at:at + size]) for at in range(0, len(data), size)) == TEXT
    assert not decoder.broken


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_what_fills_its_pieces_exactly_is_whole(encoding: str) -> None:
    assert Decoder(encoding).feed(COMPRESS[encoding](ZEROS * 2)) == ZEROS * 2


@pytest.mark.parametrize(("encoding", "data"), [
    ("gzip", gzip.compress(ZEROS * 100)), ("deflate", zlib.compress(ZEROS * 100)), ("br", brotli.compress(ZEROS * 100, quality=5)), ("zstd", bomb()),
], ids=["gzip", "deflate", "br", "zstd"])
def test_a_bomb_gives_small_pieces_and_stops_at_the_limit(encoding: str, data: bytes) -> None:
    decoder = Decoder(encoding)
    sizes = [len(piece) for piece in decoder.pieces(data)]
    assert max(sizes) <= 16 << 20
    assert DECODED_BYTES_MAX - (16 << 20) < sum(sizes) <= DECODED_BYTES_MAX
    assert decoder.broken
    assert decoder.feed(data) == b""


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip", "gzip, br"])
def test_an_encoding_nobody_sends_is_not_undone(encoding: str) -> None:
    decoder = Decoder(encoding)
    assert decoder.feed(TEXT) == b""
    assert decoder.broken


def test_damage_is_no_fault() -> None:
    decoder = Decoder("gzip")
    data = gzip.compress(TEXT)
    assert decoder.feed(data[:10] + b"\xff" * 1000) == b""
    assert decoder.broken
    assert decoder.feed(data) == b""
