"""The services that alerts go out by, one file each: which settings it needs, and what is said to it, as a generator of
requests. Pure: `jobs/alerts.py` performs them, retries and keeps the log. A channel is one name in this list.
"""

from __future__ import annotations

from typing import Final

from tallystick.channels import discord, email, jira, pagerduty, slack, teams, webhook
from tallystick.channels.channel import Channel

CHANNELS: Final[tuple[Channel, ...]] = (
    webhook.CHANNEL, slack.CHANNEL, teams.CHANNEL, discord.CHANNEL, email.CHANNEL, pagerduty.CHANNEL, jira.CHANNEL)


def channel_of(kind: str) -> Channel | None:
    """A channel by its name."""
    return next((channel for channel in CHANNELS if channel.kind == kind), None)
