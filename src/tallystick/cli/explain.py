"""`tallystick explain`: the arithmetic of one call, line by line, from what the ledger holds, and whether
it comes to the figure that was booked.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_facts, print_json, printable, settings_of
from tallystick.core.money import decimal_text

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.stores.sql.calls import CallRecord

WAIT_S: Final = 1.0                          # a call that just ended is still on its way to the ledger
_STEP_S: Final = 0.1


def explain(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The call's id (header x-tallystick-request-id).")],
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Reprint what a call cost and why. Exit 1: the lines do not come to what was booked."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.call_document import adds_up, arithmetic_nanos, booked_nanos, call_document
    from tallystick.stores.sql.names import Names
    from tallystick.stores.sql.pruned import check_call

    with installation.opened(settings, make=False, org=org) as here:
        try:
            record = find_call(here, request_id)
        except (LookupError, ValueError) as damage:
            fail(f"the call's entry cannot be read ({damage}); see `tallystick verify`.", FOUND_WRONG)
        if record is None:
            with here.database.read() as db:
                check_call(db, here.organization, request_id)
            fail("The ledger has no call of that id.")
        with here.database.read() as db:
            document = call_document(record, Names(db, here.organization).price_row)
    wrong = [
        attempt.admission.attempt for attempt in record.attempts
        if attempt.settlement is not None and not (arithmetic_nanos(attempt) == booked_nanos(attempt.settlement) and adds_up(attempt))
    ]
    if as_json:
        print_json(document)
    else:
        _print(document)
    if wrong:
        fail(f"attempt {wrong[0]}: the lines do not come to what was booked.", FOUND_WRONG)


def find_call(here: Installation, request_id: str) -> CallRecord | None:
    """The records of a call, also of one that ended this very second; None where the ledger has none."""
    from tallystick.stores.sql.calls import Calls

    calls = Calls(here.database)
    until = time.monotonic() + WAIT_S
    while True:
        record = calls.read_call(request_id, here.organization)
        if record is not None or time.monotonic() >= until:
            return record
        time.sleep(_STEP_S)


def _print(document: dict[str, Any]) -> None:
    """The call in words, then each attempt's lines and their sum."""
    who = document["attribution"] or {}
    print_facts({
        "call": document["id"], "at": document["at"], "organization": document["organization"],
        **{name: value for name, value in who.items() if not isinstance(value, (dict, list))},
        "provider": document["provider"], "operation": document["operation"],
        "asked for": document["requested_model"], "served": document["served_model"],
        "state": document["state"], "outcome": document["outcome"], "status": document["status"], "code": document["code"],
        "usage": ", ".join(f"{name} {value}" for name, value in (document["usage"] or {}).items()),
    })
    if document.get("budget"):
        _print_budget(document["budget"])
        return
    for attempt in document["attempts"]:
        print(f"\nAttempt {attempt['attempt']}: {attempt['outcome'] or 'open, ' + str(attempt['held_nanos']) + ' nanos held'}")
        if attempt["outcome"] is not None:
            _print_attempt(attempt)
        for adjustment in document["adjustments"]:
            if adjustment["attempt"] == attempt["attempt"]:
                _print_adjustment(adjustment)
    booked_usd, booked = document.get("booked_cost_usd", document["cost_usd"]), document.get("booked_cost_nanos", document["cost_nanos"])
    print(f"\nBooked: ${booked_usd} ({booked} nanos), {document['method'] or 'not settled'}, {document['basis'] or 'no basis yet'}")
    if document["adjustments"]:
        print(f"Adjusted since: {document['cost_nanos'] - booked:+} nanos. The call costs ${document['cost_usd']}"
              f" ({document['cost_nanos']} nanos).")


def _print_budget(stood: dict[str, str]) -> None:
    """Why a call did not fit: limit - spent - held is less than it needed."""
    limit, spent, held, needed = (next(value for name, value in stood.items() if name.startswith(word))
                                  for word in ("limit_", "spent_", "held_", "needed_"))
    unit = next(name for name in stood if name.startswith("limit_")).removeprefix("limit_")
    print(f"\nIt did not fit budget {stood['budget_id']}: {limit} {unit} - {spent} spent - {held} held"
          f" = {Decimal(limit) - Decimal(spent) - Decimal(held)}, and it could need {needed}.")
    if "resets_at" in stood:
        print(f"The budget resets at {stood['resets_at']}. `tallystick budgets show {stood['budget_id']}` tells how it stands now.")


def _print_attempt(attempt: dict[str, Any]) -> None:
    lines = attempt["lines"]
    for line in lines:
        print("  " + _formula(line))
    if lines:
        exact = sum((Decimal(line.get("amount_usd", "0")) for line in lines), Decimal(0))
        print(f"  The lines' sum, exactly: ${exact:f}")
    if attempt["list_cost_nanos"] is not None:
        print(f"  At list prices: ${decimal_text(attempt['list_cost_nanos'])}")
    for name, amount in (("The provider states", attempt["stated_cost_nanos"]), ("Held as the worst case", attempt["held_nanos"])):
        if amount is not None and (name.startswith("The") or attempt["basis"] == "worst_case"):
            print(f"  {name}: {amount} nanos")
    rounded = "" if attempt["stated_cost_nanos"] is not None or not lines else " (rounded once, half to even)"
    if attempt["would_be_cost_nanos"] is not None:
        print(f"  Outside the sandbox it would have cost: {attempt['would_be_cost_nanos']} nanos{rounded}")
        rounded = ""
    print(f"  Booked: {attempt.get('booked_cost_nanos', attempt['cost_nanos'])} nanos{rounded}")
    for note in attempt["notes"]:
        print(f"  Note: {note}")


def _print_adjustment(adjustment: dict[str, Any]) -> None:
    """A correction: its lines where prices made it, and where it leads from and to."""
    why = f"re-priced by book {adjustment['price_version']}" if adjustment["reason"] == "reprice" else "corrected with evidence"
    said = f": {printable(adjustment['text'])}" if adjustment["text"] else ""
    print(f"\nEntry {adjustment['entry']}, posted on {adjustment['posted_day']} by {adjustment['actor']}: {why}{said}")
    for line in adjustment["lines"]:
        print("  " + _formula(line))
    cost, delta = adjustment["cost_nanos"], adjustment["delta_nanos"]
    print(f"  {cost - delta} {'+' if delta >= 0 else '-'} {abs(delta)} = {cost} nanos")


def _formula(line: dict[str, Any]) -> str:
    """One line of the arithmetic, and under it the row that priced it."""
    if line["price_row"] is None:
        return f"{line['unit']:<16} {_figure(line['quantity'])} × no price"
    factor = "" if line["factor"] == "1" else f" × {line['factor']} ({line['factor_row']})"
    since = f", in force from {line['valid_from']}" if line.get("valid_from") else ""
    checked = f", checked on {line['checked_on']}" if line.get("checked_on") else ""
    return (f"{line['unit']:<16} {_figure(line['quantity']):>9} × {line['rate_usd']} / {line['per']:,}{factor} = ${line['amount_usd']}"
            f"\n{'':<19}{line['price_row']} · {line.get('source', 'source unknown')}{since}{checked}{_at_list(line)}")


def _at_list(line: dict[str, Any]) -> str:
    """Under an override's line what the list says, by its own row."""
    if "override" not in line:
        return ""
    if line["list_price_row"] is None:
        return f"\n{'':<19}override {line['override']}; the list has no price"
    factor = "" if line["list_factor"] == "1" else f" × {line['list_factor']}"
    return (f"\n{'':<19}override {line['override']}; at list {line['list_rate_usd']} / {line['list_per']:,}{factor}"
            f" = ${line['list_amount_usd']}, {line['list_price_row']}")


def _figure(quantity: int | str) -> str:
    """A whole quantity in groups of three; any other as it is."""
    return f"{quantity:,}" if isinstance(quantity, int) else quantity
