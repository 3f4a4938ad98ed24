"""Our lines in a settings file that holds others: the others stay, and what cannot be read is left alone."""

from __future__ import annotations

import json
import tomllib

import pytest

from tallystick.connect.clients import Write, found, shipped
from tallystick.connect.filling import Filling, Unfit, filled
from tallystick.connect.merging import merged


def ours(name: str) -> str:
    client = found(shipped(), name)
    assert client is not None
    return filled(client.forms[0], Filling(gateway="http://127.0.0.1:8000", key="tsk_1", headers={"X-Tallystick-Team": "growth"}))


@pytest.mark.parametrize("how", ["json", "toml", "dotenv"])
def test_an_empty_file_becomes_ours(how: Write) -> None:
    assert merged(" \n", "x", how) == "x"


@pytest.mark.parametrize(("client", "how", "old"), [
    ("claude-code", "json", '{"permissions": {"allow": ["Bash"]}, "env": {"DEBUG": "1", "ANTHROPIC_BASE_URL": "https://elsewhere"}}'),
    ("codex", "toml", 'model = "x"\n[model_providers.other]\nname = "o"\n[model_providers.tallystick]\nname = "old"\nquery_params = {a = "b"}\n'
                      '[model_providers.tallystick.http_headers]\nOld = "1"\n[mcp_servers.docs]\ncommand = "d"\n'),
    ("gemini-cli", "dotenv", "# mine\nexport GEMINI_API_KEY=abc\nOTHER=1\n"),
])
def test_twice_is_once(client: str, how: Write, old: str) -> None:
    once = merged(old, ours(client), how)
    assert merged(once, ours(client), how) == once


def test_settings_of_others_stay() -> None:
    document = json.loads(merged('{"permissions": {"allow": ["Bash"]}, "env": {"DEBUG": "1", "ANTHROPIC_BASE_URL": "x"}}', ours("claude-code"), "json"))
    assert document["permissions"] == {"allow": ["Bash"]}
    assert document["env"]["DEBUG"] == "1"
    assert document["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8000"


def test_comments_and_tables_of_others_stay() -> None:
    old = '# mine\napproval_policy = "never"\n\n[model_providers.other]\nname = "o"   # theirs\n\n[model_providers.tallystick]\nname = "old"\nextra = 1\n'
    text = merged(old, ours("codex"), "toml")
    document = tomllib.loads(text)
    assert "# mine\n" in text
    assert "# theirs\n" in text
    assert document["approval_policy"] == "never"
    assert document["model_provider"] == "tallystick"
    assert set(document["model_providers"]) == {"other", "tallystick"}
    assert "extra" not in document["model_providers"]["tallystick"]


def test_variables_of_others_stay() -> None:
    text = merged("# mine\nexport GEMINI_API_KEY=abc\nOTHER=1\n", ours("gemini-cli"), "dotenv")
    assert text == '# mine\nOTHER=1\nGOOGLE_GEMINI_BASE_URL="http://127.0.0.1:8000"\nGEMINI_API_KEY="tsk_1"\n'


@pytest.mark.parametrize(("client", "how", "old", "why"), [
    ("claude-code", "json", "{", "not JSON"), ("claude-code", "json", "[]", "no object"), ("codex", "toml", "= 1", "not TOML"),
    ("codex", "toml", 'model_providers = {tallystick = {name = "inline"}}\n', "by hand"),
    ("codex", "toml", 'note = """\nmodel_provider = "x"\n"""\n', "by hand"),
])
def test_what_cannot_be_done_is_left_alone(client: str, how: Write, old: str, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        merged(old, ours(client), how)
