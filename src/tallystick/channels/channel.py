"""What a channel is: the fields it asks for, and a generator that says some notices to its service. The generator yields
what to send and gets the answer back; its return value says how it went. So channels hold no socket and are tested
without one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

Result = Literal["sent", "retry", "refused"]
JSON: Final = ("Content-Type", "application/json")
_AGAIN: Final = frozenset((408, 425, 429))   # beside 5xx: the same request may succeed later
_SAID_BYTES_MAX: Final = 200
_LISTED_MAX: Final = 20                      # alerts told one by one in a message of many


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be said. `event`: raised, eased, resolved or test; `open`: what of the thread is still open; `link`:
    where to look, empty if nobody knows how this installation is reached."""

    message_id: str
    event: str
    alert: int
    organization: str
    kind: str
    thread: str
    severity: str
    title: str
    text: str
    facts: Mapping[str, Any]
    at: str                                  # RFC 3339, when it was raised or resolved
    resolution: str = ""
    open: tuple[str, ...] = ()
    link: str = ""

    @property
    def headline(self) -> str:
        """The title, and whether it is over."""
        return {"resolved": f"Resolved: {self.title}", "eased": f"Eased: {self.title}"}.get(self.event, self.title)

    @property
    def body(self) -> str:
        """The text; of what is over, why."""
        return f"{self.resolution} (It was: {self.text})" if self.event in ("resolved", "eased") else self.text


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: the channel's settings and opened secrets by name, what it keeps for the thread, and the time."""

    values: Mapping[str, str]
    ticket: str | None
    now_s: int


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. `url` came in by API: whoever sends it checks where it leads."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message for the operator's own mail server; the sender is filled in there."""

    message: EmailMessage
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answered. Header names are lower case; a mail server's status is SMTP's."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went. `refused`: sending the same again would be refused again. `ticket`: what to keep for the thread."""

    result: Result
    status: int = 0
    said: str = ""
    retry_after_s: int | None = None
    ticket: str | None = None


Talk = Generator[Request | Mail, Reply, Outcome]


@dataclass(frozen=True, slots=True)
class Field:
    """A setting of a channel. `kind`: a `word` has letters, digits, - and _; a `url` must pass the rules for addresses
    that come in by API (transport/outbound.py)."""

    name: str
    about: str
    secret: bool = False
    required: bool = True
    kind: Literal["text", "word", "url", "emails"] = "text"
    default: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """`groups`: many notices make one message, because people read it; else each is said by itself, because a program
    does. `origin`: the address where none is among the fields."""

    kind: str
    about: str
    fields: tuple[Field, ...]
    say: Callable[[Sequence[Notice], Target], Talk]
    groups: bool = False
    origin: str = ""


def judged(reply: Reply) -> Outcome:
    """How an ordinary answer is to be taken: 2xx is done, a fault of the moment is worth another try, the rest is no."""
    said = _said(reply.body)
    if 200 <= reply.status < 300:
        return Outcome("sent", reply.status, said)
    if reply.status in _AGAIN or reply.status >= 500:
        return Outcome("retry", reply.status, said, retry_after_s(reply))
    return Outcome("refused", reply.status, said)


def _said(body: bytes) -> str:
    """What a service says for people to read: a short line. Anything longer is a page, and no business of the log's."""
    text = body.decode("utf-8", "replace").strip() if len(body) <= _SAID_BYTES_MAX else ""
    return text if text.isprintable() else ""


def retry_after_s(reply: Reply) -> int | None:
    """The wait that a service asks for (RFC 9110: seconds, or a date that is read against the answer's own), rounded up."""
    text = reply.headers.get("retry-after", "").strip()
    whole, _, part = text.partition(".")                 # some say fractions
    if whole.isascii() and whole.isdigit():
        return int(whole) + bool(part.strip("0"))
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(reply.headers.get("date", ""))
    except (ValueError, TypeError):          # TypeError: one of them says no zone
        return None
    return max(0, int(wait.total_seconds()))


def posted(url: str, document: Any, *headers: tuple[str, str]) -> Request:
    """A POST of a JSON document."""
    return Request("POST", url, (JSON, *headers), json.dumps(document, ensure_ascii=False).encode())


def shortened(text: str, chars_max: int) -> str:
    """Text within a service's limit."""
    return text if len(text) <= chars_max else text[:chars_max - 1] + "…"


def summary(notices: Sequence[Notice]) -> str:
    """The headline of one message."""
    if len(notices) == 1:
        return notices[0].headline
    return f"{len(notices)} alerts, among them: {notices[0].headline}"


def listed(notices: Sequence[Notice]) -> tuple[Sequence[Notice], int]:
    """Those that are told one by one, and how many more there are."""
    return notices[:_LISTED_MAX], max(0, len(notices) - _LISTED_MAX)
