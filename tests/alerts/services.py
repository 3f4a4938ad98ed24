"""The services that channels speak to, as far as alerts need them: they take, refuse and remember as the real ones say
they do, and can be told to be busy or broken for a number of requests."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Mapping[str, str], Any]


def _words(status: int, word: str) -> Answer:
    return status, {"Content-Type": "text/plain"}, word


class Service:
    """A service on loopback. `busy`: answers to give first, before it does its work."""

    def __init__(self) -> None:
        self.busy: list[Answer] = []
        self.requests = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                service.requests += 1
                status, headers, said = service.busy.pop(0) if service.busy else service.answer(
                    self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                raw = said.encode() if isinstance(said, str) else json.dumps(said).encode() if said is not None else b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        raise NotImplementedError


class Slack(Service):
    """Incoming webhooks: `ok`, or a 4xx with a word."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if path != "/services/T0/B0/good":
            return _words(403, "invalid_token") if path.startswith("/services/T0/B0/") else _words(404, "no_service")
        try:
            message = json.loads(body)
        except ValueError:
            return _words(400, "invalid_payload")
        if not message.get("text"):
            return _words(400, "no_text")
        blocks = message.get("blocks", [])
        sections = [block["text"]["text"] for block in blocks if block["type"] == "section"]
        if len(blocks) > 50 or any(not 1 <= len(text) <= 3_000 for text in sections):
            return _words(400, "invalid_blocks")
        self.messages.append(message)
        return _words(200, "ok")


class Teams(Service):
    """A Workflows flow with the trigger "when a Teams webhook request is received": 202 and nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if parse_qs(urlsplit(path).query).get("sig") != ["good"]:
            return 401, {}, {"error": {"code": "DirectApiInvalidAuthorizationScheme", "message": "The authentication signature is not valid."}}
        try:
            message = json.loads(body)
            [attachment] = message["attachments"]
            card = attachment["content"]
            fits = (message["type"] == "message" and attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
                    and card["type"] == "AdaptiveCard" and card["version"] in ("1.0", "1.2", "1.4", "1.5") and card["body"])
        except (ValueError, KeyError, TypeError):
            fits = False
        if not fits or len(body) > 28 * 1024:
            return 400, {}, {"error": {"code": "TriggerInputSchemaMismatch", "message": "The input body does not match the schema."}}
        self.cards.append(card)
        return 202, {}, None


class Discord(Service):
    """Execute Webhook: 204; 10 embeds of 6,000 characters together."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if path != "/api/webhooks/1/good":
            return 404, {}, {"message": "Unknown Webhook", "code": 10015}
        message = json.loads(body)
        embeds = message.get("embeds", [])
        characters = sum(len(embed["title"]) + len(embed["description"]) + len(embed["footer"]["text"]) for embed in embeds)
        if len(embeds) > 10 or characters > 6_000 or len(message.get("content", "")) > 2_000:
            return 400, {}, {"message": "Invalid Form Body", "code": 50035}
        self.messages.append(message)
        return 204, {}, None


class PagerDuty(Service):
    """Events API v2: an incident for each dedup key, until it is resolved."""

    KEY = "0123456789abcdef0123456789abcdef"

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, list[str]] = {}
        self.closed: list[str] = []

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        event = json.loads(body)
        faults = []
        if len(event.get("routing_key", "")) != 32:
            faults.append("Length of 'routing_key' is incorrect (should be 32 characters)")
        if event.get("event_action") == "trigger":
            payload = event.get("payload", {})
            faults += [f"'payload.{name}' is missing or blank" for name in ("summary", "source", "severity") if not payload.get(name)]
            if len(payload.get("summary", "")) > 1_024 or payload.get("severity") not in ("critical", "error", "warning", "info"):
                faults.append("'payload' is invalid")
        if faults or path != "/v2/enqueue":
            return 400, {}, {"status": "invalid event", "message": "Event object is invalid", "errors": faults}
        key = event["dedup_key"]
        if event["event_action"] == "trigger":
            self.open.setdefault(key, []).append(event["payload"]["summary"])
        elif self.open.pop(key, None) is not None:
            self.closed.append(key)
        return 202, {}, {"status": "success", "message": "Event processed", "dedup_key": key}


@dataclass
class Ticket:
    fields: dict[str, Any]
    comments: list[str] = field(default_factory=list)
    done: bool = False


class Jira(Service):
    """A project `OPS`. `cloud`: the old search is gone; else there is no version 3."""

    TRANSITIONS = ({"id": "11", "name": "Start", "to": {"name": "In Progress", "statusCategory": {"key": "indeterminate"}}},
                   {"id": "31", "name": "Done", "to": {"name": "Done", "statusCategory": {"key": "done"}}})

    def __init__(self, *, cloud: bool = True) -> None:
        super().__init__()
        self.cloud = cloud
        self.tickets: dict[str, Ticket] = {}

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        good = "Basic " + base64.b64encode(b"bot@example.test:token").decode() if self.cloud else "Bearer token"
        if headers.get("authorization") != good:
            return 401, {}, {"errorMessages": ["You are not authenticated."], "errors": {}}
        parts, asked = urlsplit(path), json.loads(body) if body else {}
        if parts.path == ("/rest/api/3/search/jql" if self.cloud else "/rest/api/2/search"):
            return self._search(parse_qs(parts.query)["jql"][0])
        if parts.path == "/rest/api/2/search":
            return 410, {}, {"errorMessages": ["The requested API has been removed."]}
        if (method, parts.path) == ("POST", "/rest/api/2/issue"):
            return self._create(asked["fields"])
        if found := re.fullmatch(r"/rest/api/2/issue/([A-Z]+-[0-9]+)(?:/(comment|transitions))?", parts.path):
            return self._one(method, self.tickets.get(found[1]), found[2], asked)
        return 404, {}, {"errorMessages": ["dead link"]}

    def _search(self, jql: str) -> Answer:
        found = re.fullmatch(r'project = "(\w+)" AND labels = "([\w-]+)" AND statusCategory != Done ORDER BY created', jql)
        if found is None or found[1] != "OPS":
            return 400, {}, {"errorMessages": ["The value does not exist for the field 'project'."]}
        return 200, {}, {"issues": [{"id": "1", "key": key} for key, ticket in self.tickets.items()
                                    if found[2] in ticket.fields["labels"] and not ticket.done]}

    def _create(self, fields: dict[str, Any]) -> Answer:
        faults = {name: "is required" for name in ("project", "issuetype", "summary") if not fields.get(name)}
        if "\n" in fields.get("summary", "") or len(fields.get("summary", "")) > 255:
            faults["summary"] = "The summary is invalid"
        if any(" " in label for label in fields.get("labels", [])) or not isinstance(fields.get("description"), str):
            faults["labels"] = "is invalid"
        if faults:
            return 400, {}, {"errorMessages": [], "errors": faults}
        key = f"OPS-{len(self.tickets) + 1}"
        self.tickets[key] = Ticket(fields)
        return 201, {}, {"id": "1", "key": key, "self": f"{self.url}/rest/api/2/issue/1"}

    def _one(self, method: str, ticket: Ticket | None, part: str | None, asked: dict[str, Any]) -> Answer:
        if ticket is None:
            return 404, {}, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}
        if part == "comment":
            ticket.comments.append(asked["body"])
            return 201, {}, {"id": "1"}
        if part == "transitions" and method == "GET":
            return 200, {}, {"transitions": [] if ticket.done else list(self.TRANSITIONS)}
        if part == "transitions":
            ticket.done = asked["transition"]["id"] == "31"
            return 204, {}, None
        return 200, {}, {"fields": {"status": {"statusCategory": {"key": "done" if ticket.done else "new"}}}}
