"""What people think of approved versions: pinned by somebody for themselves, and stars, whose mean everybody sees. A version that is
withdrawn loses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused


@dataclass(frozen=True, slots=True)
class Marks:
    """Of one version. `pinned`, `stars`: those of whoever asks; `ratings`: how many gave stars, `stars_sum`: how many in all."""

    pinned: bool = False
    stars: int | None = None
    ratings: int = 0
    stars_sum: int = 0

    @property
    def rating_tenths(self) -> int | None:
        """The mean in tenths of a star, rounded to the nearest; None where nobody gave any."""
        return (20 * self.stars_sum + self.ratings) // (2 * self.ratings) if self.ratings else None


def marks_of(db: Connection, organization: int, account: str) -> Mapping[tuple[str, str], Marks]:
    """By prompt and version; a version that nobody marked is not in it."""
    rows = db.execute(
        "SELECT prompt, version, max(CASE WHEN account = ? THEN pinned ELSE 0 END), max(CASE WHEN account = ? THEN stars END),"
        " count(stars), coalesce(sum(stars), 0) FROM approved_prompt_mark WHERE organization = ? GROUP BY prompt, version",
        (account, account, organization)).fetchall()
    return {(prompt, version): Marks(bool(pinned), stars, int(ratings), int(total))
            for prompt, version, pinned, stars, ratings, total in rows}


def mark(db: Connection, organization: int, place: tuple[str, str], account: str, *, pinned: bool, stars: int | None) -> None:
    """Set what somebody thinks of a version, in the place of what they thought. Raises Refused `not_found`."""
    if db.execute("SELECT 1 FROM approved_prompt WHERE organization = ? AND prompt = ? AND version = ?",
                  (organization, *place)).fetchone() is None:
        raise Refused("not_found", "This version is not in the library.")
    db.execute("DELETE FROM approved_prompt_mark WHERE organization = ? AND prompt = ? AND version = ? AND account = ?",
               (organization, *place, account))
    if pinned or stars is not None:
        db.execute("INSERT INTO approved_prompt_mark (organization, prompt, version, account, pinned, stars) VALUES (?, ?, ?, ?, ?, ?)",
                   (organization, *place, account, int(pinned), stars))


def unmark(db: Connection, organization: int, place: tuple[str, str]) -> None:
    """Forget what anybody thought of a version."""
    db.execute("DELETE FROM approved_prompt_mark WHERE organization = ? AND prompt = ? AND version = ?", (organization, *place))
