"""Composition root: from settings to a running process. The only file that knows everyone, and it
decides nothing: each part is built by its own constructor, this connects them.

One process is one worker; several share the port and each has a spool of its own (workers.py).

Started in order: secrets, database, spool (recovered and shipped before anything is admitted), listener;
the control plane loads behind it. Stopped in reverse: no new calls, running ones to their end, the spool
shipped.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic, monotonic_ns, sleep, time_ns
from typing import Final, Literal, cast

import structlog
import uuid_utils
import uvicorn
from msgspec.structs import replace as replace_struct

from tallystick import control, logs
from tallystick.config import Settings, alert_networks, first_admin, rates_of, trusted_networks
from tallystick.config_sources import BadSettings
from tallystick.configured import (
    anonymous_of, asking_of, credentials_of, gate_limits_of, mail_server_of, open_prices, origins_of, providers_of, shares_of,
    upstreams_of,
)
from tallystick.console import Console
from tallystick.control.first_start import setup_path
from tallystick.core.credential_health import Standings
from tallystick.core.errors import StoreFault
from tallystick.core.exchange import Rules
from tallystick.core.money import decimal_text
from tallystick.edge.app import App, Edge, Health
from tallystick.edge.bench import try_out
from tallystick.edge.body import BodyLimits
from tallystick.edge.doors import Doors
from tallystick.edge.gate import GateHooks, server_config
from tallystick.edge.gateway import Gateway, Ports, Setup
from tallystick.edge.readiness import Readiness, readiness
from tallystick.edge.relay import DrainSlots
from tallystick.jobs import alerts, budget_gauges
from tallystick.jobs.adoption import adopt, left_behind
from tallystick.jobs.budget_gauges import BudgetGauges
from tallystick.jobs.keeping import Keeping
from tallystick.jobs.retention import PERIOD_S as PRUNE_PERIOD_S, Retention
from tallystick.jobs.runner import Job, Runner
from tallystick.jobs.shipper import Shipper, cursor_segment
from tallystick.listeners import check_listener, in_url, is_loopback, listen
from tallystick.ports import Upstreams
from tallystick.stores.budget_keeper import BudgetKeeper
from tallystick.stores.disk import PosixDisk
from tallystick.stores.lending import Lending
from tallystick.stores.recovery import open_spool
from tallystick.stores.secrets import BadSecret, KekFiles, Secrets, open_secrets
from tallystick.stores.spool import Bounds, Spool, SpoolBusy
from tallystick.stores.sql.alerts_channels import Channels
from tallystick.stores.sql.credential_health import HealthSharing
from tallystick.stores.sql.custody import SqlCustody
from tallystick.stores.sql.directory import Directory, KeySpec, list_keys
from tallystick.stores.sql.budgets import Budgets
from tallystick.stores.sql.engine import DEFAULT, Database, open_database
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.keyring import SqlKeyring
from tallystick.stores.sql.live_policies import LivePolicies
from tallystick.stores.sql.live_prompts import LivePrompts
from tallystick.stores.sql.live_teams import LiveTeams
from tallystick.stores.sql.live_prices import LivePrices
from tallystick.stores.sql.stored_credentials import SqlCredentials
from tallystick.stores.sql.vault import Vault
from tallystick.telemetry import Telemetry
from tallystick.transport.sandbox import answer as sandbox_reply

log = structlog.get_logger(__name__)

VERSION: Final = version("tallystick")
SHIP_PERIOD_S: Final = 0.1
SHIP_TRIES_MAX: Final = 100                  # before the first call; each ships up to 100,000 records
BREATH_S: Final = 0.0001                     # the shipper's, so that calls get the interpreter
WATCH_PERIOD_S: Final = 0.25
EXIT_CANNOT: Final = 2
EXIT_BUSY: Final = 73
OTHERS_SHIP_WITHIN_S: Final = 0.3            # what another process made is in the database by then, unless it hangs
FIRST_CALL: Final = """
A first call, priced and journaled, without any provider account:

  curl -i {url}/v1/chat/completions -H 'X-Tallystick-Key: {key}' -H 'X-Tallystick-Sandbox: true' \\
    -H 'Content-Type: application/json' -d '{{"model":"gpt-4o-mini","messages":[{{"role":"user","content":"Hello"}}]}}'

{about_key} Its calls: tallystick explain REQUEST_ID (from the x-tallystick-request-id header).
"""


class SystemClock:
    """ports.Clock of the machine."""

    def now_us(self) -> int:
        return time_ns() // 1000

    def monotonic_us(self) -> int:
        return monotonic_ns() // 1000


class RequestIds:
    """ports.Ids: UUIDv7, so that ids sort by time."""

    def request_id(self) -> str:
        return f"req_{uuid_utils.uuid7().hex}"


@dataclass(frozen=True, slots=True)
class Worker:
    """Which of the installation's processes this one is. `listener`: the socket they share, None for one that opens its
    own. `ready` is called when calls are taken."""

    number: int = 0
    count: int = 1
    listener: socket.socket | None = None
    ready: Callable[[], object] = lambda: None


ALONE: Final = Worker()


@dataclass(frozen=True, slots=True)
class Installation:
    """What lies in a data directory, opened."""

    settings: Settings
    clock: SystemClock
    secrets: Secrets
    database: Database
    sequencer: Sequencer
    keyring: SqlKeyring
    credentials: SqlCredentials
    spool: Spool
    prices: LivePrices
    policies: LivePolicies
    prompts: LivePrompts
    teams: LiveTeams
    standings: Standings


def serve(settings: Settings, worker: Worker = ALONE) -> int:
    """Run until told to stop. Returns the exit code: 0, 2 (cannot start; the reason was printed), 73
    (another process serves this data directory)."""

    def run() -> int:
        check_listener(settings.server)
        return _run(open_installation(settings, worker.number), worker)

    return answered(run)


def answered(run: Callable[[], int]) -> int:
    """What it returns, or the exit code of what keeps a server from running, said on standard error."""
    logs.configure()
    try:
        return run()
    except SpoolBusy as busy:
        print(f"tallystick: {busy}", file=sys.stderr)
        return EXIT_BUSY
    except (BadSettings, BadSecret, StoreFault, OSError) as reason:
        print(f"tallystick: cannot start. {reason}", file=sys.stderr)
        return EXIT_CANNOT


def open_installation(settings: Settings, number: int = 0) -> Installation:
    """Open the data directory, making what is missing, and recover the spool of this worker. Raises StoreFault,
    BadSecret, SpoolBusy."""
    clock, secrets = SystemClock(), open_secrets(settings.data)
    database = open_stores(settings, secrets)
    spool = _spool(settings, database, clock, settings.data / "spool" / str(number))
    return Installation(
        settings, clock, secrets, database, Sequencer(database, secrets.ledger_key),
        SqlKeyring(database, secrets.pepper, clock),
        SqlCredentials(database, KekFiles(settings.data), origins_of(settings), credentials_of(settings)), spool,
        open_prices(database, settings), LivePolicies(database, clock, spool.instance), LivePrompts(database), LiveTeams(database),
        Standings(clock.now_us, settings.gateway.limits.cool_down_s_max * 1_000_000))


def open_stores(settings: Settings, secrets: Secrets) -> Database:
    """The database of these settings, made if it is new. Raises StoreFault."""
    return open_database(settings.data, SystemClock().now_us(), url=settings.database.url,
                         strict=settings.journal.durability == "strict", mark=secrets.mark)


def _spool(settings: Settings, database: Database, clock: SystemClock, folder: Path) -> Spool:
    journal = settings.journal
    bounds = Bounds(journal.segment_bytes, backlog_bytes_max=journal.backlog_bytes_max,
                    backlog_age_us_max=journal.backlog_age_s_max * 1_000_000)
    return open_spool(folder, lambda: uuid_utils.uuid7().hex, PosixDisk(), clock, durability=journal.durability, bounds=bounds,
                      ledger_segment=partial(cursor_segment, database))


def _run(installation: Installation, worker: Worker) -> int:
    settings, server = installation.settings, installation.settings.server
    listener = worker.listener or listen(server)
    port = listener.getsockname()[1]
    upstreams, asking = upstreams_of(settings), asking_of(settings)
    telemetry = Telemetry(VERSION)
    runner = _runner(installation, telemetry, worker.number)
    keeper = _keeper(installation)
    keeping = Keeping(keeper)
    line = _setup(installation, keeper)
    parts = _parts(installation, line, asking, lambda: listening.should_exit)
    setup = None if worker.number else setup_path(parts, first_admin())
    loader = _ControlLoader(parts, "aggregations" if server.role == "gateway" else "all")

    async def start() -> None:
        await asyncio.to_thread(_adopt_left_behind, installation, worker)
        await _ship_what_is_left(installation.spool, runner)
        await asyncio.to_thread(_convert_limits, installation)
        await keeping.start()
        runner.start()
        loader.start()
        loop = asyncio.get_running_loop()
        installation.policies.within = gateway.throttle.within
        installation.policies.changed = lambda: loop.call_soon_threadsafe(gateway.cut_killed)
        if not worker.number:
            _announce(installation, f"{'https' if server.tls_cert else 'http'}://{in_url(server.host)}:{port}", setup)
        worker.ready()

    async def stop() -> None:
        await upstreams.close()
        await asking.close()
        await gateway.settling.finish()
        await runner.stop()
        await keeping.stop()
        installation.spool.close()
        installation.database.close()

    ports = Ports(
        installation.keyring, installation.spool, upstreams, sandbox_reply,
        SqlCustody(installation.database, installation.secrets.pepper, _wait_for_others_s(settings)), installation.clock, RequestIds(),
        installation.credentials, keeper, installation.standings)
    health = Health(partial(_ready, installation, runner, keeper), settings.metrics.token, is_loopback(server.host))
    gateway = Gateway(ports, line, telemetry)
    _show(telemetry, installation, keeper, health, worker)
    telemetry.gauges["tallystick_request_body_bytes"] = lambda: gateway.setup.doors.body_bytes
    edge = Edge(gateway, loader.app, health, telemetry, server.role, (start, stop))
    config = server_config(
        edge, GateHooks(ports.ids.request_id, gateway.refused_at_the_gate, gateway.setup.doors), gate_limits_of(settings),
        loop="uvloop", lifespan="on", interface="asgi3", ssl_certfile=server.tls_cert, ssl_keyfile=server.tls_key,
        timeout_graceful_shutdown=settings.gateway.drain.timeout_s)
    for stopping in (signal.SIGINT, signal.SIGTERM):     # uvicorn raises them again once it has stopped
        signal.signal(stopping, lambda *_: None)
    _spare_the_collector()
    listening = uvicorn.Server(config)
    listening.run(sockets=[listener, *_own_listener(settings, worker)])
    return 0


def _parts(installation: Installation, line: Setup, asking: Upstreams, stopping: Callable[[], bool]) -> control.Parts:
    """What the control plane works with."""
    settings, secrets = installation.settings, installation.secrets
    return control.Parts(
        installation.database, installation.keyring, installation.clock, secrets.pepper, lambda: uuid_utils.uuid7().hex,
        trusted_networks(settings.server), credentials=installation.credentials, prices=installation.prices, currencies=rates_of(settings),
        alert_networks=alert_networks(settings), public_url=settings.server.public_url,
        mail=mail_server_of(settings), workers=settings.server.workers,
        wrong_keys_per_minute_max=settings.gateway.limits.wrong_keys_per_minute_max, months_kept=settings.retention.months,
        session_idle_s=settings.sessions.idle_s, session_lifetime_s=settings.sessions.lifetime_s,
        waiting=installation.spool.waiting, stopping=stopping, ledger_key=secrets.ledger_key.public_key,
        bench=partial(try_out, line, installation.keyring), providers=providers_of(settings), asking=asking,
        vault=Vault(Sequencer(installation.database), KekFiles(settings.data), origins_of(settings), os.urandom))


def _show(telemetry: Telemetry, installation: Installation, keeper: BudgetKeeper, health: Health, worker: Worker) -> None:
    """Tell the metrics where to look."""
    telemetry.credentials = installation.standings.states
    telemetry.gauges["tallystick_worker"] = lambda: float(worker.number)
    telemetry.gauges["tallystick_degraded"] = lambda: float(health.ready().status != "ready")
    telemetry.gauges["tallystick_database_silence_seconds"] = lambda: keeper.lender.silent_us / 1e6
    telemetry.gauges["tallystick_journal_strain"] = lambda: installation.spool.strain
    telemetry.gauges["tallystick_journal_backlog_bytes"] = lambda: installation.spool.backlog_bytes


def _own_listener(settings: Settings, worker: Worker) -> list[socket.socket]:
    """Where this worker alone answers, for its own figures. Raises OSError."""
    port = settings.metrics.port
    return [] if port is None else [listen(replace_struct(settings.server, port=port + worker.number))]


def _wait_for_others_s(settings: Settings) -> float:
    return OTHERS_SHIP_WITHIN_S if settings.server.workers > 1 or settings.database.url is not None else 0


def _adopt_left_behind(installation: Installation, worker: Worker) -> None:
    """The first worker takes over from those there are no more. Raises StoreFault."""
    settings, database = installation.settings, installation.database
    for folder in () if worker.number else left_behind(settings.data / "spool", worker.count):
        try:
            spool = _spool(settings, database, installation.clock, folder)
        except SpoolBusy:
            continue                         # an older server has not ended yet
        shipper = Shipper(spool, installation.sequencer, installation.clock, settings.data / "quarantine",
                          describe=installation.prices.describe, alarm=lambda what: log.error("journal alarm", what=what),
                          deferred_max_age_us=settings.journal.deferred_max_age_s * 1_000_000)
        adopt(folder, spool, shipper, database, installation.clock)
        log.info("the spool of a worker that is run no more was shipped", spool=folder.name, recovered=spool.recovered)


def _keeper(installation: Installation) -> BudgetKeeper:
    """Who holds calls against their budgets."""
    spool = installation.spool
    lending = Lending(installation.database, spool.instance, installation.clock, asyncio.to_thread,
                      staleness_us=installation.settings.database.max_staleness_s * 1_000_000)
    return BudgetKeeper(lending, lambda: spool.durable, Budgets(installation.sequencer).open_header,
                        lambda: (installation.teams.poll(), installation.policies.poll()), spool.behind,
                        installation.policies.organizations)


async def _ship_what_is_left(spool: Spool, runner: Runner) -> None:
    """Nothing is admitted before what an earlier process left is in the ledger. Raises StoreFault when that cannot be done."""
    for _ in range(SHIP_TRIES_MAX):
        await runner.catch_up()
        if not spool.behind():
            return
        await asyncio.sleep(SHIP_PERIOD_S)
    raise StoreFault("the ledger does not take what the spool still holds")


def _convert_limits(installation: Installation) -> None:
    """Budgets in other currencies follow the rates of this start's configuration. Raises StoreFault."""
    rates, now_us = rates_of(installation.settings), installation.clock.now_us()
    for before, after in Budgets(installation.sequencer).convert_anew(rates, now_us, "configuration"):
        log.info("a budget's limit follows the configured rate", budget=after.id, currency=after.currency, rate=after.rate,
                 rate_before=before.rate, limit_usd=decimal_text(after.amount), limit_usd_before=decimal_text(before.amount))


def _spare_the_collector() -> None:
    """What stands when serving begins stays, so the collector need not look at it; and a batch of the
    shipper's records is no garbage, so it looks less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class _ControlLoader:
    """Builds the control plane in a thread once the listener is open; who asks earlier waits."""

    def __init__(self, parts: control.Parts, scope: Literal["all", "aggregations"]) -> None:
        self._parts = parts
        self._scope: Literal["all", "aggregations"] = scope
        self._building: asyncio.Task[App] | None = None

    def start(self) -> None:
        self._building = asyncio.create_task(asyncio.to_thread(self._build))

    def _build(self) -> App:
        api = cast("App", control.build(self._parts, scope=self._scope))
        return Console(api) if self._scope == "all" else api

    async def app(self) -> App:
        assert self._building is not None, "the listener opens after start"
        return await asyncio.shield(self._building)


def _runner(installation: Installation, telemetry: Telemetry, worker: int) -> Runner:
    """The recurring steps: ship the spool, follow changes of the control plane."""
    shipper = Shipper(
        installation.spool, installation.sequencer, installation.clock, installation.settings.data / "quarantine",
        describe=installation.prices.describe, alarm=lambda what: log.error("journal alarm", what=what),
        deferred_max_age_us=installation.settings.journal.deferred_max_age_s * 1_000_000, breathe=partial(sleep, BREATH_S),
        given_up=telemetry.observe_given_up)
    sharing = HealthSharing(installation.database, installation.standings, installation.clock, installation.spool.instance)
    retention = Retention(installation.sequencer, installation.clock, installation.settings.retention.months)
    return Runner((
        *((Job("retention", retention.step, PRUNE_PERIOD_S, only_running=True),) if not worker else ()),
        Job("ship", shipper.step, SHIP_PERIOD_S, shipper.close_books), Job("watch", installation.keyring.poll, WATCH_PERIOD_S),
        Job("watch_credentials", installation.credentials.poll, WATCH_PERIOD_S),
        Job("credential_health", sharing.step, WATCH_PERIOD_S),
        Job("alerts", alerts_of(installation.settings, installation.database, installation.secrets.ledger_key.public_key).step,
            alerts.PERIOD_S, only_running=True),
        Job("budget_gauges", _gauges(installation, telemetry).step, budget_gauges.PERIOD_S, only_running=True),
        Job("watch_prices", installation.prices.poll, WATCH_PERIOD_S), Job("watch_policies", installation.policies.poll, WATCH_PERIOD_S),
        Job("watch_prompts", installation.prompts.poll, WATCH_PERIOD_S), Job("watch_teams", installation.teams.poll, WATCH_PERIOD_S)))


def _gauges(installation: Installation, telemetry: Telemetry) -> BudgetGauges:
    return BudgetGauges(installation.database, installation.clock, telemetry, installation.settings.metrics.tenant_labels)


def alerts_of(settings: Settings, database: Database, ledger_key: bytes | None = None) -> alerts.Alerts:
    """What sends alerts, and walks round the ledger where it is given the key that signs it. Raises BadSettings."""
    return alerts.Alerts(Channels(database, KekFiles(settings.data), os.urandom), SystemClock(),
                         alerts.Outside(alert_networks(settings), mail_server_of(settings)), settings.server.public_url or "", ledger_key)


def _ready(installation: Installation, runner: Runner, keeper: BudgetKeeper) -> Readiness:
    return readiness(installation.spool.fault(), installation.spool.strain, runner.failing(), keeper.fault())


def _setup(installation: Installation, keeper: BudgetKeeper) -> Setup:
    settings = installation.settings
    providers = providers_of(settings)
    limits = settings.gateway.limits
    return Setup(
        providers=providers,
        origins=origins_of(settings),
        rules=Rules(installation.prices, keeper.books, installation.policies, installation.policies.spent, installation.standings.cooling,
                    installation.prompts, installation.teams),
        limits=BodyLimits(limits.body_bytes_max, limits.upload_bytes_max),
        models={(provider_id, deployment): model
                for provider_id, provider in settings.providers.items() for deployment, model in provider.models.items()},
        anonymous=anonymous_of(settings.gateway.anonymous_project),
        doors=Doors(shares_of(settings), monotonic),
        part=lambda: installation.policies.part,
        drain=DrainSlots(settings.gateway.drain.at_once_max, float(settings.gateway.drain.timeout_s)),
    )



def _announce(installation: Installation, url: str, setup: str | None) -> None:
    """What a person needs to go on: where it is, and how to make a first account and a first call. A key
    is made for that call on a terminal only, for a key does not belong into a log."""
    print(f"Tallystick {VERSION} at {url}, data in {installation.settings.data}", flush=True)
    if setup is not None:
        base = installation.settings.server.public_url or url
        print(f"Make the first account: {base}{setup}", flush=True)
    if list_keys(installation.database, DEFAULT, limit=1):
        return
    key, about_key = "KEY", "The key: tallystick keys create."
    if sys.stdout.isatty():
        directory = Directory(installation.sequencer, installation.secrets.pepper, os.urandom)
        key = directory.create_key(DEFAULT, KeySpec(name="first call"), installation.clock.now_us())[1].reveal()
        about_key = "The key is shown this once."
    print(FIRST_CALL.format(url=url, key=key, about_key=about_key), flush=True)
