"""`tallystick adjust`: correct what a call cost, with what shows it. The booking stays; a new entry of the ledger
says what the attempt costs from here on, why, and who said so.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_json, settings_of


def adjust(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The call's id (header x-tallystick-request-id).")],
    cost: Annotated[str, typer.Option(metavar="USD", help="What it really cost, such as 0.0123; at most nine decimal places.")],
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="What shows it: an invoice's line, a usage report. It is kept.")],
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt, where the call has several.")] = None,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Correct what a call cost, with evidence. Works beside a running server."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.cli.explain import find_call
    from tallystick.control.call_document import adjustment_document
    from tallystick.core.money import read_amount
    from tallystick.stores.sql import adjusting
    from tallystick.stores.sql.directory import Refused
    from tallystick.stores.sql.pruned import check_call

    with installation.opened(settings, make=False, org=org) as here:
        record = find_call(here, request_id)
        if record is None:
            with here.database.read() as db:
                check_call(db, here.organization, request_id)
            fail("The ledger has no call of that id.")
        try:
            meant = adjusting.attempt_meant(record, attempt)
            correction = adjusting.Correction(request_id, meant, "evidence", read_amount(cost), "cli", evidence)
            with here.directory.sequencer.append(here.now_us()) as pen:
                posted = adjusting.adjust(pen, here.organization, correction, lambda _row: {})
        except (Refused, ValueError) as error:
            fail(str(error))
        record = find_call(here, request_id)
    assert record is not None, "it was there, and nothing is ever taken away"
    latest = next(one for one in record.attempts if one.admission.attempt == meant).adjustments[-1]
    document: dict[str, Any] = {"id": request_id, "posted": posted is not None, **adjustment_document(latest, lambda _line: {})}
    if as_json:
        print_json(document)
        return
    if not document["posted"]:
        print(f"Entry {document['entry']} says so already; nothing was posted.")
        return
    print(f"Entry {document['entry']}: {request_id}, attempt {document['attempt']}, costs ${document['cost_usd']}"
          f" ({document['delta_nanos']:+} nanos).")
