"""`tallystick credentials`: provider keys that the gateway holds, sealed. A value comes from standard input or
a prompt, never from the command line, where other users and the shell's history would see it; no
command prints one.
"""

from __future__ import annotations

import asyncio
import sys
from getpass import getpass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_json, print_table, settings_of
from tallystick.config import Settings
from tallystick.config_sources import BadSettings
from tallystick.core.secret import Secret

if TYPE_CHECKING:
    from tallystick.stores.sql.engine import Database
    from tallystick.stores.sql.stored_credentials import Place

DEFAULT_SLUG: Final = "default"
_INPUT_BYTES_MAX: Final = 64 * 1024

Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's id, such as openai.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Which of its credentials; keys name one.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.command("set")(set_)
    app.command("list")(list_)
    app.command("remove")(remove)
    app.command("test")(try_)
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


def try_(
    provider: Provider, name: Name = "default", org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None,
) -> None:
    """Ask the provider whether it takes a credential, by a listing that costs nothing. Exits with 1 where it surely does not
    work."""
    settings = settings_of(data, config)
    from tallystick.cli import installation

    with installation.opened(settings, make=False, org=org) as here:
        try:
            document = asyncio.run(_tested(settings, here.database, (org or DEFAULT_SLUG, provider, name)))
        except BadSettings as error:
            fail(str(error))
    if as_json:
        print_json(document)
    else:
        took = "" if document["latency_us"] is None else f", after {document['latency_us'] // 1000} ms"
        answered = "" if document["status"] is None else f": {document['status']}{took}"
        print(*filter(None, (document["says"], document["asked"] and f"  {document['asked']}{answered}",
                             document["words"] and f"  {document['words']}", document["do"])), sep="\n")
    if document["outcome"] in ("refused", "unreachable", "unusable"):
        raise typer.Exit(1)


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


async def _tested(settings: Settings, database: Database, place: Place) -> dict[str, Any]:
    from tallystick.app import SystemClock
    from tallystick.configured import asking_of, credentials_of, origins_of, providers_of
    from tallystick.control.credential_check import tested
    from tallystick.stores.secrets import KekFiles
    from tallystick.stores.sql.stored_credentials import SqlCredentials

    known = providers_of(settings).get(place[1])
    held = await SqlCredentials(database, KekFiles(settings.data), origins_of(settings), credentials_of(settings)).find(*place)
    if known is None or held is None:
        fail("There is no such credential; `tallystick credentials list` shows those that are sealed.")
    asking = asking_of(settings)
    try:
        return await tested(asking, known, place[2], held, SystemClock())
    finally:
        await asking.close()


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
