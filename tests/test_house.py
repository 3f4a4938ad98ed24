"""The form of the code itself: what imports cannot say (import-linter says the rest).

Each rule is one test and names the file and line that broke it. A rule has an exception only where
this file lists it, with the reason.
"""

from __future__ import annotations

import ast
import re
import socket
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_socket

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tallystick"

MODULES = sorted(SOURCE.rglob("*.py"))
PURE = [path for path in MODULES if path.is_relative_to(SOURCE / "core") or path.is_relative_to(SOURCE / "providers") or path.is_relative_to(SOURCE / "exports")]

NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "types", "models", "services"}

# The file that reads the environment. Whoever else needs a value gets it as a value.
READS_ENVIRONMENT = {"config.py"}

# A client's call and a job must end in an outcome whatever breaks; nothing else may swallow a defect.
CATCHES_EVERYTHING = {
    "edge/gateway.py",
    "edge/cycle.py",                         # one request's end of the server: a defect becomes this request's 500 and no other's
    "jobs/runner.py",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def at(path: Path, node: ast.expr | ast.stmt | ast.ExceptHandler) -> str:
    return f"{name_of(path)}:{node.lineno}"


def nodes(paths: list[Path]) -> Iterator[tuple[Path, ast.AST]]:
    for path in paths:
        for node in ast.walk(tree(path)):
            yield path, node


def tracked_files() -> list[Path]:
    """What git would publish: tracked files, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: the published files cannot be listed")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_every_module_says_first_what_it_is_for() -> None:
    silent = [name_of(path) for path in MODULES if not ast.get_docstring(tree(path))]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name_of(path) for path in MODULES if path.stem in NAMELESS or path.parent.name in NAMELESS] == []


def test_no_float_near_money() -> None:
    """core/ has neither float literals nor calls of float(): a rate that passed through one is already wrong."""
    floats = [
        at(path, node)
        for path, node in nodes([path for path in PURE if path.is_relative_to(SOURCE / "core")])
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float")
    ]
    assert floats == []


def test_pure_floors_read_no_clock() -> None:
    """Importing `datetime` is allowed (dates are values); asking it for the time is not."""
    asked = [
        at(path, node)
        for path, node in nodes(PURE)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"now", "utcnow", "today"}
    ]
    assert asked == []


def test_pure_floors_take_of_urllib_only_its_parser() -> None:
    """import-linter knows packages, not their modules: `urllib.parse` is text, `urllib.request` is a network."""
    taken = {
        (name_of(path), module)
        for path, node in nodes(PURE)
        for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names] if isinstance(node, ast.Import) else [])
        if module.startswith("urllib") and module != "urllib.parse"
    }
    assert taken == set()


def test_only_the_configuration_reads_the_environment() -> None:
    readers = {
        name_of(path)
        for path, node in nodes(MODULES)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "environb", "getenv", "putenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert readers <= READS_ENVIRONMENT


def test_only_the_gateway_the_request_it_answers_and_the_job_runner_catch_everything() -> None:
    def catches_everything(handler: ast.ExceptHandler) -> bool:
        if handler.type is None:
            return True
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        return any(isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"} for kind in caught)

    def raises_again(handler: ast.ExceptHandler) -> bool:
        """`except BaseException: undo(); raise` swallows nothing."""
        last = handler.body[-1]
        return isinstance(last, ast.Raise) and last.exc is None

    swallowing = [
        at(path, node)
        for path, node in nodes(MODULES)
        if isinstance(node, ast.ExceptHandler)
        and catches_everything(node)
        and not raises_again(node)
        and name_of(path) not in CATCHES_EVERYTHING
    ]
    assert swallowing == []


def test_a_dialect_names_no_vendor() -> None:
    """Quirks are fields that a provider's file sets. Prose may name whose documentation a fact comes
    from, so only code is read: names and strings that are not docstrings. A dialect's own name
    (`anthropic_messages`) is a wire format's, not a vendor's."""
    dialects = SOURCE / "providers" / "dialects"
    if not dialects.is_dir():
        pytest.skip("no dialects yet")
    vendors = re.compile(
        r"\b(openrouter|groq|mistral|deepseek|xai|azure|ollama|fireworks|perplexity|cerebras|together|deepinfra|novita|nebius)\b", re.IGNORECASE,
    )
    named = []
    for path in sorted(dialects.glob("*.py")):
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        } | {id(node.value) for node in ast.walk(tree(path)) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree(path)):
            word = node.value if isinstance(node, ast.Constant) else node.id if isinstance(node, ast.Name) else None
            if isinstance(word, str) and id(node) not in docstrings and vendors.search(word):
                named.append(f"{name_of(path)}:{node.lineno} {word[:40]}")
    assert named == []


def test_no_task_is_started_and_forgotten() -> None:
    """A task nobody holds may vanish in mid-flight: keep its result, or await it."""
    forgotten = [
        at(path, node)
        for path, node in nodes(MODULES)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr in {"create_task", "ensure_future"}
        and not (isinstance(node.value.func.value, ast.Name) and node.value.func.value.id in {"group", "tg", "tasks"})
    ]
    assert forgotten == []


# Assembled, so that this file does not hold what it forbids.
REGISTRY_HOSTS = tuple("".join(parts) for parts in (("pypi", ".org"), ("pythonhosted", ".org"), ("registry", ".npmjs"), ("proxy", ".golang")))
MACHINE_PATHS = tuple("".join(parts) for parts in (("/wo", "rk/"), ("/tm", "p/v/"), ("/ro", "ot/"), ("/ho", "me/")))


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python before 3.11.5 goes on from where a possessive group's last try broke off (Debian 12 has 3.11.2): `(?:a|%4)++` then
    matches all of `a%`. One character's class may be possessive."""
    found = []
    for path, node in nodes(MODULES):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            bare = re.sub(r"\\.", "x", re.sub(r"\[(?:\\.|[^\]\\])*\]", "x", text))
            if "(?" in bare and re.search(r"\)(?:[*+?]|\{[\d,]+\})\+", bare):
                found.append(at(path, node))
    assert found == []


@pytest.mark.parametrize("forbidden", [REGISTRY_HOSTS, MACHINE_PATHS], ids=["package registries", "paths of one machine"])
def test_nothing_published_names(forbidden: tuple[str, ...]) -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes()
        found += [f"{path.relative_to(ROOT)} has {word}" for word in forbidden if word.encode() in text]
    assert found == []


def test_locks_hold_hashes_and_no_addresses() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?==", text, re.MULTILINE)
        assert len(pinned) > 20, lock.name
        assert "://" not in text, lock.name
        entries = re.split(r"\n(?=[a-z0-9])", text.strip())
        assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == [], lock.name


def test_npm_locks_hold_no_addresses() -> None:
    for lock in tracked_files():
        if lock.name == "package-lock.json":
            assert '"resolved"' not in lock.read_text(encoding="utf-8"), lock


def test_both_locks_agree() -> None:
    """`./serve` and `./check` share one environment: what both name must be the same version."""
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^ ]+)", text, re.MULTILINE))

    runtime, test = pins("runtime.txt"), pins("test.txt")
    assert {name: (version, test.get(name)) for name, version in runtime.items() if test.get(name) != version} == {}


def test_no_test_can_reach_beyond_this_machine() -> None:
    with pytest.raises((pytest_socket.SocketConnectBlockedError, UserWarning), match="192.0.2.1"):     # it warns first, and warnings are errors
        socket.create_connection(("192.0.2.1", 9), timeout=1)        # TEST-NET-1: nobody's, by RFC 5737
