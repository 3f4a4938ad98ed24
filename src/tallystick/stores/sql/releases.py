"""Price releases: what was read from a feed, pending until somebody applies it. Applying chains a PRICE entry
on the installation's own chain (`system`): who, when, which provider, the digest of what was read and of
the rows that now hold; the rows lie in the database beside it and are laid over the packaged book
(`core/price_layers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from tallystick.core.price_rows import ProviderPrices, parse_prices
from tallystick.stores.sql import engine
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Sequencer

PENDING: Final = "pending"
APPLIED: Final = "applied"
REJECTED: Final = "rejected"
RELEASES_MAX: Final = 5_000                  # rows; a feed a day of all providers for half a year
LINES_BYTES_MAX: Final = 8 * 1024 * 1024     # of one provider
_ID_BYTES: Final = 6
_COLUMNS: Final = "id, provider, source, digest, checked_on, lines, state, read_us, read_by, decided_us, decided_by"


@dataclass(frozen=True, slots=True)
class Release:
    """What one reading of a feed says of one provider. `digest`: SHA-256 of the feed; `lines`: the file of
    what was news in it."""

    id: str
    provider: str
    source: str
    digest: str
    checked_on: str
    lines: str
    state: str
    read_us: int
    read_by: str
    decided_us: int | None = None
    decided_by: str | None = None

    @property
    def prices(self) -> ProviderPrices:
        """Raises PriceFault for lines that are none."""
        return parse_prices(self.lines)


@dataclass(frozen=True, slots=True)
class Releases:
    """Keeps, applies and rejects releases. `entropy` draws random bytes."""

    sequencer: Sequencer
    entropy: Callable[[int], bytes]

    def keep(self, files: Iterable[tuple[str, str]], source: str, digest: str, checked_on: str, now_us: int, by: str) -> list[Release]:
        """Keep what was read, (provider, lines) each, as pending; what was pending of those providers gives way.

        Raises Refused for more than can be kept.
        """
        kept = "rel_" + self.entropy(_ID_BYTES).hex()
        found = [Release(kept, provider, source, digest, checked_on, lines, PENDING, now_us, by) for provider, lines in files]
        if any(len(release.lines) > LINES_BYTES_MAX for release in found):
            raise Refused("too_many", "The release is larger than any price book.")
        with self.sequencer.database.write() as db:
            if db.execute("SELECT count(*) FROM price_release").fetchone()[0] + len(found) > RELEASES_MAX:
                raise Refused("too_many", f"At most {RELEASES_MAX} releases are kept.")
            for release in found:
                db.execute("DELETE FROM price_release WHERE provider = ? AND state = ?", (release.provider, PENDING))
                db.execute(f"INSERT INTO price_release ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",  # noqa: S608 - literals
                           (release.id, release.provider, source, digest, checked_on, release.lines, PENDING, now_us, by))
        return found

    def apply(self, providers: Iterable[str] | None, now_us: int, by: str) -> list[Release]:
        """Put what is pending in force, of these providers or all; running servers see it within a poll. Raises
        Refused for a provider of which nothing is pending."""
        with self.sequencer.append(now_us) as pen:
            due = _due(pen.db, providers)
            chain = pen.chain(engine.SYSTEM)
            for release in due:
                _decide(pen.db, release, APPLIED, now_us, by)
                chain.append({
                    "kind": "PRICE", "at": now_us, "event": "applied", "actor": by, "approved": by, "release": release.id,
                    "provider": chain.define("provider", release.provider), "source": release.source, "read_digest": release.digest,
                    "checked_on": release.checked_on, "lines_digest": lines_digest(release.lines)})
            engine.note_change(pen.db)
        return due

    def reject(self, providers: Iterable[str] | None, now_us: int, by: str) -> list[Release]:
        """Put aside what is pending, of these providers or all. Raises Refused as `apply` does."""
        with self.sequencer.database.write() as db:
            due = _due(db, providers)
            for release in due:
                _decide(db, release, REJECTED, now_us, by)
        return due


def list_releases(database: Database, state: str) -> list[Release]:
    """The releases in a state, by provider and in the order they were read."""
    with database.read() as db:
        return _in_state(db, state)


def applied(db: Connection) -> list[Release]:
    """What lies over the packaged book."""
    return _in_state(db, APPLIED)


def lines_digest(lines: str) -> str:
    """What the ledger says of the rows that were applied."""
    return sha256(lines.encode()).hexdigest()


def _in_state(db: Connection, state: str) -> list[Release]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM price_release WHERE state = ? ORDER BY provider, read_us, id", (state,))  # noqa: S608 - literals
    return [Release(*row) for row in rows]


def _due(db: Connection, providers: Iterable[str] | None) -> list[Release]:
    due = _in_state(db, PENDING)
    if providers is None:
        if not due:
            raise Refused("nothing_pending", "Nothing is pending; `tallystick prices refresh` reads a feed.")
        return due
    wanted = set(providers)
    if missing := wanted - {release.provider for release in due}:
        raise Refused("nothing_pending", f"Nothing is pending of {', '.join(sorted(missing))}.")
    return [release for release in due if release.provider in wanted]


def _decide(db: Connection, release: Release, state: str, now_us: int, by: str) -> None:
    db.execute("UPDATE price_release SET state = ?, decided_us = ?, decided_by = ? WHERE id = ? AND provider = ?",
               (state, now_us, by, release.id, release.provider))
