"""A browser over a running gateway: Debian's Chromium, driven by Playwright, on the console as it was built.

Without Chromium, or without a built console, these tests are skipped and say what is missing. Every page of every test is
watched: a script that fails, or anything that the Content-Security-Policy had to stop, fails the test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tallystick.console import UI
from tests.build.gateway import ADMIN, RunningGateway
from tests.mini_upstream import MiniUpstream

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
PATIENCE_MS = 20_000
LAPTOP, PHONE = {"width": 1360, "height": 860}, {"width": 390, "height": 844}
# A browser logs the status of every answer that is no success; what the API refuses is no fault of a page.
_ANSWERED = "Failed to load resource"


@dataclass
class Person:
    """Somebody in front of the console: a browser of their own, signed in or not."""

    page: Page
    gateway: RunningGateway
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Keep what goes wrong in the page."""
        def said(message: ConsoleMessage) -> None:
            if message.type == "error" and not message.text.startswith(_ANSWERED):
                self.faults.append(message.text)

        self.page.on("console", said)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def go(self, path: str) -> None:
        """Open an address of the console."""
        self.page.goto(self.gateway.url + path)

    def sign_in(self, email: str = ADMIN[0], password: str = ADMIN[1]) -> None:
        """At the form for it."""
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password", exact=False).first.fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def at(self, title: str) -> None:
        """Wait until the screen of that name is there, and what it shows has come."""
        self.page.get_by_role("heading", name=title, level=1, exact=True).wait_for()
        self.page.wait_for_function("() => !document.querySelector('[aria-label=Loading]')")

    def nanos(self, selector: str) -> list[int]:
        """The exact amounts behind the figures there."""
        return [int(found.get_attribute("data-nanos") or "") for found in self.page.locator(f"{selector} [data-nanos]").all()]

    def barriers(self) -> list[str]:
        """What axe finds: rule, and where."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}" for one in found["violations"] for node in one["nodes"]]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. While it is there an event loop runs in this thread, so it does not outlive the module: asynchronous tests
    of other modules need their own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    if not (UI / "index.html").is_file():
        pytest.skip("the console is not built: make console")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with MiniUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(chromium: Browser, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("console"), upstream=provider.url) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Make somebody a browser: `visit(gateway)`, `visit(gateway, viewport=PHONE, color_scheme="dark")`."""
    contexts: list[BrowserContext] = []
    people: list[Person] = []

    def open_one(gateway: RunningGateway, **how: Any) -> Person:
        context = chromium.new_context(**{"viewport": LAPTOP, "reduced_motion": "reduce", "permissions": ["clipboard-read", "clipboard-write"], **how})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        person = Person(context.new_page(), gateway)
        person.watch()
        people.append(person)
        return person

    yield open_one
    for context in contexts:
        context.close()
    assert [fault for person in people for fault in person.faults] == []


@pytest.fixture(scope="module")
def session(chromium: Browser, gateway: RunningGateway) -> Any:
    """What the first admin's browser keeps after signing in."""
    context = chromium.new_context()
    person = Person(context.new_page(), gateway)
    person.go("/")
    person.sign_in()
    person.at("Overview")
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def owner(visit: Callable[..., Person], gateway: RunningGateway, session: Any) -> Person:
    """The first admin, signed in on a laptop."""
    person = visit(gateway, storage_state=session)
    person.go("/")
    person.at("Overview")
    return person
