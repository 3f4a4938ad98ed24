"""A webhook of one's own, signed as Standard Webhooks 1.0.0 says: HMAC-SHA256 over id, time and body with the key behind
`whsec_`, in `webhook-id`, `webhook-timestamp` and `webhook-signature` (github.com/standard-webhooks/standard-webhooks,
spec/standard-webhooks.md). The id is the same at every attempt: who has seen it has the message.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Sequence
from typing import Any, Final

from tallystick.channels.channel import JSON, Channel, Field, Notice, Request, Talk, Target, judged

PREFIX: Final = "whsec_"
KEY_BYTES: Final = 32


def signature(secret: str, message_id: str, at_s: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b".".join((message_id.encode(), str(at_s).encode(), body))
    return "v1," + b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode()


def key_of(secret: str) -> bytes:
    """The key behind a secret: base64 after `whsec_`. Raises ValueError for what is none."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except BadBase64:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("a signing secret is whsec_ and 24 to 64 bytes in base64")
    return key


def document(notice: Notice) -> dict[str, Any]:
    """What a receiver gets: type, time, and the alert."""
    return {
        "type": f"alert.{notice.event}", "timestamp": notice.at,
        "data": {"id": notice.alert, "organization": notice.organization, "kind": notice.kind, "thread": notice.thread,
                 "severity": notice.severity, "title": notice.title, "text": notice.text, "facts": dict(notice.facts),
                 "resolution": notice.resolution, "open": list(notice.open), "link": notice.link},
    }


def say(notices: Sequence[Notice], target: Target) -> Talk:
    """POST the document, signed."""
    [notice] = notices
    body = json.dumps(document(notice), ensure_ascii=False).encode()
    headers = (JSON, ("webhook-id", notice.message_id), ("webhook-timestamp", str(target.now_s)),
               ("webhook-signature", signature(target.values["secret"], notice.message_id, target.now_s, body)))
    return judged((yield Request("POST", target.values["url"], headers, body)))


CHANNEL: Final = Channel("webhook", "Signed JSON to an address of your own (Standard Webhooks).", (
    Field("url", "Where to POST.", secret=True, kind="url"),
    Field("secret", "Signing secret, whsec_…; drawn where none is given.", secret=True, required=False),
), say)
