"""By what an organisation books its calls: the built-in labels and the dimensions of its own. There is a dimension where
somebody described it, a key fixes it, a policy asks for it, or calls said it. How much of what was spent it covers, and
whose calls lack it, is asked of the same books as every other figure.

Names are as policies have them: `cost_center`, `dimension:region`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from tallystick.core.identity import NAME_CHARS_MAX, VALUE_CHARS_MAX
from tallystick.stores.sql.breakdown import Question, Total, broken_down, sets_of_dimensions
from tallystick.stores.sql.breakdown_names import CUSTOM, Filter
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.policy_rows import PolicyRow, policy_rows
from tallystick.stores.sql.sight import Sight, of_keys

BUILT_IN: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key")
OWN: Final = "dimension:"
NOTES_MAX: Final = 200
OWN_MAX: Final = 500                         # dimensions of its own that one answer tells
_COLUMNS: Final = {"user": "user_name"}


@dataclass(slots=True)
class Known:
    """One dimension. `policies`: those that ask for it or bound its values; `keys`: how many that are active fix it; `values`:
    how many different ones calls said, None where that was not counted; `covered`: what calls came to that said one."""

    name: str
    description: str | None = None
    policies: list[PolicyRow] = field(default_factory=list)
    keys: int = 0
    values: set[str] = field(default_factory=set)
    covered: Total = field(default_factory=Total)


def group_of(name: str) -> str:
    """The name by which figures are asked for: `dimension.region` for `dimension:region`."""
    return CUSTOM + name[len(OWN):] if name.startswith(OWN) else name


def checked_name(name: str) -> str:
    """Raises Refused for what no call could name."""
    own = name[len(OWN):] if name.startswith(OWN) else ""
    if name not in BUILT_IN and not (own and len(own) <= NAME_CHARS_MAX and own.isprintable()):
        raise Refused("invalid_request", f"A dimension is one of {', '.join(BUILT_IN)}, or dimension:NAME.")
    return name


def known(db: Connection, organization: int, days: tuple[int, int], sight: Sight, now_us: int) -> tuple[dict[str, Known], Total]:
    """Every dimension by name, and what all calls of these days came to. Raises TooMany."""
    found = {name: Known(name) for name in BUILT_IN}
    whole = Total()
    for name in BUILT_IN:
        for (_, (value,)), total in broken_down(db, organization, Question(*days, (name,), sight=sight)).items():
            if value is not None:
                found[name].values.add(value)
                found[name].covered.merge(total)
    for pairs, total in sets_of_dimensions(db, organization, Question(*days, sight=sight)).items():
        whole.merge(total)
        for name, value in dict(pairs).items():
            one = found.setdefault(OWN + name, Known(OWN + name))
            one.values.add(value)
            one.covered.merge(total)
    _add_keys(db, organization, sight, now_us, found)
    for row in policy_rows(db, organization):
        for name in named_by(row):
            found.setdefault(name, Known(name)).policies.append(row)
    for name, text in db.execute("SELECT name, description FROM dimension_note WHERE organization = ?", (organization,)).fetchall():
        found.setdefault(name, Known(name)).description = text
    return found, whole


def named_by(row: PolicyRow) -> list[str]:
    """The dimensions that a policy asks for or bounds; tags are none."""
    if row.kind != "required_dimensions":
        return []
    return [name for name in dict.fromkeys((*row.said.get("require", ()), *row.said.get("allowed", {}))) if not name.startswith("tag:")]


def values(db: Connection, organization: int, name: str, days: tuple[int, int], sight: Sight) -> dict[str | None, Total]:
    """What calls came to by the value that they said; None: none. Raises TooMany."""
    return {value: total for (_, (value,)), total in broken_down(
        db, organization, Question(*days, (group_of(name),), sight=sight)).items()}


def lacking(db: Connection, organization: int, name: str, by: str, days: tuple[int, int], sight: Sight) -> dict[str | None, Total]:
    """What calls that did not say it came to, by another dimension. Raises TooMany."""
    question = Question(*days, (by,), filters=(Filter(group_of(name), "is", (None,)),), sight=sight)
    return {value: total for (_, (value,)), total in broken_down(db, organization, question).items()}


def describe(db: Connection, organization: int, name: str, text: str, now_us: int, by: str) -> None:
    """Say what it is for. Raises Refused."""
    checked_name(name)
    if len(text) > VALUE_CHARS_MAX * 2 or not text.replace("\n", " ").isprintable():
        raise Refused("invalid_request", f"A description has at most {VALUE_CHARS_MAX * 2} characters.")
    count = db.execute("SELECT count(*) FROM dimension_note WHERE organization = ? AND name <> ?", (organization, name)).fetchone()[0]
    if int(count) >= NOTES_MAX:
        raise Refused("too_many", f"At most {NOTES_MAX} dimensions are described.")
    db.execute("INSERT INTO dimension_note (organization, name, description, set_us, set_by) VALUES (?, ?, ?, ?, ?)"
               " ON CONFLICT (organization, name) DO UPDATE SET description = excluded.description, set_us = excluded.set_us,"
               " set_by = excluded.set_by", (organization, name, text, now_us, by))


def forget(db: Connection, organization: int, name: str) -> None:
    """Take the description away; a dimension that nobody else knows is gone with it."""
    db.execute("DELETE FROM dimension_note WHERE organization = ? AND name = ?", (organization, name))


def _add_keys(db: Connection, organization: int, sight: Sight, now_us: int, found: dict[str, Known]) -> None:
    seen = of_keys(sight, organization)
    live = f"FROM virtual_key k WHERE k.organization = ?{seen.sql} AND k.revoked_us IS NULL AND (k.expires_us IS NULL OR k.expires_us > ?)"
    bound = (organization, *seen.values, now_us)
    for name in BUILT_IN:
        column = _COLUMNS.get(name, name)
        found[name].keys = int(db.execute(f"SELECT count(k.{column}) {live}", bound).fetchone()[0])
    fixed = f"SELECT k.dimensions, count(*) {live} AND k.dimensions <> '{{}}' GROUP BY k.dimensions"
    for text, count in db.execute(fixed, bound).fetchall():
        for name in json.loads(text):
            found.setdefault(OWN + name, Known(OWN + name)).keys += int(count)
