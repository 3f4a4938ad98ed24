"""What the settings come to, part by part: the providers that can be called and where they are, credentials from the
environment, limits, the operator's mail server. Nothing is opened here save what a part itself opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from tallystick.config import Settings, secret_from_env, trusted_networks
from tallystick.config_sources import BadSettings
from tallystick.core.dialect import Provider
from tallystick.core.identity import Principal
from tallystick.core.secret import Secret
from tallystick.core.settlement import Terms
from tallystick.edge.doors import Shares
from tallystick.edge.gate import GateLimits
from tallystick.edge.paths import RESOURCE_NAMES
from tallystick.providers import PROVIDERS, openai_compatible
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.live_prices import LivePrices, settings_overrides
from tallystick.stores.sql.stored_credentials import Place
from tallystick.transport.http1 import Limits as UpstreamLimits
from tallystick.transport.key_check import LIMITS as ASKING_LIMITS
from tallystick.transport.mail import MailServer
from tallystick.transport.pool import Http1Upstreams, Tls

log = structlog.get_logger(__name__)


def origins_of(settings: Settings) -> dict[str, str]:
    """Where each provider that can be called is, by its id. Raises BadSettings."""
    return {provider.id: provider.base_url for provider in providers_of(settings).values() if provider.base_url is not None}


def terms_of(settings: Settings) -> Mapping[str, Terms]:
    """What a settlement must know of each provider that can be called, by its id. Raises BadSettings."""
    return providers_of(settings)


def credentials_of(settings: Settings) -> dict[Place, Secret]:
    """What the configuration names by environment variable, for each organisation that may use it."""
    named: dict[Place, Secret] = {}
    for provider_id, provider in settings.providers.items():
        for name, credential in provider.credentials.items():
            value = secret_from_env(credential.env)
            if value is None:                # not fatal: the other providers' callers need not suffer for it
                log.warning("a configured credential is not in the environment", provider=provider_id, name=name, env=credential.env)
                continue
            named |= {(organization, provider_id, name): Secret(value) for organization in credential.organizations}
    return named


def providers_of(settings: Settings) -> dict[str, Provider]:
    """The shipped providers as the operator moved them, and hosts of the operator's own. A provider
    without an address is left out: it cannot be called."""
    providers = {provider.id: provider for provider in PROVIDERS}
    for provider_id, said in settings.providers.items():
        known = providers.get(provider_id)
        if known is None or said.kind is not None:
            if said.base_url is None or said.kind is None or provider_id in RESOURCE_NAMES:
                raise BadSettings(f"providers.{provider_id}: not a shipped provider; a host of your own needs kind and base_url, "
                                  "and a name that is no resource of /v1.")
            known = openai_compatible(provider_id, said.base_url, name=said.name or "")
        if said.base_url is not None and known.prefix and said.base_url.rstrip("/").endswith(known.prefix):
            raise BadSettings(f"providers.{provider_id}.base_url: leave '{known.prefix}' out; it begins the provider's own path.")
        providers[provider_id] = replace(
            known, base_url=(said.base_url or known.base_url or "").rstrip("/") or None, name=said.name or known.name,
            signing=replace(known.signing, region=said.region) if known.signing is not None and said.region else known.signing,
            price_book=said.price_book or known.price_book, free_models=said.free or known.free_models,
            # Where the path always names a region, an address of the operator's stands for all of them.
            regions={} if said.base_url is not None and known.region_after else known.regions)
    return {provider_id: provider for provider_id, provider in providers.items() if provider.base_url is not None}


def anonymous_of(project: str | None) -> Principal | None:
    """Whom calls without a key are booked on: `TEAM/PROJECT` or a project of team `default`."""
    if project is None:
        return None
    team, _, name = project.rpartition("/")
    return Principal("anonymous", "default", {"team": team or "default", "project": name}, anonymous=True)


def upstreams_of(settings: Settings) -> Http1Upstreams:
    """What speaks to providers for callers."""
    limits = settings.gateway.limits
    return Http1Upstreams(UpstreamLimits(
        connect_s=limits.connect_timeout_s, head_s=limits.first_byte_timeout_s, silence_s=limits.idle_timeout_s,
        connections_max=limits.upstream_connections_max), _tls_of(settings))


def asking_of(settings: Settings) -> Http1Upstreams:
    """What the control plane asks providers by: the same addresses and authorities, connections and limits of its own."""
    return Http1Upstreams(ASKING_LIMITS, _tls_of(settings))


def _tls_of(settings: Settings) -> dict[str, Tls]:
    return {said.base_url.rstrip("/"): Tls(ca_file=said.ca_file)
            for said in settings.providers.values() if said.ca_file is not None and said.base_url is not None}


def shares_of(settings: Settings) -> Shares:
    """What one caller may have of this process."""
    limits = settings.gateway.limits
    return Shares(limits.connections_per_address_max, limits.wrong_keys_per_minute_max, limits.calls_per_key_max, limits.bodies_bytes_max,
                  trusted_networks(settings.server))


def gate_limits_of(settings: Settings) -> GateLimits:
    """What the HTTP gate takes."""
    limits = settings.gateway.limits
    return GateLimits(
        head_bytes_max=limits.head_bytes_max, headers_max=limits.headers_max, head_timeout_s=limits.head_timeout_s,
        body_timeout_s=limits.body_timeout_s, body_rate_bytes_per_s_min=limits.body_rate_bytes_per_s_min,
        write_timeout_s=limits.write_timeout_s, connections_max=limits.connections_max)


def open_prices(database: Database, settings: Settings) -> LivePrices:
    """The prices in force: package, applied releases, overrides, and the settings' names of deployments. Raises
    StoreFault, BadSettings."""
    books = {provider.id: provider.price_book or provider.id for provider in providers_of(settings).values()}
    return LivePrices(database, books, settings_overrides({name: provider.models for name, provider in settings.providers.items()}))


def mail_server_of(settings: Settings) -> MailServer | None:
    """The operator's mail server, if there is one."""
    smtp = settings.alerts.smtp
    password = secret_from_env(smtp.password_env) if smtp.password_env is not None else None
    return None if smtp.host is None else MailServer(
        smtp.host, smtp.port, smtp.sender, smtp.tls, smtp.username, None if password is None else Secret(password))
