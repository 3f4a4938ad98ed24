"""What is filled into a client's text stays one value of its language, whatever it is; and the data file has the form that
its head explains.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.connect.clients import GROUPS, Form, found, read, shipped
from tallystick.connect.filling import LITERALS, Filling, Unfit, environment, exports, filled
from tests.connect import cases

ROOT = cases.FILE.parents[2]
PROSE = st.text(st.characters(exclude_categories=("Cs",)))
IN_A_SHELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))


def test_the_commands_print_what_the_console_shows() -> None:
    kept = json.loads(cases.FILE.read_text(encoding="utf-8"))
    assert kept == cases.computed(), "python -m tests.connect.cases writes it anew"


def test_the_shipped_file_has_the_form_that_its_head_explains() -> None:
    clients = shipped()
    ids = [client.id for client in clients]
    assert len(set(ids)) == len(ids)
    for client in clients:
        assert client.group in GROUPS
        assert client.forms, client.id
        assert (ROOT / "docs" / "clients" / f"{client.page}.md").is_file(), client.id
        for form in client.forms:
            assert form.tested in ("run", "read", "documented"), client.id
            assert form.language in LITERALS, client.id
            assert {line[:1] for line in form.text.splitlines()} <= {"", " ", "?", "*"}, client.id
            assert (form.write is None) or form.file, client.id
            assert ("«body»" in form.text) == bool(form.body), client.id


def test_a_client_is_found_by_its_id_and_by_its_name() -> None:
    clients = shipped()
    assert found(clients, "codex") == found(clients, "Codex CLI")
    assert found(clients, "nobody") is None


def test_a_field_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        read('[[client]]\nid = "x"\nname = "x"\ngroup = "http"\nattribution = ""\ncaveats = []\npage = "curl"\ncolour = "red"\nform = []\n')


@given(PROSE)
def test_a_literal_is_one_value_of_its_language(text: str) -> None:
    assert ast.literal_eval(LITERALS["python"](text)) == text
    for language in ("json", "js", "java", "go", "yaml"):                  # their strings in this form are JSON's
        assert json.loads(LITERALS[language](text)) == text
    assert tomllib.loads("x = " + LITERALS["toml"](text))["x"] == text
    php = LITERALS["php"](text)
    assert re.fullmatch(r"'(?:[^'\\]|\\.)*'", php, re.DOTALL)
    assert re.sub(r"\\([\\'])", r"\1", php[1:-1]) == text


@given(IN_A_SHELL)
def test_a_word_of_the_shell_is_one_word(text: str) -> None:
    assert shlex.split("curl " + LITERALS["sh"](text)) == ["curl", text]


CURL = found(shipped(), "curl")


@given(IN_A_SHELL)
def test_a_curl_line_holds_json_whatever_is_asked(prompt: str) -> None:
    assert CURL is not None
    for form in CURL.forms:
        words = shlex.split(filled(form, Filling(gateway="http://127.0.0.1:8000", prompt=prompt)))
        assert prompt in _texts(json.loads(words[-1]))


def _texts(document: object) -> list[object]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in _texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in _texts(value)]
    return [document]


def test_a_line_whose_value_is_missing_is_left_out() -> None:
    form = Form(title="", language="python", provider="openai", address="{gateway}", model="m", tested="run",
                text=" a=«max_tokens»\n b=«max_tokens|7»\n?c\n*«name»\n d\n")
    assert filled(form, Filling(gateway="http://g")) == "b=7\nd\n"
    assert filled(form, Filling(gateway="http://g", max_tokens="3", headers={"A": "1", "B": "2"})) == 'a=3\nb=3\nc\n"A"\n"B"\nd\n'


def test_variables_without_headers_carry_none() -> None:
    client = found(shipped(), "openai-python")
    assert client is not None
    bare = environment(client, Filling(gateway="http://g/", key="k"))
    assert bare == {"OPENAI_BASE_URL": "http://g/v1", "OPENAI_API_KEY": "k"}
    said = exports(client, Filling(gateway="http://g", key="k'", headers={"X-Tallystick-Team": "a b", "X-Tallystick-User": "c"}))
    assert "export OPENAI_API_KEY='k'\\'''\n" in said
    assert said.endswith("export OPENAI_CUSTOM_HEADERS='X-Tallystick-Team: a b\nX-Tallystick-User: c'\n")


@pytest.mark.parametrize("wrong", [
    {"gateway": "gateway"}, {"gateway": "http://a b"}, {"gateway": "http://g", "key": ""}, {"gateway": "http://g", "key": "a\nb"},
    {"gateway": "http://g", "headers": {"X Team": "a"}}, {"gateway": "http://g", "headers": {"X-Team": "Büro"}},
    {"gateway": "http://g", "headers": {"X-Team": "a\r\nX-Tallystick-Key: b"}}, {"gateway": "http://g", "headers": {"X-Team": ""}},
    {"gateway": "http://g", "max_tokens": "1)"}, {"gateway": "http://g", "temperature": "hot"},
])
def test_what_cannot_stand_there_is_said(wrong: dict[str, object]) -> None:
    with pytest.raises(Unfit, match=r"\.$"):
        Filling(**wrong)  # type: ignore[arg-type]
