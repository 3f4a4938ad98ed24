"""How spool records become entries, facts and what hangs on them. One attempt is one entry: its admission
and settlement together, or, where the settlement takes longer than the ledger waits, ADMIT first and
SETTLE later; a reply that only opened a job is a DEFER, which settles nothing.

Floods of refusals do not flood the ledger: beyond a limit per key, code and minute (callers without a
key count as one) they are counted, and the minute's end chains one REFUSALS entry with the count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.draw import Draw
from tallystick.core.entry import Fields, admission_fields, refusal_fields, request_hex, settlement_fields
from tallystick.core.entry_lines import Describe
from tallystick.core.ledger import read_body
from tallystick.stores.sql.access_log import close_failure_minutes
from tallystick.stores.sql.callfact import fact_of
from tallystick.stores.sql.adjusting import Correction, adjust
from tallystick.stores.sql.counting import count, count_later, draws_kept, read_draws
from tallystick.stores.sql.custody import book_object
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT_TEAM, ensure_project, ensure_team, month_sql
from tallystick.stores.sql.journal import Appending, Chain
from tallystick.stores.sql.second_endings import book_second_ending

MINUTE_US: Final = 60_000_000
REFUSALS_A_MINUTE: Final = 60                # of one key and code, one by one
REFUSALS_A_MINUTE_KEYLESS: Final = 10
MINUTE_GRACE_US: Final = 5_000_000           # how long after its end a minute waits for stragglers


def book_attempt(pen: Appending, admission: Admission, settlement: Settlement, describe: Describe) -> None:
    """Admission and settlement in one entry. Raises LookupError for an unknown organisation, ValueError
    for records that cannot stand in an entry."""
    chain = pen.chain_of(admission.attribution.organization)
    fields = admission_fields(admission, chain.define)
    fields |= settlement_fields(settlement, chain.define, describe)
    fields["kind"] = "DEFER" if settlement.outcome == "deferred" else "ATTEMPT"
    _chain_call(pen, chain, fields, admission, settlement.draws)
    count(pen, admission, settlement)
    book_object(pen, chain.organization, admission, settlement)


def book_admission(pen: Appending, admission: Admission) -> None:
    """An admission that has waited long enough for its settlement: it is chained alone."""
    chain = pen.chain_of(admission.attribution.organization)
    fields = admission_fields(admission, chain.define)
    fields["kind"] = "ADMIT"
    _chain_call(pen, chain, fields, admission, admission.holds)


def book_later_settlement(pen: Appending, settlement: Settlement, describe: Describe) -> None:
    """The settlement of an attempt whose admission is chained already. Raises LookupError when no such
    attempt is open: it was never admitted, or has its one settlement. One that was settled because its instance was
    written off is adjusted, and a job's end may be seen again."""
    request = request_hex(settlement.request_id)
    opened = find_open(pen, request, settlement.attempt)
    if opened is None and (_correct_written_off(pen, settlement, describe) or book_second_ending(pen, settlement, describe)):
        return
    if opened is None:
        raise LookupError(f"{settlement.request_id}/{settlement.attempt} is not open")
    organization, seq, month = opened
    chain = pen.chain(organization)
    fields = settlement_fields(settlement, chain.define, describe)
    deferred = settlement.outcome == "deferred"
    fields |= {"kind": "DEFER" if deferred else "SETTLE", "at": settlement.at_us, "request": request, "ref": seq}
    if settlement.attempt != 1:
        fields["attempt"] = settlement.attempt
    later = chain.append(fields, month)
    pen.db.execute("INSERT INTO later_entry (organization, ref, seq) VALUES (?, ?, ?)", (organization, seq, later))
    book_object(pen, organization, None, settlement)
    pen.flush()                              # the admission's row may have been gathered just now
    row = pen.db.execute(month_sql("SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?", month),
                         (organization, seq)).fetchone()
    opening, request_bytes = read_body(pen.packer.unpack(row[0])), bytes.fromhex(request)
    merged = ended(opening, fields)
    place = (request_bytes, settlement.attempt)
    job, kept = pen.db.execute("SELECT deferred, draws FROM open_attempt WHERE request_id = ? AND attempt = ?", place).fetchone()
    if deferred:
        pen.db.execute("UPDATE open_attempt SET deferred = 1, draws = ? WHERE request_id = ? AND attempt = ?",
                       (draws_kept(settlement.draws), *place))
    else:
        pen.db.execute("DELETE FROM open_attempt WHERE request_id = ? AND attempt = ?", place)
    count_later(pen, organization, opening, settlement, kept if job else None)
    pen.take_fact(month, organization, seq, place)
    pen.add_fact(month, fact_of(merged, organization, chain.calendar))


def ended(opening: Mapping[str, Any], ending: Mapping[str, Any]) -> Fields:
    """One set of fields for an attempt that stands in two entries: `at` and `seq` are the opening's,
    what the settlement says is the ending's."""
    return {**opening, **ending, "at": opening["at"], "seq": opening["seq"]}


def find_open(pen: Appending, request: str, attempt: int) -> tuple[int, int, int] | None:
    """Organisation, sequence number and month of the entry that opened an attempt, None when none is open."""
    row = pen.db.execute("SELECT organization, seq, month FROM open_attempt WHERE request_id = ? AND attempt = ?",
                         (bytes.fromhex(request), attempt)).fetchone()
    return (int(row[0]), int(row[1]), int(row[2])) if row else None


def is_chained(pen: Appending, request_id: str, attempt: int) -> bool:
    """Whether an attempt's admission was chained alone, and its spool's settlement, if it comes, is one of its own."""
    request = request_hex(request_id)
    return find_open(pen, request, attempt) is not None or _is_written_off(pen, request, attempt)


def settle_left_open(pen: Appending, instance: str, describe: Describe, rows_max: int) -> int:
    """Settle, at their hold, attempts that an instance left open which is gone for good, as its own recovery would; how many.
    Jobs are not its own: whoever polls settles them."""
    left = pen.db.execute("SELECT request_id, attempt, organization, hold_nanos, draws FROM open_attempt"
                          " WHERE instance = ? AND deferred = 0 ORDER BY admitted_us LIMIT ?", (instance, rows_max)).fetchall()
    for request_id, attempt, organization, hold_nanos, draws in left:
        book_later_settlement(pen, Settlement(
            "req_" + request_id.hex(), attempt, pen.now_us, outcome="recovered", method="estimated" if hold_nanos else "unpriced",
            basis="worst_case", cost_nanos=hold_nanos, notes=("its gateway was written off",), draws=read_draws(draws)), describe)
        pen.db.execute("INSERT INTO written_off_attempt (request_id, attempt, organization) VALUES (?, ?, ?)",
                       (request_id, attempt, organization))
    return len(left)


def _is_written_off(pen: Appending, request: str, attempt: int) -> bool:
    return pen.db.execute("SELECT 1 FROM written_off_attempt WHERE request_id = ? AND attempt = ?",
                          (bytes.fromhex(request), attempt)).fetchone() is not None


def _correct_written_off(pen: Appending, settlement: Settlement, describe: Describe) -> bool:
    """The spool of an instance that was written off has turned up: what an attempt cost that was settled at its hold; whether it
    is such a one. A job stays as it is until a poll shows its cost. Raises ValueError where it cannot be corrected."""
    place = bytes.fromhex(request_hex(settlement.request_id)), settlement.attempt
    row = pen.db.execute("SELECT organization FROM written_off_attempt WHERE request_id = ? AND attempt = ?", place).fetchone()
    if row is None:
        return False
    if settlement.outcome == "deferred":
        return True
    pen.db.execute("DELETE FROM written_off_attempt WHERE request_id = ? AND attempt = ?", place)
    if settlement.basis != "worst_case":
        try:
            adjust(pen, row[0], Correction(settlement.request_id, settlement.attempt, "evidence", settlement.cost_nanos, "gateway",
                                           f"the spool of {pen.holder} was found"), describe)
        except Refused as reason:
            raise ValueError(str(reason)) from reason
    return True


def book_refusal(pen: Appending, refusal: Refusal) -> None:
    """One refusal: an entry of its own, or one more in its minute's count."""
    chain = pen.chain_of(refusal.organization)
    key = refusal.attribution.key_id if refusal.attribution else ""
    minute = refusal.at_us // MINUTE_US
    place = (chain.organization, key, refusal.code, minute)
    row = pen.db.execute("SELECT entered FROM refusal_minute WHERE organization = ? AND key_name = ? AND code = ? AND minute = ?",
                         place).fetchone()
    entered = int(row[0]) if row else 0
    if entered >= (REFUSALS_A_MINUTE if key else REFUSALS_A_MINUTE_KEYLESS):
        pen.db.execute("UPDATE refusal_minute SET counted = counted + 1"
                       " WHERE organization = ? AND key_name = ? AND code = ? AND minute = ?", place)
        return
    pen.db.execute("INSERT INTO refusal_minute (organization, key_name, code, minute, entered, counted) VALUES (?, ?, ?, ?, 1, 0)"
                   " ON CONFLICT (organization, key_name, code, minute) DO UPDATE SET entered = refusal_minute.entered + 1", place)
    fields = refusal_fields(refusal, chain.define)
    fields["kind"] = "REFUSED"
    month = chain.calendar.day_and_month(refusal.at_us)[1]
    chain.append(fields, month)
    pen.add_fact(month, fact_of(fields, chain.organization, chain.calendar))


def close_refusal_minutes(pen: Appending) -> None:
    """Chain the counts of minutes that are over, of logins too. Call it when no refusal waits unread."""
    close_failure_minutes(pen)
    last = (pen.now_us - MINUTE_GRACE_US) // MINUTE_US
    floods = pen.db.execute("SELECT organization, key_name, code, minute, counted FROM refusal_minute"
                            " WHERE minute < ? AND counted > 0", (last,)).fetchall()
    for organization, key, code, minute, counted in floods:
        chain = pen.chain(organization)
        fields: Fields = {"kind": "REFUSALS", "at": minute * MINUTE_US, "code": chain.define("code", code), "count": counted}
        if key:
            fields["key"] = chain.define("key", key)
        chain.append(fields, chain.calendar.day_and_month(fields["at"])[1])
    pen.db.execute("DELETE FROM refusal_minute WHERE minute < ?", (last,))


def settle_overdue(pen: Appending, age_us_max: int, describe: Describe, rows_max: int = 100) -> list[Settlement]:
    """Settle, at their hold, deferred jobs whose result nobody fetched in time (decisions.md, rule 6); how each was."""
    overdue = pen.db.execute("SELECT request_id, attempt, hold_nanos FROM open_attempt WHERE deferred = 1 AND admitted_us < ?"
                             " ORDER BY admitted_us LIMIT ?", (pen.now_us - age_us_max, rows_max)).fetchall()
    settled = [Settlement(
        "req_" + request_id.hex(), attempt, pen.now_us, outcome="recovered",
        method="estimated" if hold_nanos else "unpriced", basis="worst_case", cost_nanos=hold_nanos,
        notes=("nobody fetched the job's result in time",)) for request_id, attempt, hold_nanos in overdue]
    for settlement in settled:
        book_later_settlement(pen, settlement, describe)
    return settled


def _meet_scope(pen: Appending, chain: Chain, labels: Mapping[str, str]) -> None:
    """Make the team and project that a call was the first to name (below its key's scope, which the
    edge has checked). A project without a team belongs to the team `default`."""
    if "team" not in labels and "project" not in labels:
        return
    team, project = labels.get("team", DEFAULT_TEAM), labels.get("project")
    place = (chain.organization, "scope", f"{team}\n{project or ''}")
    if place in pen.names or place in pen.fresh:
        return
    team_id = ensure_team(pen.db, chain.organization, team, pen.now_us)
    if project is not None:
        ensure_project(pen.db, chain.organization, team_id, project, pen.now_us)
    pen.fresh[place] = team_id


def _chain_call(pen: Appending, chain: Chain, fields: Fields, admission: Admission, draws: Sequence[Draw]) -> None:
    """`draws`: what an attempt holds that stays open."""
    _meet_scope(pen, chain, admission.attribution.labels)
    month = chain.calendar.day_and_month(admission.at_us)[1]
    seq = chain.append(fields, month)
    pen.add_fact(month, fact_of(fields, chain.organization, chain.calendar))
    if fields["kind"] != "ATTEMPT":
        pen.db.execute(
            "INSERT INTO open_attempt (request_id, attempt, organization, seq, month, instance, deferred, admitted_us, hold_nanos, draws)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (bytes.fromhex(fields["request"]), admission.attempt, chain.organization, seq, month, pen.holder,
             int(fields["kind"] == "DEFER"), admission.at_us, admission.hold_nanos, draws_kept(draws)))
