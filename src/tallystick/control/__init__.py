"""The API under `/api`: what people and their programs may see and change. A resource is one file,
its shapes and its handlers; who may open what is one table (`roles.py`); nothing here is on the way
of a gateway call.

The web framework is loaded by `build` and not before: the gateway's listener is open by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from tallystick.core.dialect import Provider
from tallystick.core.peers import Network
from tallystick.ports import Bench, Clock, Credentials, Keyring, Upstreams
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.live_prices import LivePrices
from tallystick.stores.sql.vault import Vault
from tallystick.transport.mail import MailServer

if TYPE_CHECKING:
    from fastapi import FastAPI


class Polled(Protocol):
    """A memory that can be told to look at once, after this process changed what it remembers."""

    def poll(self) -> bool:
        """Forget what may have changed."""


class PolledKeyring(Keyring, Polled, Protocol):
    """The keyring, of which the same holds."""


class PolledCredentials(Credentials, Polled, Protocol):
    """What the line remembers of the vault, of which the same holds."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API is built from. `secret` is the installation's (the pepper): keys for tokens are
    derived from it, and virtual keys hashed with it."""

    database: Database
    keyring: PolledKeyring
    clock: Clock
    secret: bytes = field(repr=False)
    new_id: Callable[[], str]                # an opaque, time-ordered id
    trusted_proxies: tuple[Network, ...] = ()
    vault: Vault = field(kw_only=True)
    credentials: PolledCredentials = field(kw_only=True)
    prices: LivePrices = field(kw_only=True)
    currencies: Mapping[str, str] = field(default_factory=dict, kw_only=True)     # dollars for one unit
    session_idle_s: int = field(default=1_800, kw_only=True)
    session_lifetime_s: int = field(default=43_200, kw_only=True)
    mail: MailServer | None = field(default=None, kw_only=True)
    workers: int = field(default=1, kw_only=True)          # processes that share the port
    wrong_keys_per_minute_max: int = field(default=30, kw_only=True)               # of an address, as at the gateway
    months_kept: int | None = field(default=None, kw_only=True)                   # whose rows stand besides the running one's; all
    waiting: Callable[[], tuple[int, int]] = field(default=lambda: (0, 0), kw_only=True)      # bytes not booked yet; since how many µs
    stopping: Callable[[], bool] = field(default=lambda: False, kw_only=True)     # whether open streams are to end
    public_url: str | None = field(default=None, kw_only=True)                     # how people reach this installation
    providers: Mapping[str, Provider] = field(default_factory=dict, kw_only=True)  # those that can be called, by id
    ledger_key: bytes | None = field(default=None, kw_only=True)                  # the public one, which checkpoints are signed with
    bench: Bench | None = field(default=None, kw_only=True)                        # where policies are tried on what somebody wrote down
    alert_networks: tuple[Network, ...] = field(default=(), kw_only=True)          # of the operator's own that webhooks may reach
    asking: Upstreams | None = field(default=None, kw_only=True)                   # the one way out to providers (transport/key_check.py)


def build(parts: Parts, *, scope: Literal["all", "aggregations"] = "all") -> FastAPI:
    """The ASGI application for `/api/…` and `/setup`. `aggregations`: all that `--role
    gateway` serves of it."""
    from tallystick.control import app

    return app.build(parts, scope)
