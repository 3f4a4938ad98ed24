"""How much a browser loads before it shows something: little, and of a screen only when somebody goes there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.console import UI

FIRST_LOAD_BYTES_MAX = 320_000
SCREENS = ("Forgot", "Reset", "Invite", "Welcome", "Account", "Tokens", "Members", "Invitations", "Organization", "Retention",
           "SignIn", "Setup", "Overview", "Explore", "Live", "Requests", "Request", "Keys", "Key", "Budgets", "Budget", "Alerts", "Alert", "Channels",
           "Exports", "Prompts", "Prompt", "Builder", "Library", "Policies", "Policy", "PolicyEditor", "PolicyBench", "Stop", "Envelopes", "Envelope",
           "Audit", "Entry", "Providers", "Provider", "Prices", "PriceModel", "Help",
           "Spenders", "Spender", "Dimensions", "Dimension")

pytestmark = pytest.mark.skipif(not (UI / "manifest.json").is_file(), reason="the console is not built: `make console`")


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return dict(json.loads((UI / "manifest.json").read_text(encoding="utf-8")))


def scripts(manifest: dict[str, Any], chunk: str) -> set[str]:
    """The script of a chunk and of all that it cannot run without."""
    found: set[str] = set()
    pending = [chunk]
    while pending:
        here = manifest[pending.pop()]
        if here["file"] not in found:
            found.add(here["file"])
            pending += here.get("imports", ())
    return found


def packed_bytes(files: set[str]) -> int:
    return sum((UI / f"{file}.gz").stat().st_size for file in files)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_loads_little_and_only_what_is_its_own(manifest: dict[str, Any], screen: str) -> None:
    """The page, the shell and this screen: charts come after it, and no other screen's chunk does."""
    entry = manifest["index.html"]
    name = f"src/screens/{screen}.tsx"
    assert name in entry["dynamicImports"]
    files = scripts(manifest, "index.html") | scripts(manifest, name)
    others = {manifest[f"src/screens/{other}.tsx"]["file"] for other in SCREENS if other != screen}
    assert scripts(manifest, name) & others == set()
    assert packed_bytes(files) <= FIRST_LOAD_BYTES_MAX


def test_nothing_is_named_twice_and_everything_is_packed(manifest: dict[str, Any]) -> None:
    files = {path.relative_to(UI).as_posix() for path in (UI / "assets").iterdir()}
    plain = {name for name in files if not name.endswith(".gz")}
    assert {chunk["file"] for chunk in manifest.values()} <= plain
    assert {f"{name}.gz" for name in plain} == files - plain
