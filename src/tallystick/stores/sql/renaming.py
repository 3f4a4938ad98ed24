"""A team's new name. The team's number in the ledger stays, so all that was ever booked on it shows under the new name, and
no entry is touched: that the number is called otherwise from now on is an entry of its own, for the team and for every
scope that names it. The control plane's rows say the new name from the same transaction on.

Nobody else gets the old name, so it goes on meaning this team: in a header, a filter or an address
(team_names.py, docs/adr/0023-renames-and-moves.md).
"""

from __future__ import annotations

import json
from typing import Final

from tallystick.core.identity import Claims, check_claims
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Named, Refused
from tallystick.stores.sql.engine import DEFAULT_TEAM, note_change
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.team_names import name_now

NAMES_MAX: Final = 50                        # that one team ever had
# Columns that hold a team's name, with their organisation.
_NAMED: Final = (("virtual_key", "team"), ("membership_team", "team"))
# Columns that hold a scope: its kind and its value.
_SCOPED: Final = (("budget", "kind", "value"), ("policy_version", "on_kind", "on_value"), ("policy_bypass", "on_kind", "on_value"),
                  ("envelope", "kind", "value"), ("envelope_required", "kind", "value"))
_WITHIN: Final = ("project", "header")       # kinds whose values begin with their team


def rename_team(sequencer: Sequencer, organization: int, name: str, new: str, now_us: int, by: str) -> Named | None:
    """Give a team another name; None where there is no such team. Raises Refused: `invalid_request` for a name that cannot
    stand, `exists` for one that another has or had."""
    if denied := check_claims(Claims(labels={"team": new})):
        raise Refused(denied.code, denied.message)
    if not new.strip() or new != new.strip() or "/" in new:
        raise Refused("invalid_request", "A team's new name has no space at its ends and no slash: `team/project` names a project.")
    with sequencer.append(now_us) as pen:
        old = name_now(pen.db, organization, name)
        row = pen.db.execute("SELECT id, created_us FROM team WHERE organization = ? AND name = ?", (organization, old)).fetchone()
        if row is None:
            return None
        team = Named(int(row[0]), new, int(row[1]))
        if old == new:
            return team
        if old == DEFAULT_TEAM:
            raise Refused("invalid_request", f"`{DEFAULT_TEAM}` takes the calls that name no team, and keeps its name.")
        _check_free(pen.db, organization, team)
        _rename(pen, organization, team, old, by)
        note_change(pen.db)
        return team


def _check_free(db: Connection, organization: int, team: Named) -> None:
    """Raises Refused for a name that is somebody else's, or was, or on which something stands already."""
    if db.execute("SELECT 1 FROM team WHERE organization = ? AND name = ?", (organization, team.name)).fetchone():
        raise Refused("exists", "There is a team of that name.")
    had = db.execute("SELECT team FROM team_former_name WHERE organization = ? AND name = ?", (organization, team.name)).fetchone()
    if had is not None and had[0] != team.id:
        other = name_now(db, organization, team.name)
        raise Refused("exists", f"The team {other} was called that before; calls that still say it are booked there.")
    if db.execute("SELECT 1 FROM dictionary WHERE organization = ? AND (kind = 'team' AND name = ? OR kind = 'scope_team' AND name = ?"
                  " OR kind IN ('scope_project', 'scope_header') AND substr(name, 1, length(?)) = ?)",
                  (organization, team.name, team.name, f"{team.name}/", f"{team.name}/")).fetchone():
        raise Refused("exists", "A budget, a policy or a person was once given to a team of that name; choose another.")
    count = db.execute("SELECT count(*) FROM team_former_name WHERE team = ?", (team.id,)).fetchone()[0]
    if count >= NAMES_MAX:
        raise Refused("too_many", f"This team has had {NAMES_MAX} names.")


def _rename(pen: Appending, organization: int, team: Named, old: str, by: str) -> None:
    db, new, chain = pen.db, team.name, pen.chain(organization)
    chain.define("team", old)                # a team that no entry ever named gets its number first
    pen.flush()
    numbers = [("team", number, new) for (number,) in db.execute(
        "SELECT id FROM dictionary WHERE organization = ? AND kind = 'team' AND name = ?", (organization, old)).fetchall()]
    numbers += _scopes(db, organization, old, new)
    for kind, number, name in numbers:
        db.execute("UPDATE dictionary SET name = ? WHERE organization = ? AND kind = ? AND id = ?", (name, organization, kind, number))
        chain.append({"kind": "SCOPE", "at": pen.now_us, "event": "renamed", "actor": by, "of": kind, "id": number, "name": name})
    first = db.execute("SELECT 1 FROM team_former_name WHERE team = ? AND first = 1", (team.id,)).fetchone() is None
    db.execute("DELETE FROM team_former_name WHERE organization = ? AND name = ? AND first = 0", (organization, new))
    db.execute("INSERT INTO team_former_name (organization, name, team, first, until_us) VALUES (?, ?, ?, ?, ?)"
               " ON CONFLICT (organization, name) DO UPDATE SET until_us = excluded.until_us",
               (organization, old, team.id, int(first), pen.now_us))
    db.execute("UPDATE team SET name = ? WHERE id = ?", (new, team.id))
    _in_tables(db, organization, old, new)
    _in_alerts(db, organization, old, new)


def _scopes(db: Connection, organization: int, old: str, new: str) -> list[tuple[str, int, str]]:
    """The numbers of scopes that name the team, each with its new name."""
    rows = db.execute("SELECT kind, id, name FROM dictionary WHERE organization = ? AND (kind = 'scope_team' AND name = ?"
                      " OR kind IN ('scope_project', 'scope_header') AND substr(name, 1, length(?)) = ?) ORDER BY kind, id",
                      (organization, old, f"{old}/", f"{old}/")).fetchall()
    return [(kind, int(number), new + name[len(old):]) for kind, number, name in rows]


def _in_tables(db: Connection, organization: int, old: str, new: str) -> None:
    """Every word of the statements is a literal of this module; names are bound."""
    for table, column in _NAMED:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE organization = ? AND {column} = ?", (new, organization, old))  # noqa: S608
    db.execute("UPDATE invitation_team SET team = ? WHERE team = ? AND invitation IN (SELECT id FROM invitation WHERE organization = ?)",
               (new, old, organization))
    within = ", ".join(f"'{kind}'" for kind in _WITHIN)
    for table, kind, value in _SCOPED:
        db.execute(f"UPDATE {table} SET {value} = ? WHERE organization = ? AND {kind} = 'team' AND {value} = ?",  # noqa: S608
                   (new, organization, old))
        db.execute(f"UPDATE {table} SET {value} = ? || substr({value}, length(?) + 1) WHERE organization = ? AND {kind} IN ({within})"  # noqa: S608
                   f" AND substr({value}, 1, length(?)) = ?", (new, old, organization, f"{old}/", f"{old}/"))


def _in_alerts(db: Connection, organization: int, old: str, new: str) -> None:
    """Whose alerts are, and which a channel is told."""
    for channel, scopes in db.execute("SELECT id, scopes FROM alert_channel WHERE organization = ? AND scopes <> ''",
                                      (organization,)).fetchall():
        said = ",".join(_scope(scope, old, new) for scope in scopes.split(","))
        if said != scopes:
            db.execute("UPDATE alert_channel SET scopes = ? WHERE id = ?", (said, channel))
    was, is_now = json.dumps(old)[1:-1], json.dumps(new)[1:-1]
    for before, after in ((f'"team:{was}"', f'"team:{is_now}"'), (f'"project:{was}/', f'"project:{is_now}/')):
        db.execute("UPDATE alert SET scopes = replace(scopes, ?, ?) WHERE organization = ?", (before, after, organization))


def _scope(scope: str, old: str, new: str) -> str:
    if scope == f"team:{old}":
        return f"team:{new}"
    return f"project:{new}/{scope[len(old) + 9:]}" if scope.startswith(f"project:{old}/") else scope
