"""`tallystick credentials`: provider keys that the gateway holds, sealed. A value comes from standard input or
a prompt, never from the command line, where other users and the shell's history would see it; no
command prints one.
"""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_json, print_table, settings_of
from tallystick.config import BadSettings, Settings
from tallystick.core.secret import Secret

_INPUT_BYTES_MAX: Final = 64 * 1024

Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's id, such as openai.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Which of its credentials; keys name one.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("set")(set_)
    app.command("list")(list_)
    app.command("remove")(remove)
    app.command("assign")(assign)
    app.command("rewrap")(rewrap)
    return app


def set_(
    provider: Provider, name: Name = "default", org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Seal a provider's key, read from standard input or asked for; one of that name is replaced. A pair of AWS keys
    (Bedrock) is written ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.credential_document import credential_document
    from tallystick.stores.sql.directory import Refused

    origins = _origins(settings)
    value = _read_value(provider)
    with installation.opened(settings, org=org) as here:
        vault = here.vault(origins)
        try:
            document = credential_document(vault, vault.set(here.organization, provider, name, value, here.now_us(), "cli"))
        except Refused as error:
            fail(str(error))
    if as_json:
        print_json(document)
        return
    print(f"Sealed {provider} '{name}' for {document['origin']}. Running servers use it within a second.")


def list_(org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """List the sealed credentials, without their values."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.credential_document import credential_documents

    origins = _origins(settings)
    with installation.opened(settings, make=False, org=org) as here:
        found = credential_documents(here.vault(origins), here.organization, here.now_us())
    if as_json:
        print_json({"credentials": found})
        return
    columns = ("provider", "name", "origin", "version", "status", "set_at", "set_by")
    print_table(f"{len(found)} credentials", (*columns, "health"),
                ([*(document[column] for column in columns), _health(document["health"])] for document in found))


def remove(
    provider: Provider, name: Name = "default", org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Remove a credential for good; running servers forget it within a second."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.credential_document import credential_document

    origins = _origins(settings)
    with installation.opened(settings, make=False, org=org) as here:
        vault = here.vault(origins)
        stored = vault.remove(here.organization, provider, name, here.now_us(), "cli")
        if stored is None:
            fail("There is no such credential; `tallystick credentials list` shows them.")
        document = credential_document(vault, stored)
    if as_json:
        print_json(document)
        return
    print(f"Removed {provider} '{name}'. Revoke the key at the provider too.")


def assign(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="TEAM/PROJECT, or a project of team `default`.")],
    name: Name = "default", org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Name the credential that a project's keys use unless they name one themselves."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.directory import Refused
    from tallystick.stores.sql.engine import DEFAULT_TEAM

    team, _, own = project.rpartition("/")
    team = team or DEFAULT_TEAM
    origins = _origins(settings)
    with installation.opened(settings, make=False, org=org) as here:
        try:
            known = here.vault(origins).assign(here.organization, team, own, name, here.now_us(), "cli")
        except Refused as error:
            fail(str(error))
        if not known:
            fail("There is no such project; a key for it makes it.")
    if as_json:
        print_json({"team": team, "project": own, "credential": name})
        return
    print(f"Keys of {team}/{own} use '{name}'.")


def rewrap(as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Replace the installation's key-encryption key; running servers go on. One that was broken off is continued."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.secrets import KekFiles
    from tallystick.stores.sql.directory import Refused

    origins = _origins(settings)
    with installation.opened(settings, make=False) as here:
        files = KekFiles(settings.data)
        files.begin()
        try:
            count = here.vault(origins).rewrap(here.now_us(), "cli")
        except Refused as error:
            fail(str(error))
        files.finish()
    if as_json:
        print_json({"rewrapped": count})
        return
    print(f"{count} credentials are wrapped under a new key. Back up {settings.data / 'kek'} again; older backups need the old one.")


def _health(said: dict[str, Any]) -> str:
    """One cell: the state, how often it failed, and until when it cools for which models."""
    cooling = [f"{one['model'] or 'every model'} until {one['until']}" for one in said["cooling"]]
    return ", ".join((f"{said['state']} ({said['failures']} of {said['answers'] + said['failures']} failed)", *cooling))


def _origins(settings: Settings) -> dict[str, str]:
    """Where the server would look for each provider, under the same settings."""
    from tallystick.configured import origins_of

    try:
        return origins_of(settings)
    except BadSettings as error:
        fail(str(error))


def _read_value(provider: str) -> Secret:
    """The value: typed unseen on a terminal, else all of standard input without its last line break."""
    if sys.stdin.isatty():
        return Secret(getpass(f"Key for {provider} (not shown): "))
    return Secret(sys.stdin.read(_INPUT_BYTES_MAX).rstrip("\r\n"))
