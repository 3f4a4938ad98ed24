"""Discord: embeds to a channel's webhook (docs.discord.com, "Execute Webhook"): at most ten, 256 characters of title and
4,096 of description each; 204 without a body, 429 with the wait in seconds and fractions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tallystick.channels.channel import Channel, Field, Notice, Talk, Target, judged, posted, shortened, summary

_EMBEDS_MAX: Final = 10
_TEXT_MAX: Final = 400                       # ten of them stay below the 6,000 that one message may have
_COLOURS: Final = {"info": 0x2F6FB2, "warning": 0xC98A1B, "critical": 0xB3362B}
_DONE: Final = 0x3E8E5A


def say(notices: Sequence[Notice], target: Target) -> Talk:
    """One message; what does not fit in its embeds is counted."""
    more = f" ({len(notices)} in all)" if len(notices) > _EMBEDS_MAX else ""
    return judged((yield posted(target.values["url"], {
        "content": shortened(summary(notices) + more, 2_000), "allowed_mentions": {"parse": []},
        "embeds": [_embed(notice) for notice in notices[:_EMBEDS_MAX]]})))


def _embed(notice: Notice) -> dict[str, Any]:
    colour = _DONE if notice.event in ("resolved", "eased") else _COLOURS[notice.severity]
    embed: dict[str, Any] = {"title": shortened(notice.headline, 150), "description": shortened(notice.body, _TEXT_MAX), "color": colour,
                             "timestamp": notice.at, "footer": {"text": f"{notice.severity} · {notice.organization}"}}
    return {**embed, "url": notice.link} if notice.link else embed


CHANNEL: Final = Channel("discord", "A channel of Discord, by its webhook.", (
    Field("url", "The webhook's address.", secret=True, kind="url"),
), say, groups=True)
