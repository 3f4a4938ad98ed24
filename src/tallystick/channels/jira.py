"""Jira: one ticket for a thread, commented on when there is more to say, closed when it is over (REST API v2, whose texts
are plain; Cloud has lost its old search and answers under `3/search/jql`, Data Center only knows `2/search`).

Before a ticket is made it is looked for by a label that names the thread, so that a crash between making and remembering
makes no second one. It is closed by the first transition that leads to a status of the category `done`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Generator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlencode

from tallystick.channels.channel import Channel, Field, Notice, Outcome, Reply, Request, Talk, Target, judged, posted, shortened

CLOUD: Final = "cloud"
SERVER: Final = "server"


def say(notices: Sequence[Notice], target: Target) -> Talk:
    """Make, comment or close the ticket."""
    [notice] = notices
    ticket = target.ticket
    if ticket is None:
        found = yield from _find(notice, target)
        if isinstance(found, Outcome):
            return found
        ticket = found
    if ticket is None:
        if notice.event in ("eased", "resolved"):
            return Outcome("sent", said="there is no ticket to close")
        return (yield from _make(notice, target))
    told = judged((yield _post(target, f"/rest/api/2/issue/{quote(ticket)}/comment", {"body": _words(notice)})))
    if told.result != "sent" or notice.event != "resolved":
        return replace(told, ticket=ticket)
    return replace((yield from _close(ticket, target)), ticket=ticket)


def _find(notice: Notice, target: Target) -> Generator[Request, Reply, Outcome | str | None]:
    """The thread's open ticket, None where there is none."""
    jql = f'project = "{target.values["project"]}" AND labels = "{label_of(notice)}" AND statusCategory != Done ORDER BY created'
    search = "/rest/api/2/search" if target.values["deployment"] == SERVER else "/rest/api/3/search/jql"
    reply = yield Request("GET", _url(target, f"{search}?{urlencode({'jql': jql, 'fields': 'key', 'maxResults': 1})}"), _headers(target))
    outcome = judged(reply)
    if outcome.result != "sent":
        return outcome
    issues = _read(reply).get("issues") or []
    return str(issues[0]["key"]) if issues else None


def _make(notice: Notice, target: Target) -> Generator[Request, Reply, Outcome]:
    values = target.values
    reply = yield _post(target, "/rest/api/2/issue", {"fields": {
        "project": {"key": values["project"]}, "issuetype": {"name": values["issue_type"]},
        "summary": shortened(" ".join(notice.title.split()), 250), "description": _words(notice),
        "labels": ["tallystick", label_of(notice)]}})
    outcome = judged(reply)
    key = _read(reply).get("key") if outcome.result == "sent" else None
    return replace(outcome, ticket=str(key)) if key else outcome


def _close(ticket: str, target: Target) -> Generator[Request, Reply, Outcome]:
    path = f"/rest/api/2/issue/{quote(ticket)}/transitions"
    reply = yield Request("GET", _url(target, path), _headers(target))
    outcome = judged(reply)
    if outcome.result != "sent":
        return outcome
    for transition in _read(reply).get("transitions") or []:
        if ((transition.get("to") or {}).get("statusCategory") or {}).get("key") == "done":
            return judged((yield _post(target, path, {"transition": {"id": transition["id"]}})))
    reply = yield Request("GET", _url(target, f"/rest/api/2/issue/{quote(ticket)}?fields=status"), _headers(target))
    status = ((_read(reply).get("fields") or {}).get("status") or {}).get("statusCategory") or {}
    if status.get("key") == "done":
        return Outcome("sent", reply.status, "somebody had closed it")
    return Outcome("refused", reply.status, "the ticket's workflow has no transition to a status that is done")


def label_of(notice: Notice) -> str:
    """The label by which a thread's ticket is found."""
    return "tallystick-" + sha256(f"{notice.organization}\n{notice.thread}".encode()).hexdigest()[:24]


def _words(notice: Notice) -> str:
    lines = [notice.headline, "", notice.body, "", f"{notice.severity} · {notice.organization} · {notice.at}"]
    return "\n".join([*lines, notice.link] if notice.link else lines)


def _post(target: Target, path: str, document: Any) -> Request:
    return posted(_url(target, path), document, *_headers(target))


def _url(target: Target, path: str) -> str:
    return target.values["url"].rstrip("/") + path


def _headers(target: Target) -> tuple[tuple[str, str], ...]:
    """Cloud: account and API token; Data Center: a personal access token alone."""
    account, token = target.values["account"], target.values["token"]
    said = "Basic " + b64encode(f"{account}:{token}".encode()).decode() if account else f"Bearer {token}"
    return (("Authorization", said), ("Accept", "application/json"))


def _read(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


CHANNEL: Final = Channel("jira", "A project of Jira: one ticket for each budget and window, key or model.", (
    Field("url", "The site, https://example.atlassian.net", kind="url"),
    Field("project", "The project's key.", kind="word"),
    Field("issue_type", "The type of its tickets.", required=False, default="Task"),
    Field("deployment", "`cloud`, or `server` for Data Center.", required=False, kind="word", default=CLOUD),
    Field("account", "Cloud: the account's mail address; without one the token is a personal access token.", required=False),
    Field("token", "API token, or personal access token.", secret=True),
), say)
