"""Lists come in pages: `limit` items and a `next_cursor` to go on behind the last, null at the end. A
cursor is a place in the list's own order, so items made meanwhile neither repeat nor vanish.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final

from fastapi import Query

from tallystick.control.problems import Problem

LIMIT: Final = 50
LIMIT_MAX: Final = 200

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most items of this page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]


def cursor_of(number: int, text: str = "") -> str:
    """The cursor behind an item: a number and, where that is not unique, a text."""
    return base64.urlsafe_b64encode(f"{number}.{text}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> tuple[int, str]:
    """The number and the text of a cursor. Raises Problem 400 for what is none of ours."""
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        number, _, text = plain.partition(".")
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise ValueError(number)
        return int(number), text
    except (binascii.Error, ValueError):
        raise Problem(400, "invalid_cursor", "This is no cursor of this list.") from None
