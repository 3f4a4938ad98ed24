"""`tallystick credentials` as people and scripts run it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build.commands import SOURCE, document, tallystick

PATIENCE_S = 30.0
CANARY = "sk-canary-command-3hGf18"


def test_a_credential_is_set_listed_and_removed(tmp_path: Path) -> None:
    made = document("credentials", "set", "openai", data=tmp_path, said=f"{CANARY}\n")
    assert (made["provider"], made["name"], made["origin"], made["version"], made["status"], made["set_by"]) == (
        "openai", "default", "https://api.openai.com", 1, "usable", "cli")
    assert document("credentials", "set", "openai", "batch", data=tmp_path, said=CANARY)["name"] == "batch"
    listed = document("credentials", "list", data=tmp_path)["credentials"]
    assert [(each["provider"], each["name"]) for each in listed] == [("openai", "batch"), ("openai", "default")]
    unused = {"state": "healthy", "answers": 0, "failures": 0, "last_answer_at": None, "last_failure_at": None, "last_failure_status": None,
              "cooling": []}
    made["health"] = unused
    assert listed[1] == made
    assert document("credentials", "remove", "openai", "batch", data=tmp_path)["name"] == "batch"
    assert document("credentials", "list", data=tmp_path)["credentials"] == [made]
    assert document("verify", data=tmp_path)["ok"] is True


def test_people_get_the_same_in_words_and_never_the_value(tmp_path: Path) -> None:
    words = tallystick("credentials", "set", "openai", data=tmp_path, said=CANARY)
    table = tallystick("credentials", "list", data=tmp_path)
    gone = tallystick("credentials", "remove", "openai", data=tmp_path)
    assert "Sealed openai 'default' for https://api.openai.com" in words.stdout
    assert "usable" in table.stdout
    assert "Removed openai 'default'" in gone.stdout
    assert all(CANARY not in done.stdout + done.stderr for done in (words, table, gone))


def test_on_a_terminal_it_asks_and_does_not_show(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tallystick", "credentials", "set", "openai", "--data", str(tmp_path)], stdin=theirs, stdout=theirs,
        stderr=theirs, env={**os.environ, "PYTHONPATH": str(SOURCE)}, start_new_session=True,
    ) as command:
        os.close(theirs)
        shown = read_until(ours, b"not shown")
        os.write(ours, f"{CANARY}\n".encode())
        shown += read_until(ours, None)
        try:
            command.wait(PATIENCE_S)
        finally:
            command.kill()
    os.close(ours)
    assert command.returncode == 0, shown
    assert CANARY.encode() not in shown
    assert document("credentials", "list", data=tmp_path)["credentials"][0]["provider"] == "openai"


def read_until(terminal: int, mark: bytes | None) -> bytes:
    """What a terminal shows up to a text, or to its end."""
    shown = b""
    while (mark is None or mark not in shown) and select.select([terminal], [], [], PATIENCE_S)[0]:
        try:
            shown += os.read(terminal, 1000)
        except OSError:                      # the other end is closed
            break
    return shown


def test_a_provider_that_moved_is_shown_as_such(tmp_path: Path) -> None:
    document("credentials", "set", "openai", data=tmp_path, said=CANARY)
    (tmp_path / "tallystick.toml").write_text('[providers.openai]\nbase_url = "https://elsewhere.example/"\n')
    assert document("credentials", "list", data=tmp_path)["credentials"][0]["status"] == "origin_changed"
    again = document("credentials", "set", "openai", data=tmp_path, said=CANARY)
    assert (again["origin"], again["status"], again["version"]) == ("https://elsewhere.example", "usable", 2)


@pytest.mark.parametrize(("arguments", "said"), [
    (("set", "openai"), ""),
    (("set", "openai"), f"{CANARY} {CANARY}"),
    (("set", "openai", "a name"), CANARY),
    (("set", "nobody"), CANARY),
    (("set", "azure"), CANARY),                                          # has no address until it is configured
    (("set", "openai", "default", CANARY), ""),                          # a value is no argument
    (("set", "openai", "--value", CANARY), ""),
    (("remove", "openai"), ""),
    (("list",), ""),                                                     # there is no installation yet
])
def test_what_cannot_be_done_exits_2_and_says_why(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = tallystick("credentials", *arguments, data=tmp_path, said=said)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr
    if said:
        assert CANARY not in done.stderr
