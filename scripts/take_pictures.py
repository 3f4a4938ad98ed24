"""Take the pictures of docs/console.md: the console of a `tallystick demo`, in Debian's Chromium (`python scripts/take_pictures.py`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "pictures"
VIEWPORTS: Final = {"laptop": {"width": 1200, "height": 800}, "phone": {"width": 390, "height": 760}}
PICTURES: Final = (                              # name, address, light or dark, on what
    ("overview", "/overview?range=30d", "light", "laptop"), ("phone", "/overview?range=30d", "light", "phone"),
    ("explore", "/explore?range=90d&group=team", "light", "laptop"), ("prompt", "/prompts/support~2Fanswer?range=90d", "light", "laptop"),
    ("budgets", "/budgets", "light", "laptop"), ("policies", "/policies", "light", "laptop"), ("audit", "/audit", "light", "laptop"),
    ("request", "/requests?kind=calls", "dark", "laptop"),
)


def main() -> None:
    demo = subprocess.Popen([sys.executable, "-m", "tallystick", "demo", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert demo.stdout is not None
        said = ""
        while "Tallystick 0" not in said.rpartition("\n\n")[2]:
            said += demo.stdout.readline()
        url, password = (re.findall(rf"{name} +(\S+)", said)[0] for name in ("Address", "Password"))
        FOLDER.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
            take(browser, url, password)
            browser.close()
    finally:
        demo.terminate()
        demo.wait()


def take(browser: Browser, url: str, password: str) -> None:
    for scheme, viewport in dict.fromkeys((scheme, viewport) for _, _, scheme, viewport in PICTURES):
        page = signed_in(browser, url, password, viewport=VIEWPORTS[viewport], color_scheme=scheme)
        for name, path, its_scheme, its_viewport in PICTURES:
            if (its_scheme, its_viewport) == (scheme, viewport):
                page.goto(url + path)
                settled(page)
                if name == "request":
                    page.locator("table.book tbody a").first.click()
                    page.locator("[data-sum]").wait_for()
                page.screenshot(path=FOLDER / f"{name}.png")


def signed_in(browser: Browser, url: str, password: str, **how: object) -> Page:
    page = browser.new_context(**how).new_page()                  # type: ignore[arg-type]
    page.goto(url)
    page.get_by_label("E-mail").fill("admin@local")
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.locator(".figures").first.wait_for()
    return page


def settled(page: Page) -> None:
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_function("() => !document.querySelector('[aria-label=Loading], [aria-busy=true]')")
    page.wait_for_timeout(1_000)                 # charts draw themselves in


if __name__ == "__main__":
    main()
