"""Settings: one frozen value, read once at the start from four places, the later winning: the
defaults beside each field, `tallystick.toml`, the environment, the command line.

An unknown key is an error that names the nearest known one: a mistyped limit must never be a limit
that silently is not there. A variable is `TALLYSTICK_<SECTION>__<KEY>` (deeper tables by a further
`__`); variables without `__` are not settings, save those named below. Every field is followed by its
documentation, from which the reference page is made (`field_docs`).

This is the only file that reads the environment.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from tallystick.config_sources import BadSettings, check_known, is_list, nested, put, read_file, split, who_said
from tallystick.core.currencies import rate_fault

Role = Literal["gateway", "console", "all"]
Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]

_PREFIX = "TALLYSTICK_"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DEFAULT_DATA = Path("~/.local/share/tallystick")


class Server(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The listener. One port serves the gateway and the console."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs TLS, a trusted proxy, or role `gateway`."""
    port: Port = 8000
    """Port to listen on; 0 takes a free one."""
    role: Role = "all"
    """What is served: `gateway` (gateway paths, aggregations, health), `console`, or `all`."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Worker processes that share the port. Each has its own spool, and its own share of what bounds connections and memory."""
    tls_cert: str | None = None
    """PEM file with the certificate chain, where TLS ends here."""
    tls_key: str | None = None
    """PEM file with the certificate's private key."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of proxies that end TLS and whose forwarding headers are believed."""
    public_url: str | None = None
    """How people reach this installation, for links that are printed."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on everything a client or a provider can make us hold or wait for."""

    body_bytes_max: Positive = 32 * 1024 * 1024
    """Largest request body, in bytes."""
    upload_bytes_max: Positive = 512 * 1024 * 1024
    """Largest body of a route that streams through (files, audio, images, batches), in bytes."""
    head_bytes_max: Positive = 32 * 1024
    """Largest request head, in bytes."""
    headers_max: Positive = 100
    """Most header lines of a request."""
    head_timeout_s: Positive = 10
    """Seconds a client may take to send a request head."""
    body_timeout_s: Positive = 120
    """Seconds a client may take to send a JSON body."""
    body_rate_bytes_per_s_min: Positive = 1024
    """Slowest body that is still waited for, in bytes per second."""
    write_timeout_s: Positive = 60
    """Seconds a client may leave a reply unread before it is cut off."""
    connect_timeout_s: Positive = 10
    """Seconds to connect to a provider, TLS included."""
    first_byte_timeout_s: Positive = 600
    """Seconds a provider may take until its reply begins."""
    idle_timeout_s: Positive = 300
    """Seconds a provider may fall silent within a reply."""
    connections_max: Positive = 4096
    """Client connections open at once."""
    upstream_connections_max: Positive = 512
    """Connections to one provider open at once."""
    connections_per_address_max: Positive = 1024
    """Client connections open at once from one address (IPv6: one /64), trusted proxies excepted. Beyond it a connection
    is answered 429, beyond twice as many it is closed."""
    cool_down_s_max: Annotated[int, Meta(ge=0, le=3600)] = 600
    """Longest a stored credential cools for a model because its provider said so, in seconds; 0: it never does, and every
    call goes to the provider."""
    calls_per_key_max: Positive = 1024
    """Calls of one key under way at once; beyond it 429."""
    wrong_keys_per_minute_max: Positive = 30
    """Wrong keys that one address may present within a minute; beyond it, keys not seen in use before are answered 429
    until the minute is over."""
    bodies_bytes_max: Positive = 512 * 1024 * 1024
    """Bytes of request bodies held in memory at once, of all calls together; beyond it 503. Bodies that stream
    through, and those that arrive in one piece, are not counted."""


class Drain(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Replies whose client has gone are read to their end, so that what they cost is known."""

    timeout_s: Positive = 300
    """Longest a reply is drained after its client left, in seconds."""
    at_once_max: Positive = 256
    """Replies drained at the same time; beyond it a reply is cut and settled as far as it was seen."""


class Gateway(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The data plane."""

    anonymous_project: str | None = None
    """`TEAM/PROJECT` (or `PROJECT` of team `default`) on which calls without a gateway key are booked. Unset:
    they are refused."""
    limits: Limits = Limits()
    """Sizes and deadlines."""
    drain: Drain = Drain()
    """What happens to a reply whose client has gone."""


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The write-ahead record of every attempt."""

    durability: Literal["process", "strict"] = "process"
    """`process`: a record survives the process (kill -9). `strict`: it is on the disk before the call goes on
    and survives a power loss."""
    deferred_max_age: Positive | Annotated[str, Meta(pattern="^[1-9][0-9]{0,8}[smhd]?$")] = "48h"
    """Age after which a deferred job that no poll settled is settled at its worst case: seconds, or a number with
    `s`, `m`, `h` or `d`."""
    segment_bytes: Annotated[int, Meta(ge=256 * 1024)] = 64 * 1024 * 1024
    """Size of one file of the spool, in bytes. Two of them are taken at the start, so that a disk that fills
    up is met before a call is admitted."""
    backlog_bytes_max: Positive = 2 * 1024 * 1024 * 1024
    """Bytes of unshipped records after which no further call is admitted."""
    backlog_age_s_max: Positive = 24 * 3600
    """Age in seconds of the oldest unshipped record after which no further call is admitted."""


    @property
    def deferred_max_age_s(self) -> int:
        """`deferred_max_age` in seconds."""
        said = str(self.deferred_max_age)
        return int(said) if said.isdigit() else int(said[:-1]) * _SECONDS[said[-1]]


class DatabaseSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where keys, budgets and the ledger are kept."""

    url: Annotated[str, Meta(pattern="^postgres(ql)?://")] | None = None
    """`postgresql://USER:PASSWORD@HOST/DATABASE`, for several instances together; needs `tallystick[postgres]`. Unset: a
    SQLite file in the data directory."""
    max_staleness_s: Annotated[int, Meta(ge=3, le=3600)] = 15
    """Seconds without the database after which calls that a hard budget or a policy may forbid are refused with 503: a
    gateway that is cut off cannot know what was forbidden meanwhile."""


class Metrics(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prometheus figures at `/metrics`."""

    tenant_labels: bool = False
    """Put team and project names on the figures."""
    token: str | None = None
    """Bearer token that `/metrics` asks for; needed off loopback."""
    port: Annotated[int, Meta(ge=1, le=65472)] | None = None
    """With several workers: worker n also listens at this port + n, from 0 on, so that each can be asked for its own figures."""


class Smtp(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The mail server that alerts go out by."""

    host: str | None = None
    """Its name or address. Unset: no mail is sent."""
    port: Port = 587
    """Its port."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` before anything is said, `tls` from the first byte (port 465), or `none` for a server nearby."""
    sender: str = "tallystick@localhost"
    """From whom the mail is."""
    username: str | None = None
    """Account, where the server asks for one."""
    password_env: str | None = None
    """Name of the environment variable that holds the account's password."""


class AlertSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How alerts get out. Channels themselves are set by command or API."""

    networks: tuple[str, ...] = ()
    """Networks (CIDR) of your own that webhooks may reach, by http and on any port too. Everything else must be https
    to a public address."""
    smtp: Smtp = Smtp()
    """The mail server that alerts go out by."""


class SessionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sessions of browsers, in the console."""

    idle_s: Positive = 1_800
    """Seconds without a request after which a session ends."""
    lifetime_s: Positive = 43_200
    """Seconds after which a session ends whatever happens."""


class RetentionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the rows of calls are kept."""

    months: Annotated[int, Meta(ge=2, le=1200)] | None = None
    """How many whole months keep their rows besides the running one. Older ones are dropped, their totals sealed in the ledger
    before; sums by hour and day stay. Unset: all are kept."""


class CredentialSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stored provider credential, by name."""

    env: Annotated[str, Meta(min_length=1)]
    """Name of the environment variable that holds the provider key."""
    organizations: tuple[str, ...] = ("default",)
    """Organisations that may use it."""


class ProviderSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider: what differs from its shipped file, or a whole host of the operator's own."""

    base_url: str | None = None
    """Origin before the provider's own path, such as `https://api.openai.com`."""
    kind: Literal["openai_compatible"] | None = None
    """Set for a host of your own that speaks OpenAI's dialect."""
    name: str | None = None
    """Name for people."""
    region: Annotated[str, Meta(pattern="^[a-z0-9-]{1,32}$")] | None = None
    """Bedrock: the region that a signature made here names, where base_url is none of AWS's regional hosts."""
    ca_file: str | None = None
    """PEM file with the authorities to trust for this host, instead of the system's."""
    credentials: dict[str, CredentialSettings] = {}
    """Stored credentials by name; `default` is used where neither key nor project names one."""
    models: dict[str, str] = {}
    """Deployment name to model name, where the host's own names say nothing about the model (Azure)."""
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "USD"
    """Currency in which this host bills. Only `USD` so far: another one is refused, not taken for dollars."""
    price_book: str | None = None
    """Id of the provider whose prices apply, where they are not this one's own."""
    free: bool = False
    """The host bills nothing (self-hosted): no price is a price of zero."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything an installation can be told, by section."""

    server: Server = Server()
    """The listener."""
    gateway: Gateway = Gateway()
    """The data plane."""
    journal: JournalSettings = JournalSettings()
    """The write-ahead record."""
    database: DatabaseSettings = DatabaseSettings()
    """Where keys, budgets and the ledger are kept."""
    metrics: Metrics = Metrics()
    """Prometheus figures."""
    alerts: AlertSettings = AlertSettings()
    """How alerts get out."""
    sessions: SessionSettings = SessionSettings()
    """Sessions of browsers."""
    retention: RetentionSettings = RetentionSettings()
    """How long the rows of calls are kept."""
    currencies: dict[str, str] = {}
    """Dollars for one unit of a currency, as decimal text: `EUR = "1.08"`. Budgets may be set in these; a limit is
    converted once, and again at a start that finds another rate here."""
    providers: dict[str, ProviderSettings] = {}
    """One table per provider id."""
    data: Path = _DEFAULT_DATA
    """Data directory. Not a key of the file: `--data`, else `TALLYSTICK_DATA`, else
    `~/.local/share/tallystick`."""


class FirstAdmin(NamedTuple):
    """The first administrator, where the environment names one instead of the setup link."""

    email: str
    password: str


def load(
    *, data: str | Path | None = None, config: str | Path | None = None,
    flags: Mapping[str, Mapping[str, Any]] | None = None, environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings. `flags` are the command line's, by section and key; None means not given.
    The file is `config`, else `$TALLYSTICK_CONFIG`, else `tallystick.toml` in the data directory if
    there is one.

    Raises BadSettings, naming the file or variable and the key.
    """
    env = os.environ if environ is None else environ
    folder = Path(data or env.get("TALLYSTICK_DATA") or _DEFAULT_DATA).expanduser().absolute()
    named = config or env.get("TALLYSTICK_CONFIG")
    path = Path(named).expanduser() if named else folder / "tallystick.toml"
    raw = read_file(path) if named or path.is_file() else {}
    check_known(raw, Settings, f"{path}: ")
    given_by: dict[str, str] = {}
    for name, text in env.items():
        if name.startswith(_PREFIX) and "__" in name:
            keys = name.removeprefix(_PREFIX).lower().split("__")
            check_known(nested(keys, text), Settings, f"{name}: ")
            put(raw, keys, split(text) if is_list(Settings, keys) else text, name)
            given_by[".".join(keys)] = name
    for section, given in (flags or {}).items():
        for key, value in given.items():
            if value is not None:
                put(raw, [section, key], value, f"--{key}")
                given_by[f"{section}.{key}"] = f"--{key}"
    try:
        settings = msgspec.convert({**raw, "data": str(folder)}, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise BadSettings(f"{who_said(str(error), given_by, path)}: {error}") from None
    _check_sense(settings)
    return settings


def encoded(settings: Settings) -> bytes:
    """The settings on one line, for a process that is to run under the same ones. They hold secrets."""
    return msgspec.json.encode(settings, enc_hook=str)


def decoded(line: bytes) -> Settings:
    """What `encoded` made."""
    return msgspec.json.decode(line, type=Settings, dec_hook=_decode)


def field_docs(section: type[Struct]) -> dict[str, str]:
    """The documentation of each key of a section, as written beside it. For the reference page; it
    reads the source, so not for a running gateway."""
    body = ast.parse(inspect.getsource(section)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                found[name] = " ".join(doc.split())
    return found


def secret_from_env(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The value of a variable that a stored credential names, read when the line is opened; None
    where it is unset or empty."""
    return (os.environ if environ is None else environ).get(name) or None


def own_environment() -> dict[str, str]:
    """The environment of this process, for a command that is to inherit it."""
    return dict(os.environ)


def first_admin(environ: Mapping[str, str] | None = None) -> FirstAdmin | None:
    """`TALLYSTICK_ADMIN_EMAIL` and `TALLYSTICK_ADMIN_PASSWORD`; both or neither.

    Raises BadSettings when only one is set.
    """
    env = os.environ if environ is None else environ
    email, password = env.get("TALLYSTICK_ADMIN_EMAIL"), env.get("TALLYSTICK_ADMIN_PASSWORD")
    if bool(email) != bool(password):
        raise BadSettings("TALLYSTICK_ADMIN_EMAIL and TALLYSTICK_ADMIN_PASSWORD belong together; one is missing.")
    return FirstAdmin(email, password) if email and password else None


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)  # msgspec's contract for a type a hook does not know


def _check_sense(settings: Settings) -> None:
    """What types alone cannot say."""
    server = settings.server
    if (server.tls_cert is None) != (server.tls_key is None):
        raise BadSettings("server.tls_cert and server.tls_key belong together; one is missing.")
    trusted_networks(server)
    rates_of(settings)
    limits = settings.gateway.limits
    if limits.bodies_bytes_max < limits.body_bytes_max:
        raise BadSettings("gateway.limits.bodies_bytes_max: not even one body of body_bytes_max would fit.")
    for name, provider in settings.providers.items():
        if provider.kind and not provider.base_url:
            raise BadSettings(f"providers.{name}: a host of your own needs base_url.")
        if provider.region and name != "bedrock":
            raise BadSettings(f"providers.{name}.region: only Bedrock's requests are signed for a region.")
        if provider.currency != "USD":
            raise BadSettings(f"providers.{name}.currency: only USD is counted so far; other currencies come with exchange rates.")
        if provider.base_url and not provider.base_url.startswith(("http://", "https://")):
            raise BadSettings(f"providers.{name}.base_url must begin with http:// or https://.")


def rates_of(settings: Settings) -> dict[str, str]:
    """The configured rates by currency code; a variable's name has lost its case. Raises BadSettings."""
    rates = {}
    for code, rate in settings.currencies.items():
        if not re.fullmatch("[A-Za-z]{3}", code) or code.upper() == "USD":
            raise BadSettings(f"currencies.{code}: a currency is three letters, and not USD.")
        if (fault := rate_fault(rate)) is not None:
            raise BadSettings(f"currencies.{code}: {rate!r} {fault}.")
        rates[code.upper()] = rate
    return rates


def alert_networks(settings: Settings) -> tuple[IPv4Network | IPv6Network, ...]:
    """`alerts.networks`, parsed. Raises BadSettings."""
    try:
        return tuple(ip_network(text) for text in settings.alerts.networks)
    except ValueError as error:
        raise BadSettings(f"alerts.networks: {error}") from None


def trusted_networks(server: Server) -> tuple[IPv4Network | IPv6Network, ...]:
    """The trusted proxies as networks. Raises BadSettings for one that is none."""
    try:
        return tuple(ip_network(text) for text in server.trusted_proxies)
    except ValueError as error:
        raise BadSettings(f"server.trusted_proxies: {error}.") from None
