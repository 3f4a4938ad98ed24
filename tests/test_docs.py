"""What the code offers is documented, and what the documents name exists.

Reference pages are made from the code's own tables (`scripts/build_reference.py`); here they must be
fresh. Prose is checked for what a machine can check: links, files, commands, tests it points to.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from scripts import build_reference
from tallystick.providers import PROVIDERS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tallystick"
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changelog.d").glob("*.md"), *(ROOT / "bench").glob("*.md")])
IDS = [path.relative_to(ROOT).as_posix() for path in DOCS]


def text_of(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", build_reference.PAGES)
def test_the_reference_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == build_reference.PAGES[name](), "run `make reference`"


def test_every_refusal_has_a_documented_code() -> None:
    """Every `Denied(code, …)` in the source stands in the page of errors."""
    documented = set(re.findall(r"^\| `([a-z_]+)`", text_of("docs", "reference", "errors.md"), re.MULTILINE))
    assert build_reference.refusal_codes() - documented == set()


def test_every_gauge_is_described() -> None:
    """Counters and histograms are in the reference; gauges are named where the parts are connected."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    gauges = set(re.findall(r'gauges\["(\w+)"\]', code))
    assert gauges
    assert {name for name in gauges if f"`{name}`" not in text_of("docs", "operations.md")} == set()


def test_the_readme_names_every_provider() -> None:
    readme = " ".join(text_of("README.md").split())
    assert [provider.name for provider in PROVIDERS if provider.name not in readme] == []


# Chosen by name at run time, or there as data: no import shows them.
NOT_IMPORTED = {"tzdata", "uvloop"}
IMPORTED_AS = {"argon2-cffi": "argon2"}


def test_every_package_we_stand_on_has_its_reason_and_its_use() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    names = {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in project["dependencies"]}
    at_run_time = text_of("docs", "adr", "0006-dependencies.md").partition("## In tests only")[0]
    reasons = {name for row in re.findall(r"^\| ([a-z][^|]*?) \|", at_run_time, re.MULTILINE) for name in re.sub(r"\(.*\)", "", row).strip().split(", ")}
    assert names == reasons - {"package"}
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    modules = {name: IMPORTED_AS.get(name, name.replace("-", "_")) for name in names - NOT_IMPORTED}
    unused = {name for name, module in modules.items() if not re.search(rf"^\s*(?:import|from) {module}\b", code, re.MULTILINE)}
    assert unused == set()


@pytest.mark.parametrize("page", DOCS, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)
    assert dead == []


def anchors(page: Path) -> set[str]:
    """The anchors a page's headings get: lower case, spaces to dashes, other marks dropped."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


PATH = re.compile(r"`((?:src|tests|docs|scripts|bench|requirements|changelog\.d)/[\w./-]*\w)(?:::(\w+))?`")


@pytest.mark.parametrize("page", DOCS, ids=IDS)
def test_files_and_tests_that_a_page_names_exist(page: Path) -> None:
    missing = []
    for name, test in PATH.findall(page.read_text(encoding="utf-8")):
        file = ROOT / name
        if not file.exists() or (test and test not in functions(file)):
            missing.append(f"{name}::{test}" if test else name)
    assert missing == []


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("page", DOCS, ids=IDS)
def test_commands_that_a_page_shows_exist(page: Path) -> None:
    """`tallystick verify` in a code block or in backticks is a command of the CLI; words in < > or in
    capitals, options and what follows a `#` aside."""
    known = set(build_reference.command_names())
    groups = {name.split()[0] for name in known if " " in name}
    shown = re.findall(r"(?:^ {4,}\$? ?|`)tallystick ((?:[a-z]+)(?: [a-z]+(?:-[a-z]+)*)?)", page.read_text(encoding="utf-8"), re.MULTILINE)
    unknown = {words for words in shown if words not in known and words.split()[0] not in known - groups}
    assert unknown - groups == set()


def test_every_field_of_a_calls_document_is_described() -> None:
    """The API's document names are literals in one module; each stands in the table of the page."""
    tree = ast.parse((SOURCE / "control" / "call_document.py").read_text(encoding="utf-8"))
    shapes = {"call_document", "refusal_document", "_head", "_money", "_booked"}
    names = {
        key.value
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name in shapes
        for node in function.body
        for literal in ast.walk(node)
        if isinstance(literal, ast.Dict)
        for key in literal.keys
        if isinstance(key, ast.Constant)
    }
    nested = {"key_id", "tags", "dimensions", "claimed"}
    assert names - nested == set(build_reference.CALL_FIELDS)


THREATS = 30


def test_each_threat_has_a_test_or_says_that_it_is_for_later() -> None:
    """The names of the tests are checked with those of every page (above)."""
    section = text_of("docs", "security.md").partition("## Threats")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", section, re.MULTILINE))
    assert [int(number) for number in rows] == list(range(1, THREATS + 1))
    assert [number for number, shown in rows.items() if "::test_" not in shown and "later: " not in shown] == []
