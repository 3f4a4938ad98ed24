"""How an entry's body is stored: compressed against a preset dictionary of what every entry says, which
takes 700 bytes to about 240 in 3 µs and back in 1, exactly. The bytes that are hashed are the
unpacked ones; packing only decides how much disk they take.

The first byte names the packing. A dictionary in use is never changed: another one gets another byte.
"""

from __future__ import annotations

from typing import Final

import zstandard

from tallystick.core.ledger import LedgerFault

_PACKING: Final = b"\x01"
_LEVEL: Final = -1                           # level 1 saves 40 bytes more and takes twice as long
# Typical members in the order in which they stand; what is most frequent comes last.
_PRESET: Final = (
    b'{"actor":"cli","at":179,"content":{"per":"1000000","price":"0.25","provider":"openai","row":":input_text","source":"",'
    b'"unit":"output_text","valid_from":"2026-"},"event":"created","id":1,"kind":"DEFINE","mac":"","name":"","of":"price_row",'
    b'"org":"default","prev":"","seq":1}{"code":1,"count":1,"kind":"REFUSED","status":401}{"kind":"REFUSALS"}{"kind":"ADMIT"}'
    b'{"kind":"DEFER","kind":"SETTLE","ref":"free":true,"unpriced_hold":true,"sandbox":true,"credential":1,"drift":true,'
    b'"end_user":1,"notes":["no meter for this route yet"],"overlap":1,"parts":[["stated_nanos":"upstream_nanos":"would_be_nanos":"'
    b'"traits":{"tier":"standard","processing":""},"dimensions":1,"cost_center":1,"prompt_key":1,"prompt_version":1,"session":1,'
    b'"outcome":"failed","outcome":"cut","outcome":"client_gone","outcome":"unreached","outcome":"recovered","method":"unpriced",'
    b'"method":"sandbox","method":"stated","method":"estimated","basis":"counted","basis":"worst_case","basis":"zero_proven",'
    b'"computed_nanos":"","status":429,"response":"resp_","response":"msg_01","claimed":["agent","environment","project","session",'
    b'"team","user"],"input_audio","output_audio","cache_write_1h","input_image","cached_audio","web_searches","requests",'
    b'"usage":{"input_text":12,"output_text":34},"lines":[["cache_write_5m",1,2],["output_reasoning",601,8]],'
    b'{"agent":1,"at":1795256922347380,"basis":"usage","claimed":["agent","user"],"cost_nanos":"20226250","dialect":1,'
    b'"environment":1,"facts":"AAAADIABAgAAAAAD","first_byte_us":649714,"hold_nanos":"98646473","key":4,"kind":"ATTEMPT",'
    b'"latency_us":5515555,"lines":[["input_text",3923,5],["cached_text",967,6],["output_text",320,7]],"method":"priced","model":3,'
    b'"operation":1,"org":"default","outcome":"completed","prev":"","price_version":1,"project":5,"provider":1,"reply_bytes":7649,'
    b'"request":"019a","response":"chatcmpl-","seq":20646,"served":4,"settled":1795256923247380,"status":200,"stream":true,'
    b'"tags":4,"team":9,"user":168}'
)
BODY_BYTES_MAX: Final = 1 << 20


class Packer:
    """Packs and unpacks bodies. For one thread at a time."""

    def __init__(self) -> None:
        preset = zstandard.ZstdCompressionDict(_PRESET, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        preset.precompute_compress(level=_LEVEL)
        self._compress = zstandard.ZstdCompressor(dict_data=preset, level=_LEVEL, write_checksum=False, write_dict_id=False).compress
        self._decompress = zstandard.ZstdDecompressor(dict_data=preset).decompress

    def pack(self, body: bytes) -> bytes:
        return _PACKING + self._compress(body)

    def unpack(self, packed: bytes) -> bytes:
        """The body again. Raises LedgerFault for bytes that `pack` did not make."""
        frame = packed[1:]
        try:
            if packed[:1] == _PACKING and 0 < zstandard.frame_content_size(frame) <= BODY_BYTES_MAX:
                return self._decompress(frame, allow_extra_data=False)
        except zstandard.ZstdError as fault:
            raise LedgerFault(f"a stored entry cannot be unpacked: {fault}") from None
        raise LedgerFault("a stored entry cannot be unpacked: it has another packing or no proper size")
