"""The meter's view of a reply: its content encoding removed, piece by piece, while the caller gets
the provider's bytes as they are. Bounded against compression bombs: past `DECODED_BYTES_MAX` the
meter is fed no more and the reading says so; the caller's bytes are not touched.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import brotli
import zstandard

DECODED_BYTES_MAX = 64 * 1024 * 1024
_STEP = 1024 * 1024


class _Inflater(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class _Zlib:
    """gzip, zlib and raw deflate: providers send all three under two names."""

    def __init__(self, window_bits: int) -> None:
        self._bits = window_bits
        self._inner = zlib.decompressobj(window_bits)
        self._started = False

    def decompress(self, data: bytes) -> bytes:
        if not self._started and data:
            self._started = True
            if self._bits == zlib.MAX_WBITS and (data[0] & 0x0F) != 8:   # "deflate" without its zlib header
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        out = self._inner.decompress(data, _STEP)
        while self._inner.unconsumed_tail and len(out) < DECODED_BYTES_MAX:
            out += self._inner.decompress(self._inner.unconsumed_tail, _STEP)
        return out


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def decompress(self, data: bytes) -> bytes:
        return bytes(self._inner.process(data))


def _inflater(name: str) -> _Inflater | None:
    if name in ("gzip", "x-gzip"):
        return _Zlib(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS)
    if name == "br":
        return _Brotli()
    if name == "zstd":
        return zstandard.ZstdDecompressor().decompressobj()
    return None


class Decoder:
    """Undoes a `Content-Encoding` as far as it can. `broken` says that the body could not be read
    to its end (an unknown or damaged encoding, or more than the limit)."""

    def __init__(self, content_encoding: str) -> None:
        names = [n.strip().lower() for n in content_encoding.split(",") if n.strip() and n.strip().lower() != "identity"]
        layers = [_inflater(name) for name in reversed(names)]
        self.broken = None in layers
        self._layers = [layer for layer in layers if layer is not None]
        self._decoded_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The decoded bytes that these pieces give, empty once broken."""
        if self.broken:
            return b""
        try:
            for layer in self._layers:
                data = layer.decompress(data)
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self.broken = True
            return b""
        self._decoded_bytes += len(data)
        if self._layers and self._decoded_bytes > DECODED_BYTES_MAX:
            self.broken = True
        return data
