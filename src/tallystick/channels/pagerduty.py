"""PagerDuty, Events API v2 (developer.pagerduty.com, "Send an alert event"): `trigger` and `resolve` under one
`dedup_key` for the thread, so that a budget's crossings are one incident. 202 is taken; 400 means that the event or the
key is wrong; 429 and 5xx are for later. A summary has at most 1,024 characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from tallystick.channels.channel import Channel, Field, Notice, Outcome, Talk, Target, judged, posted, shortened

ENDPOINT: Final = "https://events.pagerduty.com/v2/enqueue"


def say(notices: Sequence[Notice], target: Target) -> Talk:
    """One event; what only eases an incident is none."""
    [notice] = notices
    if notice.event == "eased":
        return Outcome("sent", said="an incident that eases stays open: nothing to say")
    return judged((yield posted(target.values["url"] or ENDPOINT, _event(notice, target.values["routing_key"]))))


def _event(notice: Notice, routing_key: str) -> dict[str, Any]:
    key = sha256(f"{notice.organization}\n{notice.thread}".encode()).hexdigest()
    if notice.event == "resolved":
        return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": key}
    event: dict[str, Any] = {
        "routing_key": routing_key, "event_action": "trigger", "dedup_key": key, "client": "Tallystick",
        "payload": {"summary": shortened(f"{notice.title}. {notice.text}", 1_024), "source": f"tallystick/{notice.organization}",
                    "severity": notice.severity, "timestamp": notice.at, "class": notice.kind, "custom_details": dict(notice.facts)}}
    if notice.link:
        event |= {"client_url": notice.link, "links": [{"href": notice.link, "text": "Open in Tallystick"}]}
    return event


CHANNEL: Final = Channel("pagerduty", "A service of PagerDuty, by its Events API v2 integration key.", (
    Field("routing_key", "The integration key, 32 characters.", secret=True),
    Field("url", "The endpoint of another region.", secret=False, required=False, kind="url", default=ENDPOINT),
), say, origin="https://events.pagerduty.com")
