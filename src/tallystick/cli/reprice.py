"""`tallystick prices reprice`: what past calls would cost under today's price book, and, once a person has seen
that and agreed, the corrections that bring the ledger there. Nothing booked is edited.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_json, print_table, settings_of
from tallystick.config import Settings
from tallystick.config_sources import BadSettings

if TYPE_CHECKING:
    from tallystick.stores.sql.connection import Connection

    from tallystick.cli.installation import Installation
    from tallystick.core.repricing import Effect, ModelEffect, PastAttempt
    from tallystick.core.settlement import Terms
    from tallystick.stores.sql.adjusting import Correction
    from tallystick.stores.sql.facts import Asked
    from tallystick.stores.sql.live_prices import LivePrices

_UNPRICED_SHOWN: Final = 20


def reprice(
    since: Annotated[str, typer.Option(metavar="DATE", help="First day, in the organisation's zone.")],
    until: Annotated[str, typer.Option(metavar="DATE", help="Last day, which is included.")],
    provider: Annotated[str | None, typer.Option(help="Only calls to this provider.")] = None,
    model: Annotated[str | None, typer.Option(help="Only calls that were served by this model, or asked for it.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it stays in the ledger.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Post without asking.")] = False,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Price past calls anew and post what differs, after showing it. Run twice, it posts nothing the second time."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.core.ledger import LedgerFault
    from tallystick.stores.sql.adjusting import TEXT_CHARS_MAX
    from tallystick.stores.sql.directory import Refused

    if len(reason) > TEXT_CHARS_MAX or not reason.isprintable():
        fail(f"--reason: at most {TEXT_CHARS_MAX} characters on one line.")
    with installation.opened(settings, make=False, org=org) as here:
        run = _Run(here, settings, (_day(since, "--since"), _day(until, "--until")), provider, model, reason)
        try:
            effect = run.effect()
            document = _document(effect, run.prices.version, since, until)
            changed = effect.total.changed
            if not as_json:
                _print(document)
            posted = run.post() if changed and (yes or _agreed(as_json, changed)) else None
        except Refused as error:
            fail(str(error))
        except (LookupError, ValueError, LedgerFault) as damage:
            fail(f"the ledger cannot be read ({damage}); see `tallystick verify`.", FOUND_WRONG)
    if as_json:
        print_json({**document, "posted": posted})
    elif posted is not None:
        print(f"Posted {posted['adjustments']:,} adjustments, {_usd(posted['delta_nanos'])} in all.")
    elif changed:
        print("Nothing was posted.")


class _Run:
    """One re-pricing: which attempts, under which prices. It is read once to show and once more to post."""

    def __init__(self, here: Installation, settings: Settings, days: tuple[int, int], provider: str | None, model: str | None,
                 reason: str) -> None:
        from tallystick.stores.sql.calls import Calls
        from tallystick.stores.sql.facts import Asked

        self.here = here
        self.asked: Asked = Asked(*days, filters={"provider": provider} if provider else {})
        self.model = model
        self.reason = reason
        self.prices, self.terms = _in_force(here, settings)
        self.calls = Calls(here.database)

    def effect(self) -> Effect:
        """What would change."""
        from tallystick.core.repricing import effect

        with self.here.database.read() as db:
            return effect(self._attempts(db), self.prices.of_admission, self.terms)

    def post(self) -> dict[str, int]:
        """Post what differs."""
        from tallystick.stores.sql.adjusting import adjust_all

        with self.here.database.read() as db:
            posted = adjust_all(self.here.directory.sequencer, self.here.organization, self._corrections(db),
                                self.prices.describe, self.here.now_us)
        return {"adjustments": posted.adjustments, "delta_nanos": posted.delta_nanos}

    def _attempts(self, db: Connection) -> Iterator[PastAttempt]:
        from tallystick.stores.sql.past_attempts import past_attempts

        return past_attempts(db, self.calls, self.here.organization, self.asked, self.model)

    def _corrections(self, db: Connection) -> Iterator[Correction]:
        from tallystick.core.repricing import Repriced, reprice
        from tallystick.stores.sql.adjusting import Correction

        for past in self._attempts(db):
            said = past.admission
            book = self.prices.of_admission(said)
            outcome = reprice(past, book, self.terms.get(said.provider))
            if isinstance(outcome, Repriced) and outcome.cost_nanos != past.cost_nanos:
                yield Correction(said.request_id, said.attempt, "reprice", outcome.cost_nanos, "cli", self.reason, outcome.lines,
                                 book.version)


def _document(effect: Effect, version: str, since: str, until: str) -> dict[str, Any]:
    from tallystick.core.repricing import BARRED, KEPT

    models = sorted(effect.models.items(), key=lambda pair: (-abs(pair[1].delta_nanos), pair[0]))
    return {
        "since": since, "until": until, "price_version": version, **_figures(effect.total),
        "models": [{"provider": place[0], "model": place[1], **_figures(found)} for place, found in models],
        "cannot_be_repriced": [{"reason": reason, "calls": count, "why": BARRED[reason]}
                               for reason, count in sorted(effect.standing.items()) if reason in BARRED],
        "without_price": [{"provider": place[0], "model": place[1], "unit": place[2], "calls": count}
                          for place, count in sorted(effect.unpriced.items())],
        "not_by_price": [{"reason": reason, "calls": count, "why": KEPT[reason]}
                         for reason, count in sorted(effect.standing.items()) if reason in KEPT],
    }


def _figures(found: ModelEffect) -> dict[str, int]:
    return {"calls": found.attempts, "changed": found.changed, "old_nanos": found.old_nanos, "new_nanos": found.new_nanos,
            "delta_nanos": found.delta_nanos}


def _print(document: dict[str, Any]) -> None:
    print_table(
        f"{document['calls']:,} calls priced by book {document['price_version']}: {document['changed']:,} change",
        ("model", "calls", "change", "old", "new", "delta"),
        ((f"{one['provider']}/{one['model']}", f"{one['calls']:,}", f"{one['changed']:,}", _usd(one["old_nanos"]), _usd(one["new_nanos"]),
          _usd(one["delta_nanos"])) for one in (*document["models"], {**document, "provider": "all", "model": "models"})),
        right=("calls", "change", "old", "new", "delta"))
    for title, name in (("Cannot be re-priced", "cannot_be_repriced"), ("Not priced by a book", "not_by_price")):
        for one in document[name]:
            print(f"{title}: {one['calls']:,} calls, {one['why']}.")
    for one in document["without_price"][:_UNPRICED_SHOWN]:
        print(f"  no price: {one['provider']}/{one['model']}, {one['unit']} ({one['calls']:,} calls)")


def _agreed(as_json: bool, changed: int) -> bool:
    """Asked on a terminal; anywhere else the answer is no."""
    if as_json or not sys.stdin.isatty():
        if not as_json:
            print("To post it, say --yes.")
        return False
    return typer.confirm(f"Post {changed:,} adjustments?")


def _in_force(here: Installation, settings: Settings) -> tuple[LivePrices, dict[str, Terms]]:
    """The prices and the providers' terms as a server of this installation would have them."""
    from tallystick.configured import open_prices, terms_of

    try:
        return open_prices(here.database, settings), dict(terms_of(settings))
    except BadSettings as error:
        fail(str(error))


def _day(text: str, option: str) -> int:
    """Days since 1970-01-01."""
    try:
        return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        fail(f"{option}: a day is YYYY-MM-DD.")


def _usd(amount_nanos: int) -> str:
    from tallystick.core.money import decimal_text

    return f"-${decimal_text(-amount_nanos)}" if amount_nanos < 0 else f"${decimal_text(amount_nanos)}"
