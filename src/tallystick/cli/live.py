"""`tallystick tail`, call by call as they end, and `tallystick top`, who spends right now: the terminal's twins of the console's
live view. Both read the ledger beside a running server.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_json, printable, settings_of
from tallystick.cli.spend import Where, dollars, filters_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from tallystick.cli.installation import Installation
    from tallystick.stores.sql.facts import Group, Sums

Latest = Annotated[int, typer.Option("--last", min=0, max=500, help="Begin with so many of the latest.")]
Count = Annotated[int | None, typer.Option("--count", min=1, help="End after so many calls [never].")]
Lines = Annotated[bool, typer.Option("--json", help="One JSON document a line: an item of the API's list of calls.")]
By = Annotated[str, typer.Option("--by", metavar="DIM", help="key, team, project, user, agent, provider, served_model or prompt_key.")]
Once = Annotated[bool, typer.Option("--once", help="Print it once instead of following.")]
_STEP_S: Final = 0.25
_BATCH: Final = 500
_ROWS: Final = 40
_MINUTE_US: Final = 60_000_000


def tail(
    last: Latest = 10, count: Count = None, where: Where = None, org: Org = None, as_json: Lines = False,
    data: Data = None, config: Config = None,
) -> None:
    """Show calls as they end, until interrupted."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.live import item_passes

    filters = filters_of(where)
    shown = 0
    with installation.opened(settings, make=False, org=org) as here:
        try:
            for item in _calls(here, last):
                if all(item_passes(item, one) for one in filters):
                    sys.stdout.write((json.dumps(item, ensure_ascii=False) if as_json else _line(item)) + "\n")
                    sys.stdout.flush()
                    shown += 1
                if shown == count:
                    return
        except KeyboardInterrupt:
            return


def top(
    by: By = "key", once: Once = False, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Show who spends right now: in the last minute and the last quarter of an hour."""
    settings = settings_of(data, config)
    from rich.console import Console
    from rich.live import Live

    from tallystick.cli import installation
    from tallystick.stores.sql.facts import group_of

    group = group_of(by)
    if group is None:
        fail("--by takes key, team, project, user, agent, provider, served_model, prompt_key or prompt_version.")
    with installation.opened(settings, make=False, org=org) as here:
        if as_json:
            print_json({"by": by, "rows": _rates(here, group)})
        elif once:
            Console().print(_table(by, _rates(here, group)))
        else:
            try:
                with Live(_table(by, _rates(here, group)), refresh_per_second=2, screen=True) as screen:
                    while True:
                        time.sleep(1)
                        screen.update(_table(by, _rates(here, group)))
            except KeyboardInterrupt:
                return


def _calls(here: Installation, last: int) -> Iterator[dict[str, Any]]:
    """The latest calls, then those that end, as items of the API's list."""
    from tallystick.control.live import attempt_item
    from tallystick.stores.sql import facts
    from tallystick.stores.sql import tail as ledger
    from tallystick.stores.sql.names import Names
    from tallystick.stores.sql.sight import EVERYTHING

    with here.database.read() as db:
        after = ledger.newest(db, here.organization)
        asked = facts.Asked(kinds=(facts.ATTEMPTS, facts.REFUSALS, facts.SANDBOX))
        rows = list(facts.listed(db, here.organization, asked, newest_first=True, behind=None, limit=last)) if last else []
        items = [attempt_item(row, Names(db, here.organization)) for row in reversed(rows)]
    while True:
        yield from items
        if not items:
            time.sleep(_STEP_S)
        with here.database.read() as db:
            found, after = ledger.learned(db, here.organization, after, EVERYTHING, _BATCH)
            items = [attempt_item(row, Names(db, here.organization)) for _, row in found]


def _line(item: Mapping[str, Any]) -> str:
    """A call in a line: when, whose, what, how much, how it ended."""
    usage = item["usage"] or {}
    who = "/".join(item[label] for label in ("team", "project", "user") if item[label]) or item["key_id"] or "–"
    model = item["served_model"] or item["requested_model"] or "–"
    tokens = f"{usage.get('input', 0)}→{usage.get('output', 0)}" if usage else ""
    ended = item["code"] if item["state"] == "refused" else item["outcome"]
    cells = (item["at"][11:19], f"{who:<28.28}", f"{model:<28.28}", f"{tokens:>15}", f"{dollars(item['cost_nanos']):>12}",
             f"{item['latency_ms'] or 0:>6} ms", str(ended))
    return printable("  ".join(cells))


def _rates(here: Installation, group: Group) -> list[dict[str, Any]]:
    from tallystick.stores.sql import facts

    now_us = here.now_us()
    with here.database.read() as db:
        minute, quarter = (facts.sums(db, here.organization, facts.Asked(from_us=now_us - minutes * _MINUTE_US), group)
                           for minutes in (1, 15))
    rows = [{"name": name, "last_minute": _rate(minute.get(name)), "last_15_minutes": _rate(total)} for name, total in quarter.items()]
    return sorted(rows, key=lambda row: (-row["last_minute"]["cost_nanos"], -row["last_15_minutes"]["cost_nanos"], row["name"] or ""))


def _rate(total: Sums | None) -> dict[str, int]:
    return {name: getattr(total, name, 0) for name in ("requests", "errors", "cost_nanos")}


def _table(by: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(time.strftime("%H:%M:%S")), title_justify="left")
    table.add_column(by)
    for column in ("$/min", "calls/min", "$ 15 min", "calls", "errors"):
        table.add_column(column, justify="right")
    for row in rows[:_ROWS]:
        now, before = row["last_minute"], row["last_15_minutes"]
        figures = (dollars(now["cost_nanos"]), now["requests"], dollars(before["cost_nanos"]), before["requests"], before["errors"])
        table.add_row(Text(printable(row["name"] or "–")), *map(str, figures))
    return table
