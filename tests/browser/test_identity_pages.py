"""Coming in by an invitation and by the link for a lost password, on a running gateway that can send mail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from playwright.sync_api import Browser

from tests.browser.conftest import PHONE, Person
from tests.browser.test_welcome_screen import focused, tab_to
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway

NEW = "a password of mine"
BARE = {"/": "Overview", "/overview": "Overview", "/explore?group=team": "Explore", "/requests": "Requests", "/admin/llm-proxy": "Live",
        "/keys": "Keys", "/budgets": "Budgets", "/alerts": "Alerts", "/welcome": "Welcome", "/settings/members": "Members",
        "/settings/tokens": "Access tokens", "/settings/invitations": "Invitations", "/settings/organization": "Organisation",
        "/settings/retention": "Retention"}


class PostOffice:
    """A mail server on loopback that keeps what it takes."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self._came = threading.Condition()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        with self._came:
            self.mails.append(envelope.original_content or b"")
            self._came.notify_all()
        return "250 taken"

    def link(self, number: int) -> str:
        """The path of the link in that mail, once it is there."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.mails) > number, PATIENCE_S), "no mail came"
        body = str(message_from_bytes(self.mails[number]).get_payload())
        (line,) = [line for line in body.splitlines() if line.startswith("http")]
        return "/" + line.split("/", 3)[3]


@pytest.fixture(scope="module")
def post() -> PostOffice:
    return PostOffice()


@pytest.fixture(scope="module")
def gateway(chromium: Browser, post: PostOffice, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = (f'[server]\npublic_url = "http://costs.example"\n[alerts.smtp]\nhost = "127.0.0.1"\nport = {port}\n'
              'sender = "books@costs.example"\ntls = "none"\n')
    mail = Controller(post, hostname="127.0.0.1", port=port)
    mail.start()
    with RunningGateway(tmp_path_factory.mktemp("mail"), config=config) as running:
        yield running
    mail.stop()


def test_an_invitation_is_accepted_by_keyboard_once(gateway: RunningGateway, visit: Callable[..., Person]) -> None:
    made = gateway.json("members", "invite", "ana@example.test", "--role", "manager", "--team", "default")
    path = "/invite/" + made["link"].rpartition("/")[2]
    ana = visit(gateway)
    ana.go(path)
    ana.page.get_by_role("heading", name="Join Default").wait_for()
    said = ana.page.inner_text("main")
    assert "ana@example.test is invited as manager of team default" in said
    assert ana.barriers() == []
    assert focused(ana.page) == "name"
    ana.page.keyboard.type("Ana")
    tab_to(ana.page, "password")
    ana.page.keyboard.type(NEW)
    ana.page.keyboard.press("Enter")
    ana.at("Overview")
    assert [member["name"] for member in gateway.api("/api/members")["items"] if member["email"] == "ana@example.test"] == ["Ana"]

    late = visit(gateway, viewport=PHONE)
    for used in (path, "/invite/none"):
        late.go(used)
        late.page.get_by_role("heading", name="opens nothing any more").wait_for()
        late.page.get_by_text("Whoever sent it can send another one").wait_for()
    assert late.barriers() == []
    late.page.get_by_role("link", name="Sign in").click()
    late.sign_in("ana@example.test", NEW)
    late.at("Overview")


def test_a_lost_password_is_set_anew_by_the_mailed_link(gateway: RunningGateway, post: PostOffice, visit: Callable[..., Person]) -> None:
    gateway.run("members", "add", "bo@example.test", "--role", "auditor", "--password-stdin", said="forgotten soon\n")
    bo = visit(gateway)
    page = bo.page
    bo.go("/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_role("heading", name="Lost your password?").wait_for()
    assert bo.barriers() == []
    page.keyboard.type("bo@example.test")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Look into your mail").wait_for()
    path = post.link(0)

    bo.go(path)
    page.get_by_role("heading", name="Set a new password").wait_for()
    assert bo.barriers() == []
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("Once more").fill(NEW + "!")
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("alert").get_by_text("not the same").wait_for()
    page.get_by_label("Once more").fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("heading", name="Your password is changed").wait_for()
    page.get_by_role("link", name="Sign in").click()
    bo.sign_in("bo@example.test", NEW)
    bo.at("Overview")
    bo.go(path)
    page.get_by_role("heading", name="This link opens nothing any more").wait_for()

    # Nobody learns here who has an account.
    page.get_by_role("link", name="Ask for another link").click()
    page.get_by_label("E-mail").fill("nobody@example.test")
    page.get_by_role("button", name="Send the link").click()
    page.get_by_role("heading", name="Look into your mail").wait_for()
    assert len(post.mails) == 1


def test_without_mail_it_is_said_who_helps(chromium: Browser, tmp_path: Path, visit: Callable[..., Person]) -> None:
    with RunningGateway(tmp_path) as gateway:
        somebody = visit(gateway)
        somebody.go(f"/forgot?email={ADMIN[0]}")
        somebody.page.get_by_role("button", name="Send the link").click()
        somebody.page.get_by_role("heading", name="Ask who runs this installation").wait_for()
        assert f"tallystick members reset-password {ADMIN[0]}" in somebody.page.locator(".snippet").inner_text()


def test_signing_in_by_keyboard_leads_to_where_one_wanted_and_bare_addresses_to_ones_organisation(
    gateway: RunningGateway, visit: Callable[..., Person],
) -> None:
    somebody = visit(gateway)
    page = somebody.page
    somebody.go("/settings")
    page.get_by_role("heading", name="Sign in to Tallystick").wait_for()
    assert focused(page) == "email"
    page.keyboard.type(ADMIN[0])
    tab_to(page, "password")
    page.keyboard.type(ADMIN[1])
    page.keyboard.press("Enter")
    somebody.at("My account")
    for bare, title in BARE.items():
        somebody.go(bare)
        somebody.at(title)
        assert page.url.startswith(f"{gateway.url}/o/default/"), bare
