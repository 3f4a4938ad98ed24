"""`tallystick spend`: what calls cost over some days, by whatever is asked for, dearest first. It reads the books beside a
running server and says what the console's explorer says.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_json, print_table, settings_of
from tallystick.core.money import NANOS_PER_UNIT, decimal_text, from_nanos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.stores.sql.breakdown import Group, Total
    from tallystick.stores.sql.breakdown_names import Filter

Where = Annotated[list[str] | None, typer.Option(
    "--where", metavar="DIM=NAME", help="Only these: team=hr, team!=hr, model~mini (contains), team= (names none). Repeatable.")]
By = Annotated[list[str] | None, typer.Option(
    "--by", metavar="DIM", help="team, user, model, prompt_key, tag, dimension.NAME and so on; at most twice [model].")]
First = Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day, instead of --days.")]
Last = Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day [today].")]
Days = Annotated[int, typer.Option("--days", min=1, max=4_000, help="How many days, the last one included.")]
Top = Annotated[int, typer.Option("--top", min=1, help="How many are told one by one.")]
_FIGURES: Final = ("requests", "tokens", "cost", "share")


def spend(
    by: By = None, days: Days = 30, start: First = None, end: Last = None, top: Top = 20, where: Where = None, org: Org = None,
    as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Say what calls cost, by model or whatever else is asked for."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.explore_document import left_beside, ranked
    from tallystick.control.figures import day_number, local
    from tallystick.stores.sql.breakdown import Question, Total, broken_down
    from tallystick.stores.sql.breakdown_names import TooMany

    groups = check_dimensions(by or ("model",))
    filters = filters_of(where)
    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        zone = str(db.execute("SELECT zone FROM organization WHERE id = ?", (here.organization,)).fetchone()[0])
        last = _day(end) or local(here.now_us(), zone).date()
        first = _day(start) or last - timedelta(days=days - 1)
        question = Question(day_number(first), day_number(last), groups, filters=filters)
        try:
            found = {group: total for (_, group), total in broken_down(db, here.organization, question).items()}
            whole = broken_down(db, here.organization, replace(question, groups=())).get((0, ()), Total())
        except TooMany as many:
            fail(f"This has more {many} than one answer holds; narrow it with --where.")
    order = ranked(found, "cost")
    told = {group: found[group] for group in order[:top]}
    rest = left_beside(whole, told.values()) if len(told) < len(found) and "tag" not in groups else None
    if as_json:
        print_json({
            "from": first.isoformat(), "to": last.isoformat(), "zone": zone, "by": list(groups), "total": _figures(whole),
            "groups": [{"names": list(group), **_figures(total)} for group, total in told.items()],
            "other": _figures(rest) if rest else None})
    else:
        print_table(f"{first} to {last}, days of {zone}", (*groups, *_FIGURES), _rows(told, rest, whole, len(found)), right=_FIGURES)


def check_dimensions(names: Sequence[str]) -> tuple[str, ...]:
    """One or two dimensions; ends the command where they are none."""
    from tallystick.stores.sql.breakdown_names import NAMES, dimension

    if len(names) > 2 or len(set(names)) < len(names) or any(dimension(name) is None for name in names):
        fail(f"One or two of {', '.join(NAMES)} and dimension.NAME.")
    return tuple(names)


def filters_of(where: Sequence[str] | None) -> tuple[Filter, ...]:
    """What `--where` says; ends the command where it makes no sense."""
    from tallystick.stores.sql.breakdown_names import NAMES, dimension

    found = tuple(map(_filter, where or ()))
    if any(dimension(one.dimension) is None for one in found):
        fail(f"A --where narrows by {', '.join(NAMES)} or dimension.NAME.")
    return found


def dollars(amount_nanos: int) -> str:
    """Cents from a dollar on, six places below."""
    amount = from_nanos(amount_nanos)
    return f"${amount:,.2f}" if abs(amount_nanos) >= NANOS_PER_UNIT else f"${amount:.6f}"


def _filter(text: str) -> Filter:
    from tallystick.stores.sql.breakdown_names import Filter

    name, sign, value = text.partition("=")
    if sign and name.endswith("!"):
        return Filter(name[:-1], "is_not", (value or None,))
    if sign and "~" not in name:
        return Filter(name, "is", (value or None,))
    name, sign, value = text.partition("~")
    if not sign or not value:
        fail("A --where is DIM=NAME, DIM!=NAME or DIM~TEXT.")
    return Filter(name, "contains", (value,))


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        fail("A day is YYYY-MM-DD.")


def _rows(told: dict[Group, Total], rest: Total | None, whole: Total, groups: int) -> list[list[str]]:
    rows = [[*(name or "–" for name in group), *_cells(total, whole)] for group, total in told.items()]
    blank = [""] * (len(next(iter(told), ("",))) - 1)
    if rest is not None:
        rows.append([f"{groups - len(told)} others", *blank, *_cells(rest, whole)])
    return [*rows, ["Total", *blank, *_cells(whole, whole)]]


def _cells(total: Total, whole: Total) -> list[str]:
    share = f"{100 * total.cost_nanos / whole.cost_nanos:.1f}%" if whole.cost_nanos else ""
    return [f"{total.requests:,}", f"{total.input_tokens + total.output_tokens:,}", dollars(total.cost_nanos), share]


def _figures(total: Total) -> dict[str, Any]:
    return {"requests": total.requests, "errors": total.errors, "input_tokens": total.input_tokens, "output_tokens": total.output_tokens,
            "cost_nanos": total.cost_nanos, "cost_usd": decimal_text(total.cost_nanos)}
