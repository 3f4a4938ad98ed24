"""Do the policies stand as their POLICY entries say, every version and every bypass of them? A rule that was loosened in
the table alone, or a glass that somebody broke without an entry, is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.policy_rows import BypassRow, PolicyRow, bypass_rows, policy_rows, value_kind
from tallystick.stores.sql.verify_directory import Difference

_SAID: Final = ("rule", "on", "mode", "parameters", "starts", "ends", "name", "owner", "note")


class Policies:
    """What one chain's entries say of policies, gathered while they are read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._said: dict[tuple[int, int], dict[str, Any]] = {}
        self._ended: dict[tuple[int, int], tuple[int, int]] = {}         # a version → when, and whether the policy was removed
        self._bypasses: dict[int, dict[str, Any]] = {}

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """A POLICY entry. Raises KeyError for one that lacks what every POLICY entry says."""
        entry = {**fields, "seq": seq}
        if fields["event"] == "bypassed":
            self._bypasses[fields["bypass"]] = entry
            return
        if fields["event"] == "bypass_ended":
            self._bypasses[fields["bypass"]] = {**self._bypasses[fields["bypass"]], "until": fields["at"]}
            return
        place = fields["policy"], fields["version"]
        if fields["event"] == "removed":
            self._ended[place] = fields["at"], 1
            return
        self._said[place] = entry
        if fields["event"] == "changed":
            self._ended[place[0], place[1] - 1] = fields["at"], 0

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        said, bypasses, names = dict(self._said), dict(self._bypasses), Names(self._db, self._organization)
        for row in policy_rows(self._db, self._organization, old=True):
            entry = said.pop((row.id, row.version), None)
            if entry is None:
                yield Difference(None, f"there is a policy {row.id} in version {row.version}, and no entry says so")
            elif wrong := ", ".join(self._wrong(row, entry, names)):
                yield Difference(entry["seq"], f"policy {row.id} stands otherwise than it was set: {wrong}")
        for (number, version), entry in said.items():
            yield Difference(entry["seq"], f"policy {number} in version {version} is missing")
        for bypass in bypass_rows(self._db, self._organization):
            entry = bypasses.pop(bypass.id, None)
            if entry is None or self._bypass_wrong(bypass, entry, names):
                yield Difference(entry["seq"] if entry else None, f"bypass {bypass.id} stands otherwise than any entry says")
        for number, entry in bypasses.items():
            yield Difference(entry["seq"], f"bypass {number} is missing")

    def _wrong(self, row: PolicyRow, entry: Mapping[str, Any], names: Names) -> Iterator[str]:
        stands: dict[str, Any] = {
            "rule": row.kind, "on": row.on_kind, "mode": row.mode, "parameters": row.parameters,
            "starts": row.starts_us, "ends": row.ends_us, "name": row.name or None, "owner": row.owner or None, "note": row.note or None}
        yield from (name for name in _SAID if stands[name] != entry.get(name))
        if _value_wrong(row.on_kind, row.on_value, entry, names):
            yield "value"
        if (row.until_us, row.removed) != self._ended.get((row.id, row.version), (None, 0)):
            yield "end"

    @staticmethod
    def _bypass_wrong(row: BypassRow, entry: Mapping[str, Any], names: Names) -> bool:
        stands = (row.policy, row.on_kind, row.reason, row.until_us, row.made_us, row.made_by)
        told = tuple(entry[name] for name in ("policy", "on", "reason", "until", "at", "actor"))
        return stands != told or _value_wrong(row.on_kind, row.on_value, entry, names)


def _value_wrong(on_kind: str, on_value: str, entry: Mapping[str, Any], names: Names) -> bool:
    if "value" not in entry:
        return bool(on_value)
    return on_value != (names.of(value_kind(on_kind), entry["value"]) or on_value) or not on_value
