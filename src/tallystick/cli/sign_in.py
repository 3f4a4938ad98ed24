"""`tallystick members invite` and `reset-totp`: a link for somebody who is to join, and a way back in for a member who has
lost authenticator and recovery codes, whom whoever holds the host knows.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tallystick.cli.answers import AsJson, Config, Data, Org, print_facts, print_json, settings_of
from tallystick.cli.members import Email, RoleOption, TeamOption, address_of, found_member, members_of, membership_of


def invite(
    email: Email,
    role: RoleOption,
    team: TeamOption = None,
    days: Annotated[int, typer.Option(metavar="N", help="How long the link works, at most 30.")] = 7,
    mail: Annotated[bool, typer.Option("--mail", help="Send the link by mail too; needs alerts.smtp and server.public_url.")] = False,
    org: Org = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Invite somebody by a link that works once. An earlier one for that address works no more."""
    settings = settings_of(data, config)
    from secrets import token_bytes

    from tallystick.configured import mail_server_of
    from tallystick.cli import installation
    from tallystick.control.invitation_document import PATH, invitation_document, mail_fault
    from tallystick.control.tokens import INVITATION, derived
    from tallystick.stores.sql.invitations import Invitations
    from tallystick.stores.sql.members import HOST
    from tallystick.stores.sql.organizations import named

    with installation.opened(settings, org=org) as here:
        invitations = Invitations(members_of(here), derived(here.secrets.pepper, INVITATION), token_bytes)
        membership = membership_of(here, role, team or [])
        made, token = invitations.invite(here.organization, address_of(email), membership, days=days, now_us=here.now_us(), by=HOST)
        with here.database.read() as db:
            place = named(db, here.organization)[1]
        document = invitation_document(made, here.now_us()) | {
            "link": (settings.server.public_url or "").rstrip("/") + PATH + token.reveal()}
        if mail:
            fault = mail_fault(mail_server_of(settings), settings.server.public_url, made, place, place, token.reveal())
            document |= {"mailed": fault is None, "mail_fault": fault}
    if as_json:
        print_json(document)
        return
    print_facts({**document, "teams": ", ".join(document["teams"])})
    print("\nThe link is shown this once." + ("" if settings.server.public_url else " Put the console's address before it."))


def reset_totp(email: Email, org: Org = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Take a member's second factor away, in every organisation, and end their sessions and login tokens."""
    settings = settings_of(data, config)
    from secrets import token_bytes

    from tallystick.cli import installation
    from tallystick.stores.secrets import KekFiles
    from tallystick.stores.sql.members import HOST
    from tallystick.stores.sql.second_factors import SecondFactors

    with installation.opened(settings, make=False, org=org) as here:
        member = found_member(here, email)
        factors = SecondFactors(here.directory.sequencer, KekFiles(settings.data), token_bytes, here.secrets.pepper)
        stood = factors.remove(member.account, here.now_us(), HOST)
    document = {"email": member.email, "second_factor": "removed" if stood else "there was none"}
    if as_json:
        print_json(document)
        return
    print_facts(document)
