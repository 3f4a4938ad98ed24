"""Rules as a file: what was dumped changes nothing, what is written is made so, what cannot be is refused whole."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.build.commands import document, tallystick

FILE = """
# the caps of the quarter
[[budgets]]
scope = "org"
limit = "$1,000/month"
owner = "Finance"

[[budgets]]
scope = "team"
value = "search"
limit = "500 EUR"
on_exceed = "clamp"
note = "it said \\"more\\""

[[budgets]]
scope = "user"
value = "*"
limit = "2m tokens/day"
mode = "soft"
ends = "2030-01-01T00:00:00+01:00"

[[policies]]
kind = "model_access"
scope = "team"
value = "search"
name = "no opus"
parameters = {deny_models = ["*opus*"]}
"""


class Commands:
    """The command on one data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return tallystick(*words, data=self._data, said=said)

    def json(self, *words: str, said: str = "") -> Any:
        return document(*words, data=self._data, said=said)


@pytest.fixture
def here(tmp_path: Path) -> Commands:
    (tmp_path / "tallystick.toml").write_text('[currencies]\nEUR = "1.10"\n')
    made = Commands(tmp_path)
    made.json("keys", "create")              # there is an installation
    return made


def apply(here: Commands, text: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = here.json("apply", "-f", "-", "--yes", *words, said=text)
    return found


def test_a_file_is_made_so_once(here: Commands) -> None:
    done = apply(here, FILE)
    assert (done["applied"], [change["how"] for change in done["changes"]]) == (True, ["make"] * 4)
    budgets = here.json("budgets", "list")["budgets"]
    assert [(budget["scope"], budget["limit_usd"] if "limit_usd" in budget else budget["limit_tokens"], budget["on_exceed"])
            for budget in budgets] == [("org", "1000.000000000", "reject"), ("team", "550.000000000", "clamp"), ("user", 2_000_000, "reject")]
    assert budgets[2]["ends_at"] == "2029-12-31T23:00:00Z"
    assert here.json("policies", "list")["policies"][0]["name"] == "no opus"
    assert apply(here, FILE) == {"changes": [], "applied": False, "not_in_force_on": []}


def test_what_was_dumped_changes_nothing(here: Commands) -> None:
    apply(here, FILE)
    dumped = here.run("dump").stdout
    assert apply(here, dumped)["changes"] == []
    assert here.run("apply", "-f", "-", "--diff", "--prune", said=dumped).stdout == "Nothing to change.\n"
    assert here.run("dump").stdout == dumped


def test_what_the_file_does_not_say_is_left_alone_unless_pruned(here: Commands) -> None:
    apply(here, FILE)
    one = '[[budgets]]\nscope = "org"\nlimit = "1200/month"\n'
    done = apply(here, one)
    assert [(change["how"], change["fields"]) for change in done["changes"]] == [("change", {"limit": {"was": "1000", "will_be": "1200"}})]
    budgets = here.json("budgets", "list")["budgets"]
    assert (len(budgets), budgets[0]["owner"]) == (3, "Finance")
    assert sorted(change["how"] for change in apply(here, one, "--prune")["changes"]) == ["remove", "remove"]
    assert len(here.json("budgets", "list")["budgets"]) == 1
    assert len(here.json("policies", "list")["policies"]) == 1, "a section that the file does not have is none of its business"


def test_diff_looks_only(here: Commands) -> None:
    looked = here.run("apply", "-f", "-", "--diff", said=FILE)
    assert looked.returncode == 1
    assert "+ budgets: team search month" in looked.stdout
    assert here.json("budgets", "list")["budgets"] == []


def test_nothing_is_done_unasked(here: Commands) -> None:
    refused = here.run("apply", "-f", "-", said=FILE)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert here.json("budgets", "list")["budgets"] == []


@pytest.mark.parametrize(("text", "says"), [
    ('[[budgets]]\nscope = "org"\nlimit = "5"\nlimt = "6"\n', "limt"), ("[[budget]]\n", "budget"), ("budgets = 7\n", "[[budgets]]"),
    ('[[budgets]]\nscope = "org"\n', "limit"), ('[[budgets]]\nscope = "org"\nlimit = 5\n', "quotes"),
    ('[[budgets]]\nscope = "org"\nlimit = "5 CHF"\n', "CHF"), ('[[budgets]]\nscope = "team"\nlimit = "5"\n', "names what it is on"),
    ('[[budgets]]\nscope = "org"\nlimit = "5"\n[[budgets]]\nscope = "org"\nlimit = "6"\n', "twice"),
    ('[[policies]]\nkind = "unknown"\nscope = "org"\n', "unknown"), ('[[members]]\nemail = "a@b"\nrole = "owner"\n', "no member"),
    ("not toml", "TOML"),
])
def test_a_file_that_cannot_be_is_refused_whole(here: Commands, text: str, says: str) -> None:
    good = '[[budgets]]\nscope = "team"\nvalue = "fine"\nlimit = "5"\n'
    done = here.run("apply", "-f", "-", "--yes", said=good + text if text.startswith("[[") else text)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert here.json("budgets", "list")["budgets"] == []


KEY = ("keys", "create", "--team", "search", "--project", "web", "--user", "ann", "--name", "the nightly job")
ENVELOPE = """
[[envelopes]]
scope = "team"
value = "search"
amount = "500 EUR"
ends = "2035-01-01T00:00:00Z"
purpose = "the launch"
owner = "Finance"
fallback = {"gpt-4o*" = "gpt-4o-mini"}
"""


def changes_of(here: Commands, text: str, *words: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [(change["how"], change["section"], change["fields"]) for change in apply(here, text, *words)["changes"]]


def test_what_an_installation_has_goes_out_whole_and_back_in_without_a_change(here: Commands) -> None:
    apply(here, FILE + ENVELOPE)
    here.json(*KEY, "--expires", "2035-01-01", "--credential", "main")
    here.run("members", "add", "ann@example.test", "--role", "manager", "--team", "search")
    dumped = here.run("dump").stdout
    assert [f"[[{name}]]" in dumped for name in ("members", "keys", "budgets", "envelopes", "policies")] == [True] * 5
    assert here.run("apply", "-f", "-", "--diff", "--prune", said=dumped).stdout == "Nothing to change.\n"
    assert here.run("dump").stdout == dumped


def test_an_edited_dump_changes_what_was_edited_and_nothing_else(here: Commands) -> None:
    here.run("members", "add", "ann@example.test", "--role", "owner")
    made = here.json(*KEY)
    dumped = here.run("dump").stdout
    edited = dumped.replace('user = "ann"', 'user = "bo"\nowner = "ann@example.test"\nexpires = "2035-01-01T00:00:00Z"')
    assert changes_of(here, edited) == [("change", "keys", {
        "user": {"was": "ann", "will_be": "bo"}, "owner": {"was": None, "will_be": "ann@example.test"},
        "expires": {"was": None, "will_be": "2035-01-01T00:00:00Z"}})]
    [_, key] = here.json("keys", "list")["keys"]
    assert (key["id"], key["user"], key["team"], key["expires_at"], key["preview"]) == (
        made["id"], "bo", "search", "2035-01-01T00:00:00Z", made["preview"])
    assert apply(here, edited)["changes"] == []
    assert changes_of(here, edited.replace('user = "bo"', 'user = ""'))[0][2] == {"user": {"was": "bo", "will_be": None}}
    found = here.json("verify")["findings"]
    assert [finding for finding in found if finding["check"] != "checkpoint"] == []


def test_an_empty_text_takes_a_field_away_once(here: Commands) -> None:
    said = '[[policies]]\nkind = "model_access"\nscope = "org"\nname = "x"\nowner = "ann"\nparameters = {deny_models = ["o1"]}\n'
    apply(here, said)
    for _ in range(2):
        gone = changes_of(here, said.replace('"ann"', '""'))
    assert gone == []
    assert here.json("policies", "list")["policies"][0]["owner"] == ""


def test_a_file_neither_makes_nor_revokes_keys(here: Commands) -> None:
    made = here.json(*KEY)
    dumped = here.run("dump").stdout
    without = dumped[:dumped.index("[[keys]]")] + f'[[keys]]\nid = "{made["id"]}"\n'
    assert apply(here, without, "--prune")["changes"] == []
    assert {key["status"] for key in here.json("keys", "list")["keys"]} == {"active"}
    refused = here.run("apply", "-f", "-", "--yes", said='[[keys]]\nid = "nobody"\nteam = "search"\n')
    assert (refused.returncode, "keys create" in refused.stderr) == (2, True)
    here.run("keys", "revoke", made["id"])
    assert here.run("apply", "-f", "-", "--yes", said=dumped).returncode == 2, "what was revoked stays so"


def test_an_envelope_in_a_file_is_signed_once_and_only_grows(here: Commands) -> None:
    assert [change[:2] for change in changes_of(here, ENVELOPE)] == [("make", "envelopes")]
    assert apply(here, ENVELOPE)["changes"] == []
    [envelope] = here.json("envelopes", "list")["envelopes"]
    assert (envelope["state"], envelope["amount_usd"], envelope["signature"]["approver"]) == ("active", "550.000000000", "cli")
    assert (envelope["fallback"]["models"], envelope["fallback"]["at_percent"]) == ({"gpt-4o*": "gpt-4o-mini"}, 80)
    more = ENVELOPE.replace("500 EUR", "600").replace("2035-01", "2035-02")
    assert [change[:2] for change in changes_of(here, more)] == [("change", "envelopes")]
    assert apply(here, more)["changes"] == []
    [envelope] = here.json("envelopes", "list")["envelopes"]
    assert (envelope["amount_usd"], envelope["ends_at"]) == ("600.000000000", "2035-02-01T00:00:00Z")
    for wrong in (more.replace("600", "599"), more.replace("2035-02", "2034-02"), more.replace("launch", "lunch")):
        assert here.run("apply", "-f", "-", "--yes", said=wrong).returncode == 2
    assert [change[:2] for change in changes_of(here, "envelopes = []", "--prune")] == [("remove", "envelopes")]
    assert here.json("envelopes", "list")["envelopes"][0]["state"] == "ended"
    assert here.json("policies", "list")["policies"] == [], "its fallback went with it"


def test_what_is_refused_when_it_is_done_undoes_all_that_was_done_before_it(here: Commands) -> None:
    other = ENVELOPE.replace('ends = "2035', 'starts = "2033-01-01T00:00:00Z"\nends = "2036')
    before = here.run("dump").stdout
    refused = here.run("apply", "-f", "-", "--yes", said=FILE + ENVELOPE + other)
    assert (refused.returncode, "Nothing was done" in refused.stderr) == (2, True), refused.stderr
    assert here.run("dump").stdout == before
    assert here.json("budgets", "list")["budgets"] == []


@pytest.mark.parametrize("text", ['=cmd|\' /C calc\'!A0', "+1+1", "-2", "@SUM(A1)", "'quoted'", "''=1", 'a "b", c', "Überprüfung; für ö", "x,y"])
def test_a_note_survives_csv_and_no_spreadsheet_runs_it(here: Commands, text: str) -> None:
    apply(here, f'[[budgets]]\nscope = "team"\nvalue = "search"\nlimit = "5"\nowner = {json.dumps(text)}\nnote = {json.dumps(text)}\n')
    out = here.run("budgets", "export-csv").stdout
    [line] = csv.DictReader(io.StringIO(out))
    assert not line["note"].startswith(("=", "+", "-", "@"))
    assert here.json("budgets", "import-csv", "-f", "-", "--yes", said=out)["changes"] == []
    assert here.json("budgets", "import-csv", "-f", "-", "--yes", said="\ufeff" + out.replace("\n", "\r\n"))["changes"] == []
    assert here.json("budgets", "list")["budgets"][0]["note"] == text


def test_budgets_go_out_and_in_as_csv(here: Commands) -> None:
    apply(here, FILE)
    out = here.run("budgets", "export-csv").stdout
    lines = list(csv.DictReader(io.StringIO(out)))
    assert [(line["scope"], line["limit"], line["note"]) for line in lines] == [
        ("org", "1000", ""), ("team", "500 EUR", 'it said "more"'), ("user", "2000000 tokens", "")]
    assert here.json("budgets", "import-csv", "-f", "-", "--yes", said=out)["changes"] == []
    more = "scope,value,limit,owner,note\nteam,ops,50/day,ann,night shift\nteam,web,60/day,,\n"
    assert here.json("budgets", "import-csv", "-f", "-", "--yes", said=more)["applied"]
    assert [budget["owner"] for budget in here.json("budgets", "list")["budgets"] if budget["value"] in {"ops", "web"}] == ["ann", ""]
    assert json.dumps(here.json("budgets", "import-csv", "-f", "-", "--yes", said=more)["changes"]) == "[]"
