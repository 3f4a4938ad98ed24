"""The prompt registry: prompts that somebody named beforehand, their versions, and which one is active. It says what a call is
booked on that names a prompt and no version; what a version costs is a question to the calls.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import note_change

PROMPTS_MAX: Final = 10_000                  # of an organisation
VERSIONS_MAX: Final = 1_000                  # of a prompt
_COLUMNS: Final = "name, note, owner, tags, created_us, created_by"
_VERSION_COLUMNS: Final = "version, model, temperature, max_tokens, note, active, created_us, created_by, activated_us"


@dataclass(frozen=True, slots=True)
class VersionSpec:
    """What a version stands for. None: not said."""

    version: str
    model: str | None = None
    temperature: str | None = None
    max_tokens: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A registered version. `activated_us`: when it last became the active one."""

    spec: VersionSpec
    active: bool
    created_us: int
    created_by: str
    activated_us: int | None


@dataclass(frozen=True, slots=True)
class Words:
    """What people say of a prompt: what it is for, whom to ask, and tags to find it by."""

    note: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A registered prompt with its versions, oldest first."""

    name: str
    words: Words
    created_us: int
    created_by: str
    versions: tuple[PromptVersion, ...] = ()

    @property
    def active(self) -> str | None:
        """The version of a call that names none."""
        return next((one.spec.version for one in self.versions if one.active), None)


def list_prompts(db: Connection, organization: int) -> list[Prompt]:
    """All that are registered, by name."""
    versions: defaultdict[str, list[PromptVersion]] = defaultdict(list)
    rows = db.execute(f"SELECT prompt, {_VERSION_COLUMNS} FROM prompt_version WHERE organization = ? ORDER BY created_us, version",  # noqa: S608
                      (organization,))
    for prompt, *row in rows:
        versions[prompt].append(_version(row))
    found = db.execute(f"SELECT {_COLUMNS} FROM prompt WHERE organization = ? ORDER BY name", (organization,))  # noqa: S608 - literals
    return [_prompt(row, tuple(versions[row[0]])) for row in found.fetchall()]


def find_prompt(db: Connection, organization: int, name: str) -> Prompt | None:
    """One of them; None for a name that nobody registered."""
    row = db.execute(f"SELECT {_COLUMNS} FROM prompt WHERE organization = ? AND name = ?", (organization, name)).fetchone()  # noqa: S608 - literals
    if row is None:
        return None
    versions = db.execute(f"SELECT {_VERSION_COLUMNS} FROM prompt_version"  # noqa: S608 - literals
                          " WHERE organization = ? AND prompt = ? ORDER BY created_us, version", (organization, name)).fetchall()
    return _prompt(row, tuple(map(_version, versions)))


def register(db: Connection, organization: int, name: str, words: Words, now_us: int, actor: str) -> None:
    """Name a prompt beforehand, or change what is said of it. Raises Refused `too_many`."""
    said = (words.note, words.owner, json.dumps(words.tags, ensure_ascii=False))
    if find_prompt(db, organization, name) is not None:
        db.execute("UPDATE prompt SET note = ?, owner = ?, tags = ? WHERE organization = ? AND name = ?", (*said, organization, name))
        return
    _room(db.execute("SELECT count(*) FROM prompt WHERE organization = ?", (organization,)).fetchone()[0], PROMPTS_MAX, "prompts")
    db.execute(f"INSERT INTO prompt (organization, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - literals
               (organization, name, *said, now_us, actor))


def add_version(db: Connection, organization: int, name: str, spec: VersionSpec, now_us: int, actor: str) -> None:
    """Add a version to a prompt, which is registered if it was not. Raises Refused: `exists`, `too_many`."""
    known = find_prompt(db, organization, name)
    if known is None:
        register(db, organization, name, Words(), now_us, actor)
    elif any(one.spec.version == spec.version for one in known.versions):
        raise Refused("exists", "There is such a version already; versions do not change.")
    else:
        _room(len(known.versions), VERSIONS_MAX, "versions")
    db.execute(f"INSERT INTO prompt_version (organization, prompt, {_VERSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, NULL)",  # noqa: S608
               (organization, name, spec.version, spec.model, spec.temperature, spec.max_tokens, spec.note, now_us, actor))


def activate(db: Connection, organization: int, name: str, version: str | None, now_us: int) -> None:
    """Make one version the active one, or none. In force for the next calls. Raises Refused `not_found`."""
    known = find_prompt(db, organization, name)
    if known is None or (version is not None and all(one.spec.version != version for one in known.versions)):
        raise Refused("not_found", "There is no such version of this prompt.")
    if known.active != version:
        db.execute("UPDATE prompt_version SET active = 0 WHERE organization = ? AND prompt = ?", (organization, name))
        db.execute("UPDATE prompt_version SET active = 1, activated_us = ? WHERE organization = ? AND prompt = ? AND version = ?",
                   (now_us, organization, name, version))
        note_change(db)


def unregister(db: Connection, organization: int, name: str) -> None:
    """Forget a prompt and its versions; what calls were booked on stays. Raises Refused `not_found`."""
    known = find_prompt(db, organization, name)
    if known is None:
        raise Refused("not_found", "Nobody registered this prompt.")
    db.execute("DELETE FROM prompt_version WHERE organization = ? AND prompt = ?", (organization, name))
    db.execute("DELETE FROM prompt WHERE organization = ? AND name = ?", (organization, name))
    note_change(db)


def active_versions(db: Connection) -> Mapping[str, Mapping[str, str]]:
    """Organisation → prompt → its active version."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for slug, prompt, version in db.execute("SELECT o.slug, v.prompt, v.version FROM prompt_version v"
                                            " JOIN organization o ON o.id = v.organization WHERE v.active = 1"):
        found[slug][prompt] = version
    return dict(found)


def _room(count: int, most: int, what: str) -> None:
    if int(count) >= most:
        raise Refused("too_many", f"At most {most} {what}; remove some first.")


def _prompt(row: Any, versions: tuple[PromptVersion, ...]) -> Prompt:
    name, note, owner, tags, created_us, created_by = row
    return Prompt(name, Words(note, owner, tuple(json.loads(tags))), int(created_us), created_by, versions)


def _version(row: Any) -> PromptVersion:
    version, model, temperature, max_tokens, note, active, created_us, created_by, activated_us = row
    spec = VersionSpec(version, model, temperature, max_tokens, note)
    return PromptVersion(spec, bool(active), int(created_us), created_by, activated_us)
