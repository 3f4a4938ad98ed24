"""Binary event streams as a provider writes them, message by message."""

import base64
import json
from zlib import crc32


def message(payload: bytes, *, event: str = "chunk", kind: str = "event", more: bytes = b"") -> bytes:
    """One message. `more`: further headers, encoded."""
    name = b":event-type" if kind == "event" else b":exception-type"
    headers = header(b":message-type", kind) + header(name, event) + header(b":content-type", "application/json") + more
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    body = prelude + crc32(prelude).to_bytes(4, "big") + headers + payload
    return body + crc32(body).to_bytes(4, "big")


def header(name: bytes, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name + b"\x07" + len(text).to_bytes(2, "big") + text


def stream(*events: tuple[str, object]) -> bytes:
    """Events by name with their documents."""
    return b"".join(message(json.dumps(document).encode(), event=name) for name, document in events)


def chunks(*documents: object) -> bytes:
    """A model's own stream inside the envelope: each document in base64."""
    encoded = [base64.b64encode(json.dumps(document).encode()).decode() for document in documents]
    return stream(*(("chunk", {"bytes": text, "p": "abc"}) for text in encoded))
