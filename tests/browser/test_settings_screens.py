"""The settings at work on a running gateway: a second factor is set up by its QR code's own words, asked for, renewed and
removed; people are invited, changed and let go; tokens open what they name until they are revoked; sessions are ended from
elsewhere; a person of two organisations sees nothing of the one in the other.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Locator

from tallystick.core.secret import Secret
from tallystick.stores.sql.second_factors import STEP_S, code_of
from tests.browser.conftest import PHONE, Person
from tests.build.gateway import ADMIN, PATIENCE_S, RunningGateway

PASSWORD = "a password of theirs"
SCREENS = ("account", "tokens", "members", "invitations", "organization", "retention")


def joined(gateway: RunningGateway, email: str, role: str, *more: str) -> str:
    """A member with a password; their account's id."""
    done = gateway.run("members", "add", email, "--role", role, *more, "--password-stdin", "--json", said=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    return email


@pytest.fixture
def person(gateway: RunningGateway, visit: Callable[..., Person]) -> Callable[..., Person]:
    """Somebody signed in, at a page of the settings."""
    def sign_in(email: str, page: str, title: str, **how: Any) -> Person:
        somebody = visit(gateway, **how)
        somebody.go(f"/settings/{page}")
        somebody.sign_in(email, PASSWORD)
        somebody.at(title)
        return somebody

    return sign_in


def act(person: Person, row: str, what: str) -> None:
    person.page.get_by_role("button", name=f"Actions for {row}").click()
    person.page.get_by_role("menuitem", name=what).click()


def confirmed(person: Person, name: str, verb: str) -> None:
    go = person.page.get_by_role("button", name=verb)
    assert go.is_disabled()
    person.page.get_by_label("to confirm").fill(name)
    go.click()
    person.page.get_by_role("dialog").wait_for(state="hidden")


def code_after(secret: str, before: str = "") -> str:
    """The code of now, once it is another one than that before."""
    deadline = time.monotonic() + STEP_S + PATIENCE_S
    while (code := code_of(Secret(secret), int(time.time()) // STEP_S)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return code


def recovery_codes(part: Locator) -> list[str]:
    shown = part.get_by_role("list", name="Recovery codes")
    shown.wait_for()
    return shown.get_by_role("listitem").all_inner_texts()


def test_a_second_factor_from_its_first_code_to_its_end(gateway: RunningGateway, person: Callable[..., Person]) -> None:
    joined(gateway, "fay@example.test", "auditor")
    fay = person("fay@example.test", "account", "My account")
    page = fay.page
    part = page.locator("section", has=page.get_by_role("heading", name="Second factor"))
    part.get_by_role("button", name="Set up…").click()
    part.get_by_role("textbox", name="Password").fill("a guess")
    part.get_by_role("button", name="Go on").click()
    part.get_by_role("alert").wait_for()
    part.get_by_role("textbox", name="Password").fill(PASSWORD)
    part.get_by_role("button", name="Go on").click()
    part.get_by_role("img", name="QR code").wait_for()
    assert fay.barriers() == []
    secret = part.locator("[data-secret]").inner_text().replace(" ", "")
    uri = part.get_by_role("link", name="Open in an authenticator").get_attribute("href") or ""
    assert parse_qs(urlsplit(uri).query)["secret"] == [secret]
    first = code_after(secret)
    part.get_by_role("textbox", name="Code").fill(first)
    part.get_by_role("button", name="Turn it on").click()
    codes = recovery_codes(part)
    assert len(set(codes)) == 10
    part.get_by_role("button", name="I have stored them").click()
    part.get_by_text("10 of ten recovery codes").wait_for()

    # It is asked for at the next sign-in, and a recovery code stands in for it.
    page.get_by_role("button", name="Account: fay@example.test").click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.get_by_role("heading", name="Sign in to Tallystick").wait_for()
    fay.go("/settings/account")
    fay.sign_in("fay@example.test", PASSWORD)
    page.get_by_label("Code").fill(codes[0])
    page.keyboard.press("Enter")
    fay.at("My account")
    part.get_by_text("9 of ten recovery codes").wait_for()

    part.get_by_role("button", name="New recovery codes…").click()
    part.get_by_role("textbox", name="Password").fill(PASSWORD)
    part.get_by_role("textbox", name="Code").fill(codes[1])
    part.get_by_role("button", name="Make new codes").click()
    renewed = recovery_codes(part)
    assert set(renewed) & set(codes) == set()
    part.get_by_role("button", name="I have stored them").click()
    part.get_by_role("button", name="Remove…").click()
    part.get_by_role("textbox", name="Password").fill(PASSWORD)
    part.get_by_role("textbox", name="Code").fill(renewed[0])
    part.get_by_role("button", name="Remove the second factor").click()
    part.get_by_role("button", name="Set up…").wait_for()


def test_where_everybody_needs_one_nothing_else_opens_before(gateway: RunningGateway, visit: Callable[..., Person]) -> None:
    gateway.json("orgs", "create", "strict", "--name", "Strict")
    gateway.run("members", "add", "gus@example.test", "--role", "owner", "--org", "strict", "--password-stdin", said=PASSWORD + "\n")
    gateway.run("members", "add", "hal@example.test", "--role", "finance", "--org", "strict", "--password-stdin", said=PASSWORD + "\n")
    gus, hal = visit(gateway), visit(gateway, viewport=PHONE)
    gus.go("/settings/organization")
    gus.sign_in("gus@example.test", PASSWORD)
    gus.at("Organisation")
    rule = gus.page.get_by_role("switch", name="Everybody needs a second factor")
    gus.page.get_by_role("link", name="set up yours").wait_for()
    assert rule.is_disabled(), "who asks it of others needs one too, and is told so before"
    gus.page.get_by_role("link", name="set up yours").click()
    gus.at("My account")
    gus.page.get_by_role("button", name="Set up…").click()
    part = gus.page.locator("section", has=gus.page.get_by_role("heading", name="Second factor"))
    part.get_by_role("textbox", name="Password").fill(PASSWORD)
    part.get_by_role("button", name="Go on").click()
    part.get_by_role("textbox", name="Code").fill(code_after(part.locator("[data-secret]").inner_text().replace(" ", "")))
    part.get_by_role("button", name="Turn it on").click()
    part.get_by_role("button", name="I have stored them").click()
    gus.page.get_by_role("link", name="Organisation", exact=True).click()
    gus.at("Organisation")
    rule.click()
    gus.page.get_by_text("Everybody needs a second factor from now on.").wait_for()

    hal.go("/overview")
    hal.sign_in("hal@example.test", PASSWORD)
    hal.page.get_by_role("heading", name="A second factor first").wait_for()
    hal.page.get_by_role("link", name="Set it up").click()
    hal.at("My account")
    part = hal.page.locator("section", has=hal.page.get_by_role("heading", name="Second factor"))
    part.get_by_role("textbox", name="Password").fill(PASSWORD)
    part.get_by_role("button", name="Go on").click()
    part.get_by_role("textbox", name="Code").fill(code_after(part.locator("[data-secret]").inner_text().replace(" ", "")))
    part.get_by_role("button", name="Turn it on").click()
    part.get_by_role("button", name="I have stored them").click()
    hal.page.get_by_role("heading", name="Sessions").wait_for()
    hal.go("/overview")
    hal.at("Overview")


def test_somebody_is_invited_changed_and_let_go(gateway: RunningGateway, owner: Person, visit: Callable[..., Person]) -> None:
    page = owner.page
    page.keyboard.press("g")
    page.keyboard.press("s")
    owner.at("My account")
    page.get_by_role("link", name="Invitations").click()
    owner.at("Invitations")
    page.get_by_role("heading", name="Nobody was invited yet").wait_for()
    assert "tallystick members invite" in page.locator(".snippet").inner_text()
    page.get_by_role("button", name="Invite somebody").click()
    page.get_by_role("textbox", name="E-mail").fill("ida@example.test")
    page.get_by_role("button", name="Invite", exact=True).click()
    link = page.locator("[data-link]").inner_text()
    page.get_by_role("button", name="Done").click()
    page.get_by_text("Waiting").wait_for()

    page.get_by_role("button", name="Invite somebody").click()
    page.get_by_role("textbox", name="E-mail").fill("jon@example.test")
    page.get_by_role("button", name="Invite", exact=True).click()
    withdrawn = page.locator("[data-link]").inner_text()
    page.get_by_role("button", name="Done").click()
    act(owner, "jon@example.test", "Withdraw…")
    confirmed(owner, "jon@example.test", "Withdraw invitation")

    ida = visit(gateway)
    ida.page.goto(withdrawn)
    ida.page.get_by_role("heading", name="opens nothing any more").wait_for()
    ida.page.goto(link)
    ida.page.get_by_label("Your name").fill("Ida")
    ida.page.get_by_label("Choose a password").fill(PASSWORD)
    ida.page.get_by_role("button", name="Join").click()
    ida.at("Overview")

    page.get_by_role("link", name="Members").click()
    owner.at("Members")
    act(owner, "ida@example.test", "Change role…")
    page.get_by_role("combobox", name="Role").click()
    page.get_by_role("option", name="finance").click()
    page.get_by_role("button", name="Change role").click()
    page.get_by_text("ida@example.test is finance from now on.").wait_for()
    ida.go("/settings/account")
    ida.at("My account")
    assert "finance" in ida.page.locator(".facts").inner_text(), "it holds at once"
    # The last owner stays, and it is said before somebody tries.
    page.get_by_role("button", name=f"Actions for {ADMIN[0]}").click()
    page.get_by_text("make somebody else an owner first").wait_for()
    page.keyboard.press("Escape")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(Path(saved.value.path()).read_text(encoding="utf-8").splitlines()))
    assert {row["email"]: row["role"] for row in rows}["ida@example.test"] == "finance"
    assert {row["email"] for row in rows} == {member["email"] for member in gateway.api("/api/members")["items"]}

    act(owner, "ida@example.test", "Remove…")
    confirmed(owner, "ida@example.test", "Remove member")
    ida.go("/overview")
    ida.page.get_by_role("heading", name="Sign in to Tallystick").wait_for()


def test_a_token_opens_what_it_names_until_it_is_revoked(gateway: RunningGateway, person: Callable[..., Person]) -> None:
    joined(gateway, "kim@example.test", "finance")
    kim = person("kim@example.test", "tokens", "Access tokens")
    page = kim.page
    page.get_by_role("button", name="Create the first token").click()
    page.get_by_label("Name").fill("nightly")
    page.get_by_role("radio", name="Only some of it").check()
    page.get_by_role("combobox", name="Scopes").fill("metrics")
    page.get_by_role("option", name="metrics:read").click()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").get_by_role("button", name="Create token").click()
    text = page.locator("[data-token]").inner_text()
    page.get_by_role("button", name="I have stored it").click()

    def answers(path: str) -> int:
        return httpx.get(gateway.url + path, headers={"Authorization": f"Bearer {text}"}, timeout=PATIENCE_S).status_code

    assert (answers("/api/metrics/overview"), answers("/api/requests")) == (200, 403)
    page.reload()
    kim.at("Access tokens")
    assert text not in page.content()
    act(kim, "nightly", "Revoke…")
    confirmed(kim, "nightly", "Revoke token")
    assert answers("/api/metrics/overview") == 401
    page.get_by_role("switch", name="Ended tokens (1)").check()
    page.get_by_text("Revoked", exact=True).wait_for()


def test_other_sessions_end_from_here_and_the_password_changes(gateway: RunningGateway, person: Callable[..., Person]) -> None:
    joined(gateway, "lea@example.test", "auditor")
    here, there = person("lea@example.test", "account", "My account"), person("lea@example.test", "account", "My account")
    here.page.get_by_label("Name", exact=False).first.fill("Lea")
    here.page.get_by_role("button", name="Save name").click()
    here.page.get_by_text("You are called Lea from now on.").wait_for()
    here.page.reload()
    here.at("My account")
    here.page.get_by_role("button", name="End the session of").first.click()
    here.page.get_by_text("That session is over.").wait_for()
    there.page.reload()
    there.page.get_by_role("heading", name="Sign in to Tallystick").wait_for()

    form = here.page.locator("section", has=here.page.get_by_role("heading", name="Password"))
    form.get_by_label("Password now").fill(PASSWORD)
    form.get_by_label("New password").fill("another of theirs")
    form.get_by_label("Once more").fill("another of theirs")
    form.get_by_role("button", name="Change password").click()
    here.page.get_by_text("Your password is changed.").wait_for()
    there.sign_in("lea@example.test", PASSWORD)
    there.page.get_by_role("alert").wait_for()
    there.sign_in("lea@example.test", "another of theirs")
    there.at("My account")


def test_who_belongs_to_two_organisations_sees_one_at_a_time(gateway: RunningGateway, visit: Callable[..., Person]) -> None:
    gateway.json("orgs", "create", "acme", "--name", "Acme")
    for org in ("default", "acme"):
        gateway.run("members", "add", "mia@example.test", "--role", "owner", "--org", org, *(("--password-stdin",) if org == "default" else ()),
                    said=PASSWORD + "\n")
    mia = visit(gateway)
    mia.go("/settings/members")
    mia.sign_in("mia@example.test", PASSWORD)
    mia.at("Members")
    page = mia.page
    page.get_by_text(ADMIN[0]).wait_for()
    page.get_by_role("button", name="Organisation: Default").click()
    page.get_by_role("menuitem", name="Acme").click()
    mia.at("Overview")
    assert "/o/acme/" in page.url
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Members").click()
    mia.at("Members")
    page.get_by_text("mia@example.test").first.wait_for()
    assert ADMIN[0] not in page.inner_text("main"), "nothing of the other one is left in the page"
    # A page that was open follows: it must not show figures of one as the other's.
    other = Person(page.context.new_page(), gateway)
    other.go("/o/acme/overview")
    other.at("Overview")
    page.get_by_role("button", name="Organisation: Acme").click()
    page.get_by_role("menuitem", name="Default").click()
    mia.at("Overview")
    other.page.get_by_role("heading", name="This page is of acme").wait_for()
    page.get_by_role("button", name="Organisation: Default").click()
    page.get_by_role("menuitem", name="Acme").click()
    mia.at("Overview")
    # A link to the other one says whose it is, before anything of it is shown.
    mia.go("/o/default/settings/members")
    page.get_by_role("heading", name="This page is of default").wait_for()


def test_every_page_of_the_settings_is_open_to_everybody_it_is_for(gateway: RunningGateway, person: Callable[..., Person]) -> None:
    joined(gateway, "nia@example.test", "member", "--team", "default")
    gateway.json("members", "invite", "ola@example.test", "--role", "auditor")
    nia = person("nia@example.test", "account", "My account", viewport=PHONE, color_scheme="dark")
    assert nia.page.get_by_role("navigation", name="Settings").get_by_role("link").all_inner_texts() == ["My account", "Access tokens", "Organisation", "Retention"]
    nia.go("/settings/members")
    nia.page.get_by_role("heading", name="This is not open to your role").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_bars_anybody_from_them(
    gateway: RunningGateway, visit: Callable[..., Person], session: Any, screen: str, scheme: str,
) -> None:
    for viewport in ({"width": 1360, "height": 860}, PHONE):
        somebody = visit(gateway, storage_state=session, color_scheme=scheme, viewport=viewport)
        somebody.go(f"/settings/{screen}")
        somebody.page.get_by_role("navigation", name="Settings").wait_for()
        somebody.page.wait_for_function("() => !document.querySelector('[aria-label=Loading]')")
        assert somebody.barriers() == [], (screen, scheme)
        wide = somebody.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, "nothing is wider than the page"
