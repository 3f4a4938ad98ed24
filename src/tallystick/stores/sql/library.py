"""The library of approved prompts: which version of which prompt somebody answers for, what it is for, and by its hash which text
is meant. Approving and withdrawing are chained (PROMPT), with who proposed and who approved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.entry import Fields
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.library_marks import unmark
from tallystick.stores.sql.prompts import find_prompt

APPROVED_MAX: Final = 500                    # of an organisation
_COLUMNS: Final = "prompt, version, owner, purpose, sha256, proposed_by, approved_us, approved_by"


@dataclass(frozen=True, slots=True)
class ApprovedPrompt:
    """A version that was approved. `sha256`: of its text in hexadecimal digits; None where nobody gave the text."""

    prompt: str
    version: str
    owner: str
    purpose: str
    sha256: str | None
    proposed_by: str
    approved_us: int
    approved_by: str


def list_approved(db: Connection, organization: int) -> list[ApprovedPrompt]:
    """All of them, by prompt and version."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM approved_prompt WHERE organization = ? ORDER BY prompt, version",  # noqa: S608 - literals
                      (organization,)).fetchall()
    return [ApprovedPrompt(*row) for row in rows]


def check_proposable(db: Connection, organization: int, prompt: str, version: str) -> None:
    """Whether this version can be approved. Raises Refused: `not_found`, `exists`, `too_many`."""
    known = find_prompt(db, organization, prompt)
    if known is None or all(one.spec.version != version for one in known.versions):
        raise Refused("not_found", "There is no such registered version. Add it to the prompt first.")
    approved = list_approved(db, organization)
    if any((one.prompt, one.version) == (prompt, version) for one in approved):
        raise Refused("exists", "This version is approved already; withdraw it to approve it anew.")
    if len(approved) >= APPROVED_MAX:
        raise Refused("too_many", f"At most {APPROVED_MAX} approved versions; withdraw some first.")


def approve(pen: Appending, organization: int, made: ApprovedPrompt) -> None:
    """Put a version into the library. Raises Refused as `check_proposable` does."""
    check_proposable(pen.db, organization, made.prompt, made.version)
    _chain(pen, organization, made.prompt, made.version, {
        "event": "approved", "actor": made.proposed_by, "approved": made.approved_by, **({"sha256": made.sha256} if made.sha256 else {})})
    pen.db.execute(f"INSERT INTO approved_prompt (organization, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - literals
                   (organization, made.prompt, made.version, made.owner, made.purpose, made.sha256, made.proposed_by, made.approved_us,
                    made.approved_by))


def withdraw(pen: Appending, organization: int, prompt: str, version: str, by: str) -> None:
    """Take a version out of the library; its calls stay what they are. Raises Refused `not_found`."""
    if all((one.prompt, one.version) != (prompt, version) for one in list_approved(pen.db, organization)):
        raise Refused("not_found", "This version is not in the library.")
    _chain(pen, organization, prompt, version, {"event": "withdrawn", "actor": by})
    pen.db.execute("DELETE FROM approved_prompt WHERE organization = ? AND prompt = ? AND version = ?", (organization, prompt, version))
    unmark(pen.db, organization, (prompt, version))


def _chain(pen: Appending, organization: int, prompt: str, version: str, fields: Fields) -> None:
    chain = pen.chain(organization)
    chain.append({"kind": "PROMPT", "at": pen.now_us, "prompt_key": chain.define("prompt_key", prompt),
                  "prompt_version": chain.define("prompt_version", version), **fields})
