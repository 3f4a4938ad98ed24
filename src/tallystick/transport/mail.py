"""Hands a message to the operator's own mail server. Its address and account stand in the operator's file or environment,
so they are trusted as they are; TLS is checked wherever it is spoken."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final, Literal

from tallystick.core.errors import UpstreamFault
from tallystick.core.secret import Secret

TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """`tls`: `starttls` upgrades the connection before anything is said, `tls` begins with it, `none` is for a server on
    this machine or network."""

    host: str
    port: int
    sender: str
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: Secret | None = None


def send(server: MailServer, message: EmailMessage, recipients: Sequence[str], *,
         context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Blocks for a few times `TIMEOUT_S` at most. The status and the words of the server: of its refusal, or that it has
    taken the message. Raises UpstreamFault for a server that is not there or breaks off."""
    message = deepcopy(message)
    message["From"] = server.sender
    context = context or ssl.create_default_context()
    try:
        with (smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context) if server.tls == "tls"
              else smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)) as session:
            if server.tls == "starttls":
                session.starttls(context=context)
            if server.username is not None and server.password is not None:
                session.login(server.username, server.password.reveal())
            refused = session.send_message(message, from_addr=server.sender, to_addrs=list(recipients))
    except smtplib.SMTPRecipientsRefused as fault:
        return min(fault.recipients.values())            # 4xx before 5xx: somebody may be reached later
    except smtplib.SMTPResponseException as fault:
        return fault.smtp_code, fault.smtp_error if isinstance(fault.smtp_error, bytes) else fault.smtp_error.encode()
    except (smtplib.SMTPException, OSError) as fault:
        raise UpstreamFault("connect", f"the mail server: {type(fault).__name__}", written=False) from None
    if refused:
        return 250, f"taken, but refused for {', '.join(sorted(refused))}".encode()
    return 250, b"taken"
