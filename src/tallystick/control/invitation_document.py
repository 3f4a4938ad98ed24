"""An invitation as commands, the API and mails show it. What somebody named themselves or their organisation stands on
one line of a mail.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Final

from tallystick.channels.email import recipients
from tallystick.control.call_document import moment
from tallystick.core.errors import UpstreamFault
from tallystick.stores.sql.invitations import Invitation
from tallystick.transport.mail import MailServer, send

PATH: Final = "/invite/"                     # of the console; the token follows


def invitation_document(row: Invitation, now_us: int) -> dict[str, Any]:
    """An invitation as commands and the API show it."""
    return {
        "id": row.id, "email": row.email, "role": row.membership.role, "teams": sorted(row.membership.teams), "status": row.status(now_us),
        "invited_by": row.invited_by, "created_at": moment(row.created_us), "expires_at": moment(row.expires_us),
    }


def mail_fault(server: MailServer | None, public_url: str | None, made: Invitation, place: str, inviter: str, token: str) -> str | None:
    """Send an invitation by mail; why it did not go out, None when it did. Blocks."""
    if server is None:
        return "There is no mail server (alerts.smtp.host)."
    if public_url is None:
        return "The link needs an address of this installation (server.public_url)."
    try:
        to = recipients(made.email)
        status, _ = send(server, _message(made, place, inviter, public_url.rstrip("/") + PATH + token), to)
    except (ValueError, UpstreamFault):
        return "The mail server did not take it."
    return None if status < 300 else "The mail server refused it."


def _message(made: Invitation, place: str, inviter: str, link: str) -> EmailMessage:
    """Plain text; whatever somebody named themselves stands on one line."""
    message = EmailMessage()
    message["Subject"] = f"Invitation to {_line(place)} on Tallystick"
    message["To"] = made.email
    message["Date"] = formatdate(made.created_us // 1_000_000)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"{_line(inviter)} invites you to {_line(place)} as {made.membership.role}.\n\n{link}\n\n"
        f"The link works once, until {moment(made.expires_us)}. If you did not expect it, do nothing.\n")
    return message


def _line(text: str) -> str:
    return " ".join(text.split())[:80]
