"""E-mail over the operator's mail server (`[alerts.smtp]`). A message of a thread refers to the thread's, so that mail
programs show them together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from typing import Final

from tallystick.channels.channel import Channel, Field, Mail, Notice, Outcome, Reply, Talk, Target, listed, shortened, summary

RECIPIENTS_MAX: Final = 50
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def recipients(text: str) -> tuple[str, ...]:
    """The addresses of a comma-separated list. Raises ValueError for what is none."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not 1 <= len(found) <= RECIPIENTS_MAX or not all(_ADDRESS.fullmatch(address) for address in found):
        raise ValueError(f"say 1 to {RECIPIENTS_MAX} mail addresses, separated by commas")
    return found


def say(notices: Sequence[Notice], target: Target) -> Talk:
    """One message of plain text."""
    to = recipients(target.values["to"])
    message = EmailMessage()
    message["Subject"] = shortened(_line(f"[Tallystick] {summary(notices)}"), 200)
    message["To"] = ", ".join(to)
    message["Date"] = formatdate(target.now_s)
    message["Message-ID"] = f"<{notices[0].message_id}@tallystick.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    if len(notices) == 1:
        thread = sha256(f"{notices[0].organization}\n{notices[0].thread}".encode()).hexdigest()[:32]
        message["References"] = f"<{thread}@tallystick.invalid>"
    shown, more = listed(notices)
    paragraphs = [_paragraph(notice) for notice in shown] + ([f"and {more} more"] if more else [])
    message.set_content("\n\n".join(paragraphs))
    return _judged((yield Mail(message, to)))


def _judged(reply: Reply) -> Outcome:
    """SMTP: 2xx is done, 4xx is for now, 5xx for good (RFC 5321, 4.2.1)."""
    said = reply.body.decode("utf-8", "replace")
    return Outcome("sent" if reply.status < 300 else "retry" if reply.status < 500 else "refused", reply.status, said)


def _paragraph(notice: Notice) -> str:
    lines = [_line(notice.headline), notice.body, f"{notice.severity} · {notice.organization} · {notice.at}"]
    return "\n".join([*lines, notice.link] if notice.link else lines)


def _line(text: str) -> str:
    return " ".join(text.split())


CHANNEL: Final = Channel("email", "E-mail, over the mail server of the operator's settings.", (
    Field("to", "Addresses, separated by commas.", kind="emails"),
), say, groups=True, origin="smtp")
