"""What a month comes to, as its CHECKPOINT entries say it: its totals by every dimension that roll-ups know, told one by
one, and the digests of all that stays of it: leaf hashes, roll-ups of each day, and what counts on budgets. `verify` makes
both again from what is there (verify_retention.py).
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable
from datetime import date
from hashlib import sha256
from typing import Any, Final

from tallystick.core.entry import Fields
from tallystick.core.money import NANOS_PER_UNIT
from tallystick.stores.sql.callfact import FACT_KINDS
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql
from tallystick.stores.sql.rollups import CUBE_KEY, DAY_KEY, DIMENSIONS, HOUR_KEY, MEASURES

TOTALS_MAX: Final = 500                      # in one entry
_BREATH: Final = 128
_EPOCH: Final = date(1970, 1, 1).toordinal()
_COUNTS: Final = ("requests", "attempts", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_AMOUNTS: Final = ("cost", "upstream", "would_be", "adjusted", "off_list")
_SUMS: Final = ", ".join([*(f"sum({name})" for name in _COUNTS),
                          *(f"sum({name}_dollars), sum({name}_nanos)" for name in _AMOUNTS)])
_TOTALS: Final = (f"SELECT value, part, kind, {_SUMS} FROM rollup_day WHERE organization = ? AND dimension = ? AND day >= ? AND day <= ?"  # noqa: S608
                  " GROUP BY value, part, kind ORDER BY value, part, kind LIMIT ? OFFSET ?")
_EACH: Final = "dimension IN (" + ", ".join(map(str, range(len(DIMENSIONS)))) + ")"
_HOURS: Final = (f"SELECT {', '.join((*HOUR_KEY[1:], *MEASURES))} FROM rollup_hour WHERE organization = ? AND day = ?"  # noqa: S608
                 f" ORDER BY {', '.join(HOUR_KEY[1:])}")
_CUBES: Final = (f"SELECT {', '.join((*CUBE_KEY[1:], *MEASURES))} FROM rollup_cube WHERE organization = ? AND day = ?"  # noqa: S608
                 f" ORDER BY {', '.join(CUBE_KEY[1:])}")
_DAYS: Final = (f"SELECT {', '.join((*DAY_KEY[1:], *MEASURES))} FROM rollup_day WHERE organization = ? AND {_EACH} AND day = ?"  # noqa: S608
                f" ORDER BY {', '.join(DAY_KEY[1:])}")
_TABLES: Final = (_HOURS, _CUBES, _DAYS)
_SPEND: Final = ("SELECT kind, number, other, dollars, nanos, tokens, calls FROM month_spend WHERE organization = ? AND month = ?"
                 " ORDER BY kind, number, other")


def days_of(month: int) -> tuple[int, int]:
    """The first and the last day of a month, since 1970."""
    year, number = divmod(month, 100)
    return date(year, number, 1).toordinal() - _EPOCH, date(year, number, calendar.monthrange(year, number)[1]).toordinal() - _EPOCH


def part_of(db: Connection, organization: int, month: int, dimension: int, chunk: int) -> list[dict[str, Any]]:
    """The totals of a month by one dimension (its place in `DIMENSIONS`), so many at a time; what is nothing is left out."""
    asked = (organization, dimension, *days_of(month), TOTALS_MAX, chunk * TOTALS_MAX)
    return [_total(*map(int, row)) for row in db.execute(_TOTALS, asked)]


def _total(value: int, part: int, kind: int, *sums: int) -> dict[str, Any]:
    counts = dict(zip(_COUNTS, sums, strict=False))
    pairs = sums[len(_COUNTS):]
    amounts = {f"{name}_nanos": pairs[2 * place] * NANOS_PER_UNIT + pairs[2 * place + 1] for place, name in enumerate(_AMOUNTS)}
    return {"id": value, "calls": FACT_KINDS[kind - 1], **({"version": part} if part else {}),
            **{name: count for name, count in counts.items() if count},
            **{name: str(amount) for name, amount in amounts.items() if amount}}


def final_fields(db: Connection, organization: int, month: int, breathe: Callable[[], None]) -> Fields:
    """The digests of what stays of a month, and between which moments its calls were admitted (1 and 0: there were none).
    `breathe` is called about every two milliseconds."""
    entries, digest = 0, sha256()
    for first, leaves in db.stream("SELECT first_seq, leaves FROM leaf_run WHERE organization = ? AND month = ? ORDER BY first_seq",
                                   (organization, month)):
        entries += add_leaves(digest, int(first), bytes(leaves))
    first_us, last_us = db.execute(month_sql("SELECT min(at_us), max(at_us) FROM call_fact_{month} WHERE organization = ?", month),
                                   (organization,)).fetchone()
    return {"entries": entries, "leaves": digest.hexdigest(), "days": day_digests(db, organization, month, breathe),
            "spend": spend_digest(db, organization, month, breathe),
            "first": 1 if first_us is None else int(first_us), "last": int(last_us or 0)}


def add_leaves(digest: Any, first: int, leaves: bytes) -> int:
    """Take a run of leaf hashes into a digest, each behind its number in eight bytes; how many there were."""
    count = len(leaves) // 32
    for place in range(count):
        digest.update((first + place).to_bytes(8, "big") + leaves[32 * place:32 * place + 32])
    return count


def day_digests(db: Connection, organization: int, month: int, breathe: Callable[[], None] = lambda: None) -> list[list[Any]]:
    """Of each day that has any: the day, and the digests of its roll-ups, as `_TABLES` has them."""
    first, last = days_of(month)
    found = []
    for day in range(first, last + 1):
        digests = [_digest(db.stream(query, (organization, day)), breathe) for query in _TABLES]
        if digests != [_NOTHING] * len(_TABLES):
            found.append([day, *digests])
    return found


def spend_digest(db: Connection, organization: int, month: int, breathe: Callable[[], None] = lambda: None) -> str:
    """The digest of what a month's calls count on budgets."""
    return _digest(db.stream(_SPEND, (organization, month)), breathe)


def _digest(rows: Iterable[tuple[Any, ...]], breathe: Callable[[], None]) -> str:
    """SHA-256 over rows as text: columns with commas between, each row on a line."""
    digest = sha256()
    for number, row in enumerate(rows, start=1):
        digest.update((",".join(map(str, row)) + "\n").encode())
        if not number % _BREATH:
            breathe()
    return digest.hexdigest()


_NOTHING: Final = sha256().hexdigest()
