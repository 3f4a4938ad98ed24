"""Microsoft Teams: an Adaptive Card to the address of a Workflows flow "when a Teams webhook request is received" (the
connectors of Office 365 are gone; learn.microsoft.com, "Create incoming webhooks with Workflows"). The flow answers 202
and posts later; a message has at most 28 KB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tallystick.channels.channel import Channel, Field, Notice, Talk, Target, judged, listed, posted, shortened, summary

_COLOURS: Final = {"info": "Accent", "warning": "Warning", "critical": "Attention"}


def say(notices: Sequence[Notice], target: Target) -> Talk:
    """One card."""
    shown, more = listed(notices)
    body = [block for notice in shown for block in _blocks(notice)]
    if more:
        body.append({"type": "TextBlock", "text": f"and {more} more", "isSubtle": True})
    card: dict[str, Any] = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
                            "fallbackText": shortened(summary(notices), 300), "msteams": {"width": "Full"}, "body": body}
    if len(notices) == 1 and notices[0].link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": notices[0].link}]
    return judged((yield posted(target.values["url"], {"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}]})))


def _blocks(notice: Notice) -> list[dict[str, Any]]:
    colour = "Good" if notice.event in ("resolved", "eased") else _COLOURS[notice.severity]
    return [
        {"type": "TextBlock", "text": shortened(_plain(notice.headline), 200), "weight": "Bolder", "size": "Medium", "color": colour,
         "wrap": True},
        {"type": "TextBlock", "text": shortened(_plain(notice.body), 700), "wrap": True},
        {"type": "TextBlock", "text": f"{notice.severity} · {_plain(notice.organization)} · {notice.at}", "isSubtle": True,
         "spacing": "None", "wrap": True}]


def _plain(text: str) -> str:
    """Text of others without the marks that cards read as links and emphasis."""
    return "".join(f"\\{mark}" if mark in "*_[]`" else mark for mark in text)


CHANNEL: Final = Channel("teams", "A channel of Microsoft Teams, by a Workflows address.", (
    Field("url", "The flow's address.", secret=True, kind="url"),
), say, groups=True)
