"""The Prompt Builder through the browser, on a running gateway: what it shows runs as it stands, its estimate is the price book's, and
code that is imported comes back going through this very gateway.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.browser.conftest import AXE, PHONE, Person
from tests.build.gateway import PATIENCE_S, RunningGateway

FORM = "model=gpt-4o-mini&max_tokens=400&prompt_key=support%2Fsummary&version=7&tags=beta"
KEY = "sk-proj-" + "A1b2" * 8
CODE = f"""from openai import OpenAI

client = OpenAI(api_key="{KEY}")  # ours
reply = client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "Say hello"}}])
print(reply.choices[0].message.content)
"""


def ran(words: list[str], code: str, folder: Path, **environment: str) -> None:
    (folder / "call").write_text(code, encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_PROXY": "127.0.0.1", "HTTPS_PROXY": "http://127.0.0.1:9", **environment}
    done = subprocess.run([*words, "call"], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S * 2, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("client", "words"), [("OpenAI, Python: Chat completions", [sys.executable]), ("curl: OpenAI", ["sh", "-eu"])])
def test_the_code_runs_as_it_stands(gateway: RunningGateway, owner: Person, tmp_path: Path, client: str, words: list[str]) -> None:
    page = owner.page
    before = len(gateway.calls(kind="sandbox"))
    owner.go(f"/prompts/builder?{FORM}")
    owner.at("Prompt Builder")
    page.get_by_label("Key", exact=True).fill(gateway.key(team="search"))
    page.get_by_role("combobox", name="Client").click()
    page.get_by_role("option", name=client, exact=True).click()
    assert "tsk_" not in page.url
    page.get_by_role("button", name="Copy the code").click()
    ran(words, page.evaluate("() => navigator.clipboard.readText()"), tmp_path)
    call = gateway.calls(before + 1, kind="sandbox")[0]
    booked = gateway.call(call["id"])
    assert (booked["attribution"]["prompt_key"], booked["attribution"]["prompt_version"]) == ("support/summary", "7")
    assert booked["attribution"]["tags"] == [["beta", ""]]


def test_the_form_is_the_address_and_the_estimate_the_price_books(gateway: RunningGateway, owner: Person) -> None:
    page = owner.page
    owner.go("/prompts/builder")
    owner.at("Prompt Builder")
    page.get_by_role("textbox", name="Model").or_(page.get_by_role("combobox", name="Model")).fill("gpt-4o-mini")
    page.get_by_label("Most output tokens").fill("400")
    page.get_by_label("Prompt", exact=True).fill("Say hello to everybody")
    page.wait_for_url("**max_tokens=400**")
    size = len('{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello to everybody"}]}')
    said = gateway.api(f"/api/prompts/estimate?provider=openai&model=gpt-4o-mini&input_bytes={size}&max_tokens=400")
    page.locator(f"[data-estimate='{said['cost_nanos']}']").wait_for()
    assert said["cost_nanos"] == said["input_tokens"] * 150 + 400 * 600
    page.reload()
    owner.at("Prompt Builder")
    assert page.get_by_label("Prompt", exact=True).input_value() == "Say hello to everybody"
    page.locator(f"[data-estimate='{said['cost_nanos']}']").wait_for()
    page.get_by_role("textbox", name="Model").or_(page.get_by_role("combobox", name="Model")).fill("mine-7b")
    page.get_by_text("No price is known for").wait_for()


def test_code_is_imported_and_goes_through_this_gateway(gateway: RunningGateway, owner: Person, tmp_path: Path) -> None:
    page = owner.page
    before = len(gateway.calls(kind="sandbox"))
    owner.go(f"/prompts/builder?{FORM}")
    owner.at("Prompt Builder")
    page.get_by_role("button", name="Import code").click()
    page.get_by_role("textbox", name="Code", exact=True).fill(CODE)
    page.get_by_role("button", name="Rewrite").click()
    notes = page.get_by_role("list", name="What was done")
    notes.wait_for()
    assert "A provider's key stood in the code" in notes.inner_text()
    gone, new = page.locator(".diff .gone").all_inner_texts(), page.locator(".diff .new").all_inner_texts()
    assert len(gone) == 1
    assert any(f"base_url=\"{gateway.url}/v1\"" in line for line in new)
    page.get_by_role("button", name="Copy the new code").click()
    code = page.evaluate("() => navigator.clipboard.readText()")
    assert KEY not in code
    assert "# ours" in code
    ran([sys.executable], code.replace('default_headers={', 'default_headers={"X-Tallystick-Sandbox": "true", '), tmp_path,
        TALLYSTICK_KEY=gateway.key(team="search"))
    call = gateway.call(gateway.calls(before + 1, kind="sandbox")[0]["id"])
    assert (call["attribution"]["prompt_key"], call["attribution"]["tags"]) == ("support/summary", [["beta", ""]])
    page.get_by_role("button", name="Other code").click()
    page.get_by_role("textbox", name="Code", exact=True).fill("print('hello')")
    page.get_by_role("button", name="Rewrite").click()
    page.get_by_text("Nothing in it calls OpenAI or Anthropic").wait_for()


PAGES = (f"prompts/builder?{FORM}", "prompts/builder?import=true", f"prompts/builder?provider=anthropic&text={quote('Hello')}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="axe is not installed: make console")
def test_nothing_stands_in_anybodys_way(gateway: RunningGateway, session: object, visit: Callable[..., Person], scheme: str) -> None:
    somebody = visit(gateway, color_scheme=scheme, storage_state=session)
    found = {}
    for path in PAGES:
        somebody.go(f"/o/default/{path}")
        somebody.at("Prompt Builder")
        found[path] = somebody.barriers()
    somebody.go("/o/default/prompts/builder?import=true")
    somebody.page.get_by_role("textbox", name="Code", exact=True).fill(CODE)
    somebody.page.get_by_role("button", name="Rewrite").click()
    somebody.page.get_by_role("list", name="What was done").wait_for()
    found["what was imported"] = somebody.barriers()
    assert {path: barriers for path, barriers in found.items() if barriers} == {}


def test_a_phone_shows_it_without_scrolling_sideways(gateway: RunningGateway, session: object, visit: Callable[..., Person]) -> None:
    somebody = visit(gateway, viewport=PHONE, has_touch=True, is_mobile=True, storage_state=session)
    for path in PAGES:
        somebody.go(f"/o/default/{path}")
        somebody.at("Prompt Builder")
        assert somebody.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], path
