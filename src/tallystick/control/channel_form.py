"""A channel as people ask for it, made into what can be stored: each value where the channel has a field for it, addresses
within the rules, and a signing secret drawn where none is given."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.channels import CHANNELS, channel_of, jira, pagerduty, webhook
from tallystick.channels.channel import Channel, Field
from tallystick.channels.email import recipients
from tallystick.core.alerts.alert import moment_text
from tallystick.core.peers import Network
from tallystick.stores.sql.alerts_channels import NO_BREAK, ChannelRow, ChannelSpec
from tallystick.stores.sql.directory import Refused
from tallystick.transport.outbound import BadAddress, check_url

_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wrote. `values`: settings and secrets together, by the names of the channel's fields."""

    name: str
    kind: str
    values: Mapping[str, str]
    kinds: tuple[str, ...] = ()
    severity: str = "info"
    quiet: str = ""
    zone: str = "UTC"
    breaks: str = "critical"
    scopes: tuple[str, ...] = ()


def spec_of(asked: Asked, networks: Sequence[Network], entropy: Callable[[int], bytes]) -> tuple[ChannelSpec, str | None]:
    """The channel to store, and the signing secret that was drawn for it, to be shown once. Raises Refused."""
    channel = channel_of(asked.kind)
    if channel is None:
        raise Refused("invalid_request", f"A channel is one of {', '.join(each.kind for each in CHANNELS)}.")
    known = {each.name for each in channel.fields}
    if unknown := sorted(set(asked.values) - known):
        fields = ", ".join(each.name for each in channel.fields)
        raise Refused("invalid_request", f"{channel.kind} has no {', '.join(unknown)}; it has {fields}.")
    values = {each.name: asked.values.get(each.name) or each.default for each in channel.fields}
    drawn = None
    if channel.kind == "webhook" and not values["secret"]:
        drawn = values["secret"] = webhook.PREFIX + b64encode(entropy(webhook.KEY_BYTES)).decode()
    origin = channel.origin
    for each in channel.fields:
        origin = _check(channel, each, values[each.name], networks) or origin
    secret = {each.name for each in channel.fields if each.secret}
    spec = ChannelSpec(
        asked.name, channel.kind, origin, {name: value for name, value in values.items() if name not in secret},
        {name: value for name, value in values.items() if name in secret}, asked.kinds, asked.severity,  # type: ignore[arg-type]  # checked when stored
        asked.quiet, asked.zone, asked.breaks, asked.scopes)
    return spec, drawn


def channel_document(row: ChannelRow) -> dict[str, Any]:
    """A channel as API and CLI show it, without what is sealed."""
    quiet = row.quiet
    return {
        "name": row.name, "kind": row.kind, "origin": row.origin, "settings": dict(row.settings), "version": row.version,
        "kinds": list(row.kinds), "severity": row.severity,
        "quiet_hours": f"{quiet.begins:%H:%M}-{quiet.ends:%H:%M}" if quiet else None, "zone": quiet.zone if quiet else None,
        "breaks_through": (quiet.breaks or NO_BREAK) if quiet else None, "scopes": list(row.scopes),
        "set_at": moment_text(row.set_us), "set_by": row.set_by}


def _check(channel: Channel, each: Field, value: str, networks: Sequence[Network]) -> str | None:
    """Whether a value can stand; the origin, of an address. No message repeats the value."""
    if not value:
        if each.required:
            raise Refused("invalid_request", f"{channel.kind} needs {each.name}: {each.about}")
        return None
    try:
        if each.kind == "url":
            return None if value == pagerduty.ENDPOINT else check_url(value, networks).origin
        if each.kind == "emails":
            recipients(value)
        if each.kind == "word" and not _WORD.fullmatch(value):
            raise ValueError("letters, digits, dashes and underscores")
        if channel.kind == "webhook" and each.name == "secret":
            webhook.key_of(value)
        if each.name == "deployment" and value not in (jira.CLOUD, jira.SERVER):
            raise ValueError(f"{jira.CLOUD} or {jira.SERVER}")
    except (BadAddress, ValueError) as fault:
        raise Refused("invalid_request", f"{each.name}: {fault}") from None
    return None
