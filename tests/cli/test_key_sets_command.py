"""Many keys at once: from a file or by number, all or none, each text given out once."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

import pytest

from tests.build.commands import document, tallystick

SHEET = "name,team,project,user,expires\r\nbatch,search,web,ann,30d\r\n\"nightly, Überlauf\",search,,=bo,\r\n"


def active(folder: Path) -> list[tuple[str, str | None, str | None]]:
    return [(key["name"], key["project"], key["user"]) for key in document("keys", "list", data=folder)["keys"]]


def test_a_sheet_of_keys_goes_in_and_a_sheet_with_their_texts_comes_out(tmp_path: Path) -> None:
    done = tallystick("keys", "create", "--from", "-", "--environment", "prod", data=tmp_path, said="\ufeff" + SHEET)
    assert done.returncode == 0, done.stderr
    first, second = csv.DictReader(io.StringIO(done.stdout))
    assert (first["name"], first["team"], first["user"], first["environment"], bool(first["expires_at"])) == (
        "batch", "search", "ann", "prod", True)
    assert (second["name"], second["user"]) == ("nightly, Überlauf", "'=bo")
    assert all(line["key"].startswith(f"tsk_{line['id']}_") for line in (first, second))
    assert set(active(tmp_path)) == {("batch", "web", "ann"), ("nightly, Überlauf", None, "=bo")}        # made in one moment


def test_so_many_alike_go_into_a_file_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "keys.csv"
    words = ("keys", "create", "--count", "12", "--name-pattern", "ci-{n}", "--team", "build", "--out", str(out))
    made = document(*words, data=tmp_path)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    lines = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    assert [line["name"] for line in lines] == [f"ci-{number:02d}" for number in range(1, 13)]
    assert [line["id"] for line in lines] == [key["id"] for key in made["keys"]]
    assert not any("key" in key for key in made["keys"]), "what is in the file is not on the terminal"
    assert tallystick(*words, data=tmp_path).returncode == 2, "a file that is there is not written over"
    assert len(active(tmp_path)) == 12


@pytest.mark.parametrize(("words", "sheet", "says"), [
    (("--from", "-"), SHEET + "worse,search,,,yesterday\n", "Key 3"), (("--from", "-"), SHEET + f"long,{'x' * 300},,,\n", "Key 3"),
    (("--from", "-"), "name,colour\nx,red\n", "colour"), (("--from", "-"), "name\na,b\n", "Line 2"), (("--from", "-"), "name\n", "1 to"),
    (("--count", "2", "--name-pattern", "alike"), "", "{n}"), (("--count", "1001"), "", "1 to"), (("--name-pattern", "x{n}"), "", "--count"),
    (("--count", "2", "--from", "-"), "", "--count"), (("--count", "2", "--out", "/nowhere/keys.csv"), "", "nowhere"),
    (("--out", "keys.csv"), "", "--from"),
])
def test_a_set_that_cannot_be_is_not_begun(tmp_path: Path, words: tuple[str, ...], sheet: str, says: str) -> None:
    done = tallystick("keys", "create", *words, data=tmp_path, said=sheet)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert active(tmp_path) == []
