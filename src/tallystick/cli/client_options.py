"""What `tallystick connect` and `tallystick run` are both told: which gateway, whose key, and what the calls are for. A key
may also be made for the occasion, by a personal access token and as its owner.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from tallystick.cli.answers import fail, settings_of
from tallystick.connect.filling import Filling, Unfit

Gateway = Annotated[str | None, typer.Option(
    "--gateway", metavar="URL", envvar="TALLYSTICK_GATEWAY", show_envvar=False,
    help="The gateway's address [$TALLYSTICK_GATEWAY, server.public_url, host and port of the settings].")]
Key = Annotated[str | None, typer.Option(
    "--key", metavar="KEY", envvar="TALLYSTICK_KEY", show_envvar=False,
    help="The key to come with [$TALLYSTICK_KEY]. On a command line it stands in the list of processes.")]
NewKey = Annotated[bool, typer.Option("--new-key", help="Make a key of your own with --token, bound to the team and project named here.")]
Token = Annotated[str | None, typer.Option(
    "--token", metavar="TOKEN", envvar="TALLYSTICK_TOKEN", show_envvar=False,
    help="A personal access token, for --new-key [$TALLYSTICK_TOKEN].")]
Team = Annotated[str | None, typer.Option("--team", help="Team the calls are for.")]
Project = Annotated[str | None, typer.Option("--project", help="Project the calls are for.")]
User = Annotated[str | None, typer.Option("--user", help="User the calls are for.")]
Agent = Annotated[str | None, typer.Option("--agent", help="Agent that makes the calls.")]
Environment = Annotated[str | None, typer.Option("--environment", help="Environment, such as prod.")]
CostCenter = Annotated[str | None, typer.Option("--cost-center", help="Cost centre.")]
Prompt = Annotated[str | None, typer.Option("--prompt", metavar="KEY", help="Prompt key; KEY@VERSION names its version too.")]
Session = Annotated[str | None, typer.Option("--session", help="One id for calls that belong together.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="NAME[=VALUE]", help="A tag; several times for several.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Simulated replies that cost nothing.")]

_TIMEOUT_S: Final = 15.0
_REPLY_BYTES_MAX: Final = 1 << 20
_KEY_HOURS: Final = 12


def headers_of(
    labels: Mapping[str, str | None], session: str | None, prompt: str | None, tags: Sequence[str], *, sandbox: bool,
) -> dict[str, str]:
    """The attribution headers of what was said. `labels` by their names in the API; tags are encoded, where they must be."""
    named = {**labels, "session": session}
    headers = {f"X-Tallystick-{name.replace('_', '-').title()}": value for name, value in named.items() if value is not None}
    if prompt is not None:
        key, _, version = prompt.partition("@")
        headers["X-Tallystick-Prompt-Key"] = key
        headers |= {"X-Tallystick-Prompt-Version": version} if version else {}
    if tags:
        pairs = [tag.partition("=") for tag in tags]
        headers["X-Tallystick-Tags"] = ",".join(_encoded(name) + equals + _encoded(value) for name, equals, value in pairs)
    return headers | ({"X-Tallystick-Sandbox": "true"} if sandbox else {})


def address_of(gateway: str | None, data: Path | None, config: Path | None) -> str:
    """Where the gateway is: as said, else as the settings of this machine say."""
    if gateway is not None:
        return gateway.rstrip("/")
    server = settings_of(data, config).server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return (server.public_url or f"http://{host}:{server.port}").rstrip("/")


def filling_of(gateway: str, key: str, headers: Mapping[str, str], model: str | None = None) -> Filling:
    """The filling, or the end of the command."""
    try:
        return Filling(gateway=gateway, key=key, headers=dict(headers), model=model)
    except Unfit as reason:
        fail(str(reason))


def made_key(gateway: str, token: str | None, bound: Mapping[str, str | None], name: str, *, ends: bool) -> str:
    """The text of a new key, asked of the gateway's API in the token's owner's name. `ends`: by itself, after half a day."""
    if token is None:
        fail("--new-key needs a personal access token: --token, or TALLYSTICK_TOKEN. Make one under Settings in the console.")
    wanted: dict[str, str] = {"name": name} | {label: value for label, value in bound.items() if value is not None}
    if ends:
        wanted["expires_at"] = (datetime.now(UTC) + timedelta(hours=_KEY_HOURS)).isoformat(timespec="seconds")
    body, heads = json.dumps(wanted).encode(), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{gateway}/api/keys", body, heads)  # noqa: S310 (Filling took http and https alone)
    try:
        with _DIRECT.open(request, timeout=_TIMEOUT_S) as reply:
            return str(json.loads(reply.read(_REPLY_BYTES_MAX))["key"])
    except urllib.error.HTTPError as refusal:
        fail(f"{gateway} made no key ({refusal.code}): {_said(refusal.read(_REPLY_BYTES_MAX))}")
    except (OSError, ValueError, KeyError) as reason:
        fail(f"{gateway} made no key: {reason}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes where it was told to and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


_DIRECT: Final = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def _said(body: bytes) -> str:
    """What a refusal of the API says of itself."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "it did not say why"


def _encoded(text: str) -> str:
    return quote(text, safe=" !#$&'()*+-./:;<>?@[]^_`{|}~")
