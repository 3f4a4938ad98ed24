"""An installation as a command finds it: database and secrets of the data directory, opened for the
length of the command, with a server running beside it or not. Every heavy import of the commands
comes through here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_bytes
from typing import Final

from tallystick import logs
from tallystick.cli.answers import fail
from tallystick.cli.expiry import BadTime
from tallystick.config import Settings
from tallystick.core.budget import BadBudget
from tallystick.core.errors import StoreFault
from tallystick.core.policies.parameters import BadPolicy
from tallystick.stores.secrets import BadSecret, KekFiles, Secrets, open_secrets
from tallystick.stores.sql import engine
from tallystick.stores.sql.directory import Directory, KeyRow, Refused, list_keys
from tallystick.stores.sql.engine import Database, open_database
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.organizations import organization_number
from tallystick.stores.sql.pruned import RowsPruned
from tallystick.stores.sql.vault import Vault

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Installation:
    """What commands work on: one organisation of one data directory."""

    settings: Settings
    database: Database
    secrets: Secrets
    directory: Directory
    organization: int = engine.DEFAULT

    @staticmethod
    def now_us() -> int:
        """UTC, microseconds since the epoch."""
        return time.time_ns() // 1000

    def vault(self, origins: Mapping[str, str]) -> Vault:
        """The provider credentials; `origins`: where each provider is, by id."""
        return Vault(self.directory.sequencer, KekFiles(self.settings.data), origins, token_bytes)

    def all_keys(self) -> Iterator[KeyRow]:
        """Every key, page by page."""
        after = None
        while rows := list_keys(self.database, self.organization, after=after, limit=_PAGE):
            yield from rows
            after = (rows[-1].created_us, rows[-1].id)


def is_there(settings: Settings) -> bool:
    """Whether something was installed here: the database's file, or the secrets that go with a server's."""
    marks = (engine.FILE_NAME, engine.MOVED_NAME) if settings.database.url is None else ("pepper",)
    return any((settings.data / mark).exists() for mark in marks)


@contextmanager
def opened(settings: Settings, *, make: bool = True, org: str | None = None) -> Iterator[Installation]:
    """The installation of these settings, made if it is new and `make` says so, and of its organisations the one named
    (`default`). A store that fails, and what was asked for and cannot be, ends the command with exit code 2; what happens
    beside the answer is logged on standard error."""
    logs.configure()
    if not make and not is_there(settings):
        fail(f"There is no installation in {settings.data}.")
    try:
        own = open_secrets(settings.data)        # first: a new installation's secrets are older than its database
        database = open_database(settings.data, Installation.now_us(), url=settings.database.url, mark=own.mark)
        try:
            directory = Directory(Sequencer(database), own.pepper, token_bytes)
            yield Installation(settings, database, own, directory, _organization(database, org))
        finally:
            database.close()
    except (StoreFault, BadSecret, OSError, Refused, BadBudget, BadPolicy, BadTime, RowsPruned) as fault:
        fail(str(fault))


def _organization(database: Database, slug: str | None) -> int:
    """The number of the organisation that a command is about; ends the command where there is none of that name."""
    if slug is None:
        return engine.DEFAULT
    with database.read() as db:
        number = organization_number(db, slug)
    if number is None:
        fail(f"There is no organisation {slug}; `tallystick orgs list` shows them.")
    return number
