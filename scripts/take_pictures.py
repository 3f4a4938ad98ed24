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
LAPTOP: Final = {"width": 1200, "height": 800}
PHONE: Final = {"width": 390, "height": 760}


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
    page = signed_in(browser, url, password, viewport=LAPTOP, color_scheme="light")
    page.locator(".recharts-bar-rectangle").first.wait_for()
    page.screenshot(path=FOLDER / "overview.png")
    page = signed_in(browser, url, password, viewport=LAPTOP, color_scheme="dark")
    page.goto(f"{url}/requests?kind=calls")
    page.locator("table.book tbody a").first.click()
    page.locator("[data-sum]").wait_for()
    page.screenshot(path=FOLDER / "request.png")
    page = signed_in(browser, url, password, viewport=PHONE, color_scheme="light")
    page.locator(".recharts-bar-rectangle").first.wait_for()
    page.screenshot(path=FOLDER / "phone.png")


def signed_in(browser: Browser, url: str, password: str, **how: object) -> Page:
    page = browser.new_context(**how).new_page()                  # type: ignore[arg-type]
    page.goto(url)
    page.get_by_label("E-mail").fill("admin@local")
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.locator(".figures").first.wait_for()
    page.wait_for_function("() => !document.querySelector('[aria-label=Loading]')")
    return page


if __name__ == "__main__":
    main()
