"""The meter's view of a reply: its content encoding removed, piece by piece, while the caller gets
the provider's bytes as they are. Bounded against compression bombs: what comes out is handed over in
pieces as it is made, and past `DECODED_BYTES_MAX` no more is made and the decoder is `broken`; the
caller's bytes are not touched.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import brotli
import zstandard

DECODED_BYTES_MAX: Final = 64 * 1024 * 1024
_PIECE_BYTES: Final = 1024 * 1024
_ZSTD_INPUT_BYTES: Final = 256               # a block of zstd is 4 bytes or more and gives at most 128 KiB
_ZSTD_WINDOW_BYTES_MAX: Final = 8 * 1024 * 1024      # RFC 9659: what zstd over HTTP may ask for


class _Inflater(Protocol):
    def pieces(self, data: bytes, /) -> Iterator[bytes]:
        """What the data gives, in pieces of a few MiB at most."""


class _Zlib:
    """gzip, zlib and raw deflate: providers send all three under two names."""

    def __init__(self, window_bits: int) -> None:
        self._bits = window_bits
        self._inner = zlib.decompressobj(window_bits)
        self._started = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if not self._started and data:
            self._started = True
            if self._bits == zlib.MAX_WBITS and (data[0] & 0x0F) != 8:   # "deflate" without its zlib header
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        full = True
        while data or full:
            out = self._inner.decompress(data, _PIECE_BYTES)
            data, full = self._inner.unconsumed_tail, len(out) == _PIECE_BYTES
            yield out


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        full = True
        while full or not self._inner.can_accept_more_data():
            out = self._inner.process(data, output_buffer_limit=_PIECE_BYTES)
            data, full = b"", len(out) >= _PIECE_BYTES
            yield out


class _Zstd:
    """The library bounds no output, so the input is given in pieces that cannot become too much."""

    def __init__(self) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
        self._inner = decompressor.decompressobj(read_across_frames=True)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_INPUT_BYTES):
            yield self._inner.decompress(data[at:at + _ZSTD_INPUT_BYTES])


def _inflater(name: str) -> _Inflater | None:
    if name in ("gzip", "x-gzip"):
        return _Zlib(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS)
    if name == "br":
        return _Brotli()
    if name == "zstd":
        return _Zstd()
    return None


class Decoder:
    """Undoes a `Content-Encoding` as far as it can. `broken` says that the body could not be read
    to its end: an unknown or damaged encoding, one upon another, or more than the limit."""

    def __init__(self, content_encoding: str) -> None:
        names = [] if not content_encoding else [
            n.strip().lower() for n in content_encoding.split(",") if n.strip() and n.strip().lower() != "identity"]
        self._plain = not names
        self._inflater = _inflater(names[0]) if len(names) == 1 else None
        self.broken = bool(names) and self._inflater is None
        self._decoded_bytes = 0

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """The decoded bytes that these give, as they are made; none once broken."""
        return (data,) if self._plain else self._inflated(data)

    def feed(self, data: bytes) -> bytes:
        """The same as one piece."""
        return b"".join(self.pieces(data))

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        if self.broken or self._inflater is None:
            return
        try:
            for piece in self._inflater.pieces(data):
                self._decoded_bytes += len(piece)
                if self._decoded_bytes > DECODED_BYTES_MAX:
                    self.broken = True
                    return
                yield piece
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self.broken = True
