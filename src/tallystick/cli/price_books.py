"""Which prices a command speaks of: those that a server of this installation would price by, or the
packaged ones where there is no installation yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.cli.answers import fail
from tallystick.config import Settings
from tallystick.config_sources import BadSettings

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.core.pricebook import PriceBook
    from tallystick.stores.sql.live_prices import LivePrices


def live_prices(here: Installation, settings: Settings) -> LivePrices:
    """Package, applied releases and overrides. Settings that cannot be used end the command."""
    from tallystick.configured import open_prices

    try:
        return open_prices(here.database, settings)
    except BadSettings as error:
        fail(str(error))


def list_in_force(settings: Settings) -> PriceBook:
    """The list without anybody's overrides."""
    from tallystick.cli import installation
    from tallystick.stores.price_files import open_book

    if not installation.is_there(settings):
        return open_book()
    with installation.opened(settings, make=False) as here:
        return live_prices(here, settings).book
