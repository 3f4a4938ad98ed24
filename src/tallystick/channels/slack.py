"""Slack: Block Kit to an incoming webhook (docs.slack.dev, "Sending messages using incoming webhooks"): 200 and `ok`; what
is wrong with the webhook or the message is a 4xx with a word. A header has at most 150 characters, a section 3,000, a
message 50 blocks. Text of others is escaped, so that nobody is mentioned by a budget's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tallystick.channels.channel import Channel, Field, Notice, Talk, Target, judged, listed, posted, shortened, summary

_MARKS: Final = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}


def say(notices: Sequence[Notice], target: Target) -> Talk:
    """One message; `text` is what notifications show."""
    shown, more = listed(notices)
    blocks = [block for notice in shown for block in _blocks(notice)]
    if more:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": f"and {more} more"}]})
    return judged((yield posted(target.values["url"], {"text": shortened(_escaped(summary(notices)), 3_000), "blocks": blocks})))


def _blocks(notice: Notice) -> list[dict[str, Any]]:
    mark = ":white_check_mark:" if notice.event in ("resolved", "eased") else _MARKS[notice.severity]
    section: dict[str, Any] = {"type": "section", "text": {
        "type": "mrkdwn", "text": f"{mark} *{shortened(_escaped(notice.headline), 300)}*\n{shortened(_escaped(notice.body), 2_500)}"}}
    if notice.link:
        section["accessory"] = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": notice.link}
    return [section, {"type": "context", "elements": [
        {"type": "mrkdwn", "text": f"{notice.severity} · {_escaped(notice.organization)} · {notice.at}"}]}]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


CHANNEL: Final = Channel("slack", "A channel of Slack, by an incoming webhook.", (
    Field("url", "The webhook's address, https://hooks.slack.com/services/…", secret=True, kind="url"),
), say, groups=True)
