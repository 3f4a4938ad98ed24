"""`tallystick members reset-password`: for who has lost theirs. Only the host does this: an account may belong to several
organisations, and whoever sets its password can be it in each of them.
"""

from __future__ import annotations

import sys
from secrets import token_urlsafe
from typing import Annotated, Final

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, fail, print_facts, print_json, settings_of

_MADE_BYTES: Final = 12
_PASSWORD_BYTES_MAX: Final = 4096
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input [one is made and shown].")]


def password_given(password_stdin: bool) -> str | None:
    """What standard input says, where it was asked to; ends the command for what is no password."""
    from tallystick.control.passwords import fault_of

    given = sys.stdin.read(_PASSWORD_BYTES_MAX).rstrip("\r\n") if password_stdin else None
    if given is not None and (fault := fault_of(given)):
        fail(fault)
    return given


def reset_password(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Their address.")],
    password_stdin: Stdin = False,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Give a member's account another password. Its sessions and personal access tokens end: the lost one may be in use."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.cli.members import found_member
    from tallystick.control.passwords import hash_password
    from tallystick.stores.sql.accounts import set_password
    from tallystick.stores.sql.members import HOST

    given = password_given(password_stdin)
    with installation.opened(settings, make=False, org=org) as here:
        member = found_member(here, email)
        password = given or token_urlsafe(_MADE_BYTES)
        ended = set_password(here.directory.sequencer, member.account, hash_password(password), here.now_us(), HOST, lost=True)
    document = {"id": member.account, "email": member.email, "sessions_ended": ended.sessions, "tokens_revoked": ended.tokens}
    document |= ({} if given else {"password": password})
    if as_json:
        print_json(document)
        return
    print_facts(document)
    if not given:
        print("\nThe password is shown this once.")
