"""Names that are markup, in every field that somebody fills in (books.md §4, threat 19; S19): written by people, by programs and
by callers, then looked at on every screen and in every file. Nothing runs, nothing becomes an element, and what was written
is shown as it was written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.browser.conftest import Person
from tests.build import chat
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream

MARKUP = '"><img class=ran src=x onerror=alert(1)>'
FORMULA = "=HYPERLINK(A1)"
SAID = ("user", "agent", "environment", "cost-center", "session", "prompt-key", "prompt-version")       # by a caller
END = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Hand:
    """Writes into fields through the API as the first admin, and counts them."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.fields = 0
        self._api = httpx.Client(base_url=gateway.url, timeout=PATIENCE_S)
        token = self._api.post("/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}).raise_for_status().json()
        self._api.headers["authorization"] = f"Bearer {token['access_token']}"

    def write(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._api.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        self.fields += sum(MARKUP in str(value) for value in (body or {}).values())
        return dict(answer.json()) if answer.content else {}

    def file(self, path: str, **asked: str) -> str:
        return self._api.get(path, params=asked).raise_for_status().text


def write_everywhere(hand: Hand, gateway: RunningGateway, provider: MiniUpstream) -> list[str]:
    """Fill in whatever there is; the paths of what has a page of its own."""
    hand.write("PATCH", "/api/organization", {"name": MARKUP})
    hand.write("PATCH", "/api/auth/me", {"name": MARKUP})
    for team in (MARKUP, FORMULA):
        hand.write("POST", "/api/teams", {"name": team})
    hand.write("POST", "/api/projects", {"team": MARKUP, "name": MARKUP})
    key = hand.write("POST", "/api/keys", {"team": MARKUP, "project": MARKUP, "name": MARKUP})
    said = {f"x-tallystick-{name}": MARKUP for name in SAID} | {
        "x-tallystick-tags": quote(MARKUP, safe=""), "x-tallystick-dimension-feature": MARKUP}
    calls = ((key, chat.MODEL), (hand.write("POST", "/api/keys", {"team": FORMULA}), chat.MODEL), (key, MARKUP))
    for number, (made, model) in enumerate(calls):
        provider.expect("POST", chat.PATH, chat.answers(number)[0])
        called = httpx.post(gateway.url + chat.PATH, json=chat.asked(model=model), headers=chat.headers(made["key"]) | said, timeout=PATIENCE_S)
        assert called.status_code == 200, called.text
    hand.fields += len(said) + 1
    budget = hand.write("POST", "/api/budgets", {"scope": "team", "value": MARKUP, "limit": "$1/month", "name": MARKUP})
    hand.write("POST", f"/api/budgets/{budget['id']}/raises", {"by": "$1", "until": END, "reason": MARKUP})
    envelope = hand.write("POST", "/api/envelopes", {"scope": "team", "value": MARKUP, "amount": "5", "ends_at": END, "purpose": MARKUP,
                                                     "evidence": MARKUP})
    policy = hand.write("POST", "/api/policies", {"kind": "model_access", "on": f"team:{MARKUP}", "name": MARKUP,
                                                  "parameters": {"allow_models": [MARKUP, "gpt-4o*"]}})
    hand.write("POST", "/api/policies/bypasses", {"on": f"team:{MARKUP}", "reason": MARKUP, "until": END})
    hand.write("POST", "/api/alerts/mutes", {"until": END, "reason": MARKUP, "kind": "run_rate"})
    hand.write("POST", "/api/prices/overrides", {"kind": "percent", "provider": "*", "unit": "all", "value": "-5", "note": MARKUP})
    for version in ("1", "2"):
        hand.write("POST", "/api/prompts/versions", {"prompt_key": MARKUP, "version": version, "note": MARKUP})
    hand.write("POST", "/api/library", {"prompt_key": MARKUP, "version": "1", "owner": MARKUP, "purpose": MARKUP})
    hand.write("PUT", "/api/retention/hold", {"reason": MARKUP})
    hand.write("POST", "/api/tokens", {"scopes": ["read"], "name": MARKUP})
    hand.write("POST", "/api/views", {"screen": "explore", "name": MARKUP, "state": f"group=team&filter={MARKUP}", "shared": True})
    hand.write("PUT", "/api/dimensions", {"name": "dimension:feature", "description": MARKUP})
    call = gateway.calls(3)[0]["id"]
    own = quote(MARKUP, safe="")
    return [f"teams/{own}", f"projects/{own}/{own}", f"users/{own}", f"agents/{own}", f"prompts/{own}", f"requests/{call}",
            f"budgets/{budget['id']}", f"envelopes/{envelope['id']}", f"policies/{policy['id']}", "dimensions/dimension:feature",
            f"requests?team={own}", f"explore?group=team&group2=user&team={own}"]


LISTS = ("overview", "explore?group=team", "explore?group=prompt", "explore?group=tag", "live", "requests", "keys", "budgets", "envelopes",
         "policies", "policies/bench", "stop", "alerts", "audit", "providers", "prices", "exports", "prompts", "prompts/builder", "library",
         "teams", "projects", "users", "agents", "dimensions", "settings", "settings/account", "settings/tokens", "settings/members",
         "settings/organization", "help")


@pytest.fixture(scope="module")
def pages(gateway: RunningGateway, provider: MiniUpstream) -> list[str]:
    hand = Hand(gateway)
    found = write_everywhere(hand, gateway, provider)
    assert hand.fields >= 30
    return found


def test_markup_is_shown_and_never_runs(owner: Person, pages: list[str]) -> None:
    """What a page had to stop by its policy would fail the test too: see `Person.watch`."""
    page, shown = owner.page, []
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    for screen in (*LISTS, *pages):
        owner.go(f"/o/default/{screen}")
        page.get_by_role("heading", level=1).first.wait_for()
        page.wait_for_function("() => !document.querySelector('[aria-label=Loading]')")
        assert page.locator("img.ran, [onerror]").count() == 0, screen
        if "<img class=ran" in page.locator("body").inner_text():
            shown.append(screen)
    assert len(shown) > len(pages) + 10, shown


def test_a_link_that_says_it_leads_to_a_screen_leads_nowhere_else(visit: Callable[..., Person], gateway: RunningGateway) -> None:
    for where in ("https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"):
        somebody = visit(gateway)
        somebody.go(f"/login?next={quote(where, safe='')}")
        somebody.sign_in()
        somebody.at("Overview")
        assert somebody.page.url.startswith(gateway.url), where


@pytest.mark.parametrize(("path", "asked", "column"), [
    ("/api/explore/rows.csv", {"group": "team"}, "team"), ("/api/exports/calls.csv", {}, "team")])
def test_no_cell_of_a_file_is_a_formula(gateway: RunningGateway, pages: list[str], path: str, asked: dict[str, str], column: str) -> None:
    lines = list(csv.DictReader(io.StringIO(Hand(gateway).file(path, **asked).lstrip("\ufeff"))))
    assert {f"'{FORMULA}", MARKUP} <= {line[column] for line in lines}
