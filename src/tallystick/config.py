"""Settings: one frozen value, read once at the start from four places, the later winning: the
defaults beside each field, `tallystick.toml`, the environment, the command line.

An unknown key is an error that names the nearest known one: a mistyped limit must never be a limit
that silently is not there. A variable is `TALLYSTICK_<SECTION>__<KEY>` (deeper tables by a further
`__`); variables without `__` are not settings, save those named below. Every field carries its own
documentation (`msgspec.Meta`), from which the reference page is made.

This is the only file that reads the environment.
"""

from __future__ import annotations

import difflib
import os
import tomllib
import typing
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

Role = Literal["gateway", "console", "all"]
Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]

_PREFIX = "TALLYSTICK_"
_DEFAULT_DATA = Path("~/.local/share/tallystick")


class BadSettings(ValueError):
    """The settings cannot be used. The message is for the operator and names the key."""


class Server(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The listener. One port serves the gateway and the console."""

    host: Annotated[str, Meta(description="Address to listen on. Anything but loopback needs TLS, a trusted proxy, or role `gateway`.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on; 0 takes a free one.")] = 8000
    role: Annotated[Role, Meta(description="What is served: `gateway` (gateway paths, aggregations, health), `console`, or `all`.")] = "all"
    workers: Annotated[Positive, Meta(description="Worker processes.")] = 1
    tls_cert: Annotated[str | None, Meta(description="PEM file with the certificate chain, where TLS ends here.")] = None
    tls_key: Annotated[str | None, Meta(description="PEM file with the certificate's private key.")] = None
    trusted_proxies: Annotated[tuple[str, ...], Meta(description="Networks (CIDR) of proxies that end TLS and whose forwarding headers are believed.")] = ()
    public_url: Annotated[str | None, Meta(description="How people reach this installation, for links that are printed.")] = None


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on everything a client or a provider can make us hold or wait for."""

    body_bytes_max: Annotated[Positive, Meta(description="Largest request body, in bytes.")] = 32 * 1024 * 1024
    upload_bytes_max: Annotated[Positive, Meta(description="Largest body of a route that streams through (files, audio, images, batches), in bytes.")] = 512 * 1024 * 1024
    head_bytes_max: Annotated[Positive, Meta(description="Largest request head, in bytes.")] = 32 * 1024
    headers_max: Annotated[Positive, Meta(description="Most header lines of a request.")] = 100
    head_timeout_s: Annotated[Positive, Meta(description="Seconds a client may take to send a request head.")] = 10
    body_timeout_s: Annotated[Positive, Meta(description="Seconds a client may take to send a JSON body.")] = 120
    body_rate_bytes_per_s_min: Annotated[Positive, Meta(description="Slowest body that is still waited for, in bytes per second.")] = 1024
    write_timeout_s: Annotated[Positive, Meta(description="Seconds a client may leave a reply unread before it is cut off.")] = 60
    connect_timeout_s: Annotated[Positive, Meta(description="Seconds to connect to a provider, TLS included.")] = 10
    first_byte_timeout_s: Annotated[Positive, Meta(description="Seconds a provider may take until its reply begins.")] = 600
    idle_timeout_s: Annotated[Positive, Meta(description="Seconds a provider may fall silent within a reply.")] = 300
    connections_max: Annotated[Positive, Meta(description="Client connections open at once.")] = 4096
    upstream_connections_max: Annotated[Positive, Meta(description="Connections to one provider open at once.")] = 512


class Drain(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Replies whose client has gone are read to their end, so that what they cost is known."""

    timeout_s: Annotated[Positive, Meta(description="Longest a reply is drained after its client left, in seconds.")] = 300
    at_once_max: Annotated[Positive, Meta(description="Replies drained at the same time; beyond it the oldest is cut and settled.")] = 256


class Gateway(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The data plane."""

    anonymous_project: Annotated[str | None, Meta(description="`TEAM/PROJECT` (or `PROJECT` of team `default`) on which calls without a gateway key are booked. Unset: they are refused.")] = None
    limits: Annotated[Limits, Meta(description="Sizes and deadlines.")] = Limits()
    drain: Annotated[Drain, Meta(description="What happens to a reply whose client has gone.")] = Drain()


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The write-ahead record of every attempt."""

    durability: Annotated[Literal["process", "strict"], Meta(description="`process`: a record survives the process (kill -9). `strict`: it is on the disk before the call goes on and survives a power loss.")] = "process"
    deferred_max_age_s: Annotated[Positive, Meta(description="Seconds after which a deferred job that no poll settled is settled at its worst case.")] = 48 * 3600
    backlog_bytes_max: Annotated[Positive, Meta(description="Bytes of unshipped records after which no further call is admitted.")] = 2 * 1024 * 1024 * 1024
    backlog_age_s_max: Annotated[Positive, Meta(description="Age in seconds of the oldest unshipped record after which no further call is admitted.")] = 24 * 3600


class Metrics(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prometheus figures at `/metrics`."""

    tenant_labels: Annotated[bool, Meta(description="Put team and project names on the figures.")] = False
    token: Annotated[str | None, Meta(description="Bearer token that `/metrics` asks for; needed off loopback.")] = None


class CredentialSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stored provider credential, by name."""

    env: Annotated[str, Meta(description="Name of the environment variable that holds the provider key.", min_length=1)]


class ProviderSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider: what differs from its shipped file, or a whole host of the operator's own."""

    base_url: Annotated[str | None, Meta(description="Origin before the provider's own path, such as `https://api.openai.com`.")] = None
    kind: Annotated[Literal["openai_compatible"] | None, Meta(description="Set for a host of your own that speaks OpenAI's dialect.")] = None
    name: Annotated[str | None, Meta(description="Name for people.")] = None
    ca_file: Annotated[str | None, Meta(description="PEM file with the authorities to trust for this host, instead of the system's.")] = None
    credentials: Annotated[dict[str, CredentialSettings], Meta(description="Stored credentials by name; `default` is used where neither key nor project names one.")] = {}
    models: Annotated[dict[str, str], Meta(description="Deployment name to model name, where the host's own names say nothing about the model (Azure).")] = {}
    currency: Annotated[str, Meta(description="Currency in which this host bills.", pattern="^[A-Z]{3}$")] = "USD"
    price_book: Annotated[str | None, Meta(description="Id of the provider whose prices apply, where they are not this one's own.")] = None
    free: Annotated[bool, Meta(description="The host bills nothing (self-hosted): no price is a price of zero.")] = False


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything an installation can be told, by section."""

    server: Annotated[Server, Meta(description="The listener.")] = Server()
    gateway: Annotated[Gateway, Meta(description="The data plane.")] = Gateway()
    journal: Annotated[JournalSettings, Meta(description="The write-ahead record.")] = JournalSettings()
    metrics: Annotated[Metrics, Meta(description="Prometheus figures.")] = Metrics()
    providers: Annotated[dict[str, ProviderSettings], Meta(description="One table per provider id.")] = {}
    data: Annotated[Path, Meta(description="Data directory. Not a key of the file: `--data`, else `TALLYSTICK_DATA`, else `~/.local/share/tallystick`.")] = _DEFAULT_DATA


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
    raw = _read_file(path) if named or path.is_file() else {}
    _check_known(raw, Settings, f"{path}: ")
    for name, text in env.items():
        if name.startswith(_PREFIX) and "__" in name:
            keys = name.removeprefix(_PREFIX).lower().split("__")
            _check_known(_nested(keys, text), Settings, f"{name}: ")
            _put(raw, keys, _split(text) if _is_list(keys) else text, name)
    for section, given in (flags or {}).items():
        for key, value in given.items():
            if value is not None:
                _put(raw, [section, key], value, f"--{key}")
    try:
        settings = msgspec.convert({**raw, "data": str(folder)}, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise BadSettings(f"Settings: {error}") from None
    _check_sense(settings)
    return settings


def secret_from_env(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The value of a variable that a stored credential names, read when the line is opened; None
    where it is unset or empty."""
    return (os.environ if environ is None else environ).get(name) or None


def first_admin(environ: Mapping[str, str] | None = None) -> FirstAdmin | None:
    """`TALLYSTICK_ADMIN_EMAIL` and `TALLYSTICK_ADMIN_PASSWORD`; both or neither.

    Raises BadSettings when only one is set.
    """
    env = os.environ if environ is None else environ
    email, password = env.get("TALLYSTICK_ADMIN_EMAIL"), env.get("TALLYSTICK_ADMIN_PASSWORD")
    if bool(email) != bool(password):
        raise BadSettings("TALLYSTICK_ADMIN_EMAIL and TALLYSTICK_ADMIN_PASSWORD belong together; one is missing.")
    return FirstAdmin(email, password) if email and password else None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{path}: cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: is not TOML ({error}).") from None
    if "data" in raw:
        raise BadSettings(f"{path}: 'data' is not a key of the file; use --data or TALLYSTICK_DATA.")
    return raw


def _check_known(raw: Mapping[str, Any], shape: Any, where: str, path: str = "") -> None:
    """Refuse a key that no section has. Wrong types are left to the conversion."""
    fields = _fields(shape)
    for key, value in raw.items():
        if fields is not None and key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)
            raise BadSettings(f"{where}unknown key '{path}{key}'; the nearest known one is '{path}{near[0]}'.")
        inner = _value_of(shape) if fields is None else fields[key]
        if isinstance(value, Mapping) and inner is not None:
            _check_known(value, inner, where, f"{path}{key}.")


def _fields(shape: Any) -> dict[str, Any] | None:
    """The keys of a section and their types without documentation; None for a free table."""
    if isinstance(shape, type) and issubclass(shape, Struct):
        return {name: hint for name, hint in typing.get_type_hints(shape).items() if name != "data"}
    return None


def _value_of(shape: Any) -> Any:
    """What a free table holds (`dict[str, ProviderSettings]` holds ProviderSettings)."""
    arguments = typing.get_args(shape)
    return arguments[1] if typing.get_origin(shape) is dict else None


def _is_list(keys: list[str]) -> bool:
    """Whether the setting at this path is a list, which a variable gives separated by commas."""
    shape: Any = Settings
    for key in keys:
        fields = _fields(shape)
        shape = _value_of(shape) if fields is None else fields.get(key)
    return typing.get_origin(shape) is tuple


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return typing.cast("dict[str, Any]", value)


def _put(raw: dict[str, Any], keys: list[str], value: Any, where: str) -> None:
    """Set a value at a path, making the tables on the way."""
    table: Any = raw
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise BadSettings(f"{where}: '{key}' is a value, not a section.")
    table[keys[-1]] = value


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
    for name, provider in settings.providers.items():
        if provider.kind and not provider.base_url:
            raise BadSettings(f"providers.{name}: a host of your own needs base_url.")
        if provider.base_url and not provider.base_url.startswith(("http://", "https://")):
            raise BadSettings(f"providers.{name}.base_url must begin with http:// or https://.")


def trusted_networks(server: Server) -> tuple[IPv4Network | IPv6Network, ...]:
    """The trusted proxies as networks. Raises BadSettings for one that is none."""
    try:
        return tuple(ip_network(text) for text in server.trusted_proxies)
    except ValueError as error:
        raise BadSettings(f"server.trusted_proxies: {error}.") from None
