"""`tallystick members`: who belongs to an organisation, and as what. Whoever holds the host may give any role; a change
holds at once, for tokens that are out too.
"""

from __future__ import annotations

import sys
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_facts, print_json, print_table, settings_of
from tallystick.cli.password_reset import reset_password

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.stores.sql.members import Member, Members

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Their address.")]
RoleOption = Annotated[str, typer.Option("--role", metavar="R", help="owner, admin, finance, manager, member or auditor.")]
TeamOption = Annotated[list[str] | None, typer.Option(
    "--team", metavar="T", help="A team: a manager manages it, a member makes keys in it. Again for more; made if it is missing.")]
_MADE_BYTES: Final = 12
_PASSWORD_BYTES_MAX: Final = 4096
_NO_MEMBER: Final = "There is no such member; `tallystick members list` shows them."


def build() -> typer.Typer:
    """The commands of this noun."""
    from tallystick.cli import sign_in       # which is built on this module

    app = typer.Typer(no_args_is_help=True)
    app.command("add")(add)
    app.command("invite")(sign_in.invite)
    app.command("list")(list_)
    app.command("role")(role_)
    app.command("remove")(remove)
    app.command("reset-password")(reset_password)
    app.command("disable")(disable)
    app.command("enable")(enable)
    app.command("reset-totp")(sign_in.reset_totp)
    return app


def add(
    email: Email,
    role: RoleOption,
    team: TeamOption = None,
    name: Annotated[str, typer.Option(help="What they are called.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read a new account's password from standard input.")] = False,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Take somebody in. A new account without --password-stdin gets a password, shown this once."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.control.passwords import fault_of, hash_password
    from tallystick.stores.sql.members import HOST, Newcomer, has_account

    given = sys.stdin.read(_PASSWORD_BYTES_MAX).rstrip("\r\n") if password_stdin else None
    if given is not None and (fault := fault_of(given)):
        fail(fault)
    with installation.opened(settings, org=org) as here:
        address, membership = address_of(email), membership_of(here, role, team or [])
        with here.database.read() as db:
            made = None if given or has_account(db, address) else token_urlsafe(_MADE_BYTES)
        password = given or made
        newcomer = Newcomer(address, name, membership, None if password is None else hash_password(password))
        member, _ = members_of(here).add(here.organization, newcomer, here.now_us(), HOST)
    document = _document(member) | ({} if made is None else {"password": made})
    if as_json:
        print_json(document)
        return
    print_facts(_flat(document))
    if made is not None:
        print("\nThe password is shown this once.")


def list_(org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """List all members in the order they joined."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.members import MEMBERS_MAX, list_members

    with installation.opened(settings, make=False, org=org) as here:
        found = [_document(member) for member in list_members(here.database, here.organization, limit=MEMBERS_MAX)]
    if as_json:
        print_json({"members": found})
        return
    columns = ("email", "name", "role", "teams", "status", "joined_at")
    print_table(f"{len(found)} members", columns, ([_flat(member)[column] for column in columns] for member in found))


def role_(
    email: Email, role: RoleOption, team: TeamOption = None, org: Org = None, as_json: AsJson = False, data: Data = None,
    config: Config = None,
) -> None:
    """Give a member another role, or other teams. An organisation keeps one owner."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.members import HOST

    with installation.opened(settings, make=False, org=org) as here:
        account, membership = found_member(here, email).account, membership_of(here, role, team or [])
        changed = members_of(here).change(here.organization, account, lambda _before: membership, here.now_us(), HOST)
        _answer(changed, as_json=as_json)


def remove(email: Email, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Let a member go. Their account stays, and so do the keys they own."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql.members import HOST

    with installation.opened(settings, make=False, org=org) as here:
        gone = members_of(here).remove(here.organization, found_member(here, email).account, here.now_us(), HOST)
        _answer(gone, as_json=as_json)


def disable(email: Email, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Shut an account out of every organisation."""
    _set_disabled(email, org, data, config, disabled=True, as_json=as_json)


def enable(email: Email, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Let a disabled account in again."""
    _set_disabled(email, org, data, config, disabled=False, as_json=as_json)


def _set_disabled(email: str, org: str | None, data: Any, config: Any, *, disabled: bool, as_json: bool) -> None:
    settings = settings_of(data, config)
    from tallystick.cli import installation

    with installation.opened(settings, make=False, org=org) as here:
        members_of(here).set_disabled(found_member(here, email).account, disabled=disabled, now_us=here.now_us())
        _answer(found_member(here, email), as_json=as_json)


def members_of(here: Installation) -> Members:
    """What changes who belongs to an organisation."""
    import uuid_utils

    from tallystick.stores.sql.members import Members

    return Members(here.directory.sequencer, lambda: uuid_utils.uuid7().hex)


def membership_of(here: Installation, role: str, teams: list[str]) -> Any:
    """What was asked for, its missing teams made. Ends the command for what nobody can be."""
    from tallystick.core.membership import Membership, fault_of
    from tallystick.stores.sql.directory import Refused

    membership = Membership(role, frozenset(teams))  # type: ignore[arg-type]  # judged on the next line
    if fault := fault_of(membership):
        fail(fault)
    for team in sorted(membership.teams):
        try:
            here.directory.create_team(here.organization, team, here.now_us())
        except Refused as error:
            if error.code != "exists":
                fail(str(error))
    return membership


def address_of(email: str) -> str:
    """An address as it is kept; ends the command for what is none."""
    from tallystick.stores.sql.accounts import canonical_email

    address = canonical_email(email)
    if address is None:
        fail(f"{email} is not an address.")
    return address


def found_member(here: Installation, email: str) -> Member:
    """The member of an address; ends the command where there is none."""
    from tallystick.stores.sql.members import member_named

    with here.database.read() as db:
        member = member_named(db, here.organization, address_of(email))
    if member is None:
        fail(_NO_MEMBER)
    return member


def _answer(member: Member | None, *, as_json: bool) -> None:
    if member is None:
        fail(_NO_MEMBER)
    if as_json:
        print_json(_document(member))
        return
    print_facts(_flat(_document(member)))


def _document(member: Member) -> dict[str, Any]:
    from tallystick.control.member_document import member_document

    return member_document(member)


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """For a table: teams on one line."""
    return {**document, "teams": ", ".join(document["teams"])}
