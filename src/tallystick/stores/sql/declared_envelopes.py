"""Envelopes as items of a file. Whoever applies a file holds the host and may sign, so a new item is signed at once and its
entry says who did; more money or a later end is a top-up. Less money or an earlier end is not said by a file, for
that would take back what was signed: money is moved (`envelopes move`), an envelope is ended. Requests that wait for
their signature are no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.budget import Amount, BadBudget, Scope
from tallystick.core.currencies import Limit, read_limit
from tallystick.core.moments import moment_text
from tallystick.stores.declaring import Fields, Identity
from tallystick.stores.sql.budgets import spec_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.declared import Hand, limit_text, moment_in, texts_in
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.envelope_rows import EnvelopeRow, envelope_rows, fallback_of, signed_on
from tallystick.stores.sql.envelopes import Envelopes, EnvelopeSpec, Fallback, check_envelope, check_fallback

FALLBACK_PERCENT: Final = 80
_SIGNED: Final = ("owner", "purpose", "evidence")           # stay as they were signed


@dataclass(frozen=True, slots=True)
class EnvelopeSection:
    """Signed envelopes that have not ended, by scope and beginning. An item without a beginning is the one that runs, or
    one that begins when it is applied. Pruning ends what the file does not have."""

    hand: Hand
    name: str = "envelopes"
    prunable: bool = True
    fields: tuple[str, ...] = ("scope", "value", "amount", "starts", "ends", "owner", "purpose", "evidence", "fallback", "fallback_percent")

    def read(self, raw: Fields) -> tuple[Identity, Fields]:
        said: dict[str, Any] = dict(texts_in({name: value for name, value in raw.items() if not name.startswith("fallback")}, self.fields))
        if any(not said.get(name) for name in ("scope", "amount", "ends")):
            raise Refused("invalid_request", "An envelope has a scope, an amount and an end.")
        fallback, percent = raw.get("fallback", {}), raw.get("fallback_percent", FALLBACK_PERCENT)
        if not isinstance(fallback, dict) or not all(isinstance(model, str) for model in fallback.values()) or type(percent) is not int:
            raise Refused("invalid_request", "fallback is a table of models, and fallback_percent a whole number.")
        scope = Scope(said["scope"], said.setdefault("value", ""))
        said["starts"] = moment_text(moment_in(said["starts"])) if said.get("starts") else self._running(scope)
        said |= {"amount": limit_text(self._limit(said["amount"]).amount), "ends": moment_text(moment_in(said["ends"]))}
        if "fallback" in raw:
            said |= {"fallback": fallback, "fallback_percent": percent if fallback else None}
        return (said["scope"], said["value"], said["starts"]), said

    def standing(self, db: Connection) -> Mapping[Identity, Fields]:
        now_us = self.hand.now_us()
        found: dict[Identity, Fields] = {}
        for row in envelope_rows(db, self.hand.organization, " AND state = 'signed'"):
            if row.span_us[1] > now_us:
                fields = _fields(db, row)
                found[row.kind, row.value, fields["starts"]] = fields
        return found

    def check(self, fields: Fields) -> None:
        limit, row = self._limit(fields["amount"]), self._row(fields)
        if row is None:
            check_envelope(self._spec(fields), self.hand.now_us())
        else:
            self._check_change(row, limit, fields)
        if fallback := _fallback(fields):
            check_fallback(fallback)

    def put(self, fields: Fields) -> None:
        hand, row = self.hand, self._row(fields)
        envelopes = Envelopes(hand.sequencer)
        if row is None:
            row = envelopes.grant(hand.organization, self._spec(fields), hand.now_us(), hand.by)
        else:
            more = self._limit(fields["amount"]).value - row.granted
            later_us = moment_in(fields["ends"])
            if more > 0 or later_us > row.span_us[1]:
                envelopes.top_up(hand.organization, row.id, Limit(Amount(more, "money"), None, more) if more else None,
                                 later_us if later_us > row.span_us[1] else None, "applied from a file", hand.now_us(), hand.by)
        with hand.sequencer.database.read() as db:
            stands = fallback_of(db, row)
        wanted = _fallback(fields)
        if wanted is not None or stands is not None:
            envelopes.fall_back(hand.organization, row.id, wanted, hand.now_us(), hand.by)

    def take(self, identity: Identity) -> None:
        scope, value, starts = identity
        row = self._row({"scope": scope, "value": value, "starts": starts})
        if row is not None:
            Envelopes(self.hand.sequencer).end(self.hand.organization, row.id, self.hand.now_us(), self.hand.by)

    def _check_change(self, row: EnvelopeRow, limit: Limit, fields: Fields) -> None:
        with self.hand.sequencer.database.read() as db:
            before = _fields(db, row)
        if limit.value < row.granted or moment_in(fields["ends"]) < row.span_us[1]:
            raise Refused("invalid_request", "A file takes nothing back that was signed: move money away, or end the envelope.")
        if changed := [name for name in _SIGNED if fields.get(name, "") != before.get(name, "")]:
            raise Refused("invalid_request", f"{', '.join(changed)} stays as it was signed.")

    def _running(self, scope: Scope) -> str:
        """When the envelope began that runs; empty where none does."""
        with self.hand.sequencer.database.read() as db:
            return next((moment_text(row.span_us[0]) for row in signed_on(db, self.hand.organization, scope)
                         if row.active(self.hand.now_us())), "")

    def _row(self, fields: Fields) -> EnvelopeRow | None:
        with self.hand.sequencer.database.read() as db:
            return next((row for row in signed_on(db, self.hand.organization, Scope(fields["scope"], fields["value"]))
                         if moment_text(row.span_us[0]) == fields["starts"] and row.span_us[1] > self.hand.now_us()), None)

    def _spec(self, fields: Fields) -> EnvelopeSpec:
        return EnvelopeSpec(
            Scope(fields["scope"], fields["value"]), self._limit(fields["amount"]), fields["amount"], moment_in(fields["ends"]),
            fields.get("purpose", ""), moment_in(fields["starts"]) if fields["starts"] else None, fields.get("owner", ""),
            fields.get("evidence", ""))

    def _limit(self, text: str) -> Limit:
        try:
            return read_limit(text, self.hand.rates)
        except BadBudget as fault:
            raise Refused("invalid_request", str(fault)) from None


def _fields(db: Connection, row: EnvelopeRow) -> Fields:
    assert row.budget_row is not None, "a signed envelope is a budget"
    start_us, end_us = row.span_us
    said: dict[str, Any] = {
        "scope": row.kind, "value": row.value, "amount": limit_text(spec_of(row.budget_row).amount), "starts": moment_text(start_us),
        "ends": moment_text(end_us), "owner": row.owner, "purpose": row.purpose, "evidence": row.evidence}
    stands = fallback_of(db, row)
    return said if stands is None else {**said, "fallback": stands.said["models"], "fallback_percent": stands.said["at_percent"]}


def _fallback(fields: Fields) -> Fallback | None:
    models: Mapping[str, str] = fields.get("fallback") or {}
    return Fallback(models, fields.get("fallback_percent") or FALLBACK_PERCENT) if models else None
