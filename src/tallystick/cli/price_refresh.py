"""`tallystick prices refresh`, `pending`, `apply`, `reject`: newer prices from a feed, shown against the book in
force with what they would do to last month's calls, and in force only once a person says so.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_json, print_table, settings_of
from tallystick.cli.price_books import live_prices
from tallystick.config import Settings
from tallystick.config_sources import BadSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tallystick.cli.installation import Installation
    from tallystick.core.price_rows import ProviderPrices
    from tallystick.core.price_scopes import Prices
    from tallystick.core.repricing import Effect
    from tallystick.stores.sql.live_prices import LivePrices
    from tallystick.stores.sql.releases import Release

EFFECT_DAYS: Final = 30
_ROWS_SHOWN: Final = 200
Only = Annotated[list[str] | None, typer.Option("--only", metavar="PROVIDER", help="Only of this provider; may be said again.")]


def refresh(
    source: Annotated[str, typer.Option("--from", metavar="FILE|URL", help="A price file or LiteLLM's map, as a file or https address; "
                                                                           "or genai-prices, the installed package.")],
    sha256: Annotated[str | None, typer.Option(help="The feed's SHA-256; anything else is not used.")] = None,
    only: Only = None,
    valid_from: Annotated[str | None, typer.Option(metavar="DATE", help="When prices without a date of their own begin [today].")] = None,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Read a feed, show what it says otherwise and what that would do to an organisation's calls of the last 30 days,
    and keep it as pending. Nothing is in force before `prices apply`."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.core.price_layers import cited, file_text
    from tallystick.core.price_rows import instant_us
    from tallystick.stores.price_feeds import BadFeed, checked_on, news_in, read_feed
    from tallystick.stores.sql.directory import Refused
    from tallystick.stores.sql.releases import Releases

    try:
        instant_us(valid_from or "2026-01-01")
    except ValueError:
        fail(f"--valid-from: not a day or a moment: {valid_from}")
    with installation.opened(settings, org=org) as here:
        live, now_us = live_prices(here, settings), here.now_us()
        try:
            feed = read_feed(source, sha256)
            found = news_in(feed, live.book, now_us, valid_from or f"{_today(now_us):%Y-%m-%d}")
            found = {name: cited(prices, feed.digest[:12]) for name, prices in sorted(found.items()) if not only or name in only}
            document = _review(here, settings, live, found) | {"source": feed.source, "sha256": feed.digest}
            kept = Releases(here.directory.sequencer, token_bytes).keep(
                [(name, file_text(prices)) for name, prices in found.items()], feed.source, feed.digest, checked_on(found), now_us, "cli")
        except (BadFeed, Refused) as error:
            fail(str(error))
    document["release"] = kept[0].id if kept else None
    if as_json:
        print_json(document)
        return
    _print_review(document)
    print(f"Pending: {', '.join(found)}. To put it in force: tallystick prices apply" if kept else "Nothing is new.")


def pending(org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Show what waits to be applied, as `refresh` showed it, against the book and the calls of now."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.releases import PENDING, list_releases

    with installation.opened(settings, make=False, org=org) as here:
        found = list_releases(here.database, PENDING)
        document = _review(here, settings, live_prices(here, settings), {one.provider: one.prices for one in found})
    document["releases"] = [_release_document(one) for one in found]
    if as_json:
        print_json(document)
        return
    _print_review(document)
    _print_releases(found, "pending")


def apply(
    only: Only = None,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Put what is pending in force. Running servers price by it within a second; calls before it are untouched
    until `prices reprice`."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.releases import PENDING, Releases, list_releases

    with installation.opened(settings, make=False, org=org) as here:
        due = [one for one in list_releases(here.database, PENDING) if not only or one.provider in only]
        if due and not yes:
            if as_json or not sys.stdin.isatty():
                fail("Say --yes to apply; `tallystick prices pending` shows what.")
            _print_review(_review(here, settings, live_prices(here, settings), {one.provider: one.prices for one in due}))
            if not typer.confirm(f"Apply the prices of {', '.join(one.provider for one in due)}?"):
                fail("Nothing was applied.")
        applied = Releases(here.directory.sequencer, token_bytes).apply(only, here.now_us(), "cli")
    if as_json:
        print_json({"applied": [_release_document(one) for one in applied]})
        return
    print(f"In force: {', '.join(one.provider for one in applied)}. For calls since a price's own date: tallystick prices reprice")


def reject(only: Only = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Put aside what is pending."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.releases import Releases

    with installation.opened(settings, make=False) as here:
        rejected = Releases(here.directory.sequencer, token_bytes).reject(only, here.now_us(), "cli")
    if as_json:
        print_json({"rejected": [_release_document(one) for one in rejected]})
        return
    print(f"Rejected: {', '.join(one.provider for one in rejected)}.")


def _review(here: Installation, settings: Settings, live: LivePrices, found: Mapping[str, ProviderPrices]) -> dict[str, Any]:
    """What would change, statement by statement, and the money effect on the calls of the last 30 days."""
    from tallystick.core.price_layers import layered
    from tallystick.core.price_review import changes, statements
    from tallystick.core.price_rows import ProviderPrices as Empty
    from tallystick.stores.price_files import Layer

    would_be = live.under([Layer(name, prices) for name, prices in found.items()])
    said: list[dict[str, Any]] = []
    for name in found:
        before = live.book.prices(name) or Empty(name)
        after = layered(before, [found[name]]) or before
        said += [{"kind": one.kind, "id": one.id, "old": one.old, "new": one.new,
                  "ratio": None if one.ratio is None else f"{round(one.ratio, 3).normalize():f}"}
                 for one in changes(statements(before), statements(after))]
    until = _today(here.now_us())
    since = until - timedelta(days=EFFECT_DAYS - 1)
    old, new = _effects(here, settings, (live, would_be), since, until)
    return {
        "providers": list(found), "changes": said, "version": live.version, "version_applied": would_be.version,
        "effect": {
            "since": f"{since:%Y-%m-%d}", "until": f"{until:%Y-%m-%d}", "calls": new.total.attempts,
            "old_nanos": old.total.new_nanos, "new_nanos": new.total.new_nanos,
            "delta_nanos": new.total.new_nanos - old.total.new_nanos, "models": _models(old, new)},
    }


def _models(old: Effect, new: Effect) -> list[dict[str, Any]]:
    """The models whose calls would cost otherwise; what had no price before is counted from nothing."""
    found = []
    for place in sorted({*old.models, *new.models}):
        before, after = (one.models.get(place) for one in (old, new))
        figures = [one.new_nanos if one else 0 for one in (before, after)]
        if figures[0] != figures[1]:
            found.append({"provider": place[0], "model": place[1], "calls": after.attempts if after else 0,
                          "old_nanos": figures[0], "new_nanos": figures[1], "delta_nanos": figures[1] - figures[0]})
    return found


def _effects(
    here: Installation, settings: Settings, prices: tuple[Prices, Prices], since: datetime, until: datetime
) -> tuple[Effect, Effect]:
    """What the calls of these days cost under the one and under the other; each is read once."""
    from tallystick.configured import terms_of
    from tallystick.core.repricing import Effect, reprice
    from tallystick.stores.sql.calls import Calls
    from tallystick.stores.sql.facts import Asked
    from tallystick.stores.sql.past_attempts import past_attempts

    try:
        terms = terms_of(settings)
    except BadSettings as error:
        fail(str(error))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    asked = Asked((since - epoch).days, (until - epoch).days)
    found = Effect(), Effect()
    with here.database.read() as db:
        for past in past_attempts(db, Calls(here.database), here.organization, asked):
            said = past.admission
            for effect, own in zip(found, prices, strict=True):
                effect.add(past, reprice(past, own.of(said.provider, said.attribution, said.credential), terms.get(said.provider)))
    return found


def _print_review(document: dict[str, Any]) -> None:
    from tallystick.core.money import decimal_text

    shown, effect = document["changes"], document["effect"]
    print_table(f"{len(shown)} changes", ("", "id", "old", "new", "ratio"), [
        (one["kind"], one["id"], one["old"], one["new"], f"×{one['ratio']}" if one["ratio"] else "") for one in shown[:_ROWS_SHOWN]],
        right=("ratio",))
    if len(shown) > _ROWS_SHOWN:
        print(f"… and {len(shown) - _ROWS_SHOWN} more; --json shows all.")
    print_table(
        f"{effect['calls']:,} calls from {effect['since']} to {effect['until']} would cost",
        ("model", "calls", "now", "then", "difference"),
        [(f"{one['provider']}/{one['model']}", f"{one['calls']:,}",
          *(decimal_text(one[name]) for name in ("old_nanos", "new_nanos", "delta_nanos")))
         for one in (*effect["models"], {**effect, "provider": "all", "model": "models"})],
        right=("calls", "now", "then", "difference"))


def _print_releases(found: Sequence[Release], state: str) -> None:
    print_table(f"{len(found)} {state}", ("provider", "release", "source", "checked on", "sha256"),
                [(one.provider, one.id, one.source, one.checked_on, one.digest[:16]) for one in found])


def _release_document(one: Release) -> dict[str, Any]:
    from tallystick.control.call_document import moment

    return {"release": one.id, "provider": one.provider, "source": one.source, "sha256": one.digest, "checked_on": one.checked_on,
            "state": one.state, "read_at": moment(one.read_us), "read_by": one.read_by}


def _today(now_us: int) -> datetime:
    return datetime.fromtimestamp(now_us // 1_000_000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
