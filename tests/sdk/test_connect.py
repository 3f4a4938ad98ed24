"""Every client's texts as `tallystick connect` and the console show them, run by the client itself against a running
gateway: the program with its headers, then its variables alone under the program of its page, which names nothing of ours.
A settings file, whose tool is not installed here, is read by a parser of its format.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.connect.clients import Client, Form, shipped
from tallystick.connect.filling import Filling, environment, exports, filled
from tests.mini_upstream import Answer, MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import ATTRIBUTION, PATIENCE_S, SIDE_INTERPRETER, Gateway, booked_on, needs_side_environment
from tests.sdk.node import programs
from tests.sdk.test_client_pages import MACHINE, Provider
from tests.sdk.test_php import GUZZLE

CLIENTS = {client.id: client for client in shipped()}
RUN = [(client, form) for client in CLIENTS.values() for form in client.forms if form.tested == "run"]
JAVASCRIPT = [pair for pair in RUN if pair[1].language == "js"]
OTHERS = [pair for pair in RUN if pair[1].language != "js"]
FILES = [(client, form) for client in CLIENTS.values() for form in client.forms if form.tested == "read"]
NAMED_IN_CODE = {"mistral-python", "mistral-js"}
"""Whose variables carry the key alone; their programs name the address."""

# What the interpreters need, and a proxy that is none, so that a program that forgets the gateway calls nobody.
NEEDS = {"python": (), "sh": ("curl",), "php": ("php",), "java": ("java",), "go": ("go",)}
AWKWARD = "Say \"hello\" to O'Brien \\ $HOME `id` #{x}\nand «key»"
SIDE = {"langchain-python", "litellm"}


class Everyone(Provider):
    def answer(self, path: str, body: bytes) -> Answer | None:
        return replies.response("gpt-4o-mini") if path.endswith("/responses") else super().answer(path, body)


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with Everyone() as running:
        yield running


def name_of(pair: tuple[Client, Form]) -> str:
    return f"{pair[0].id}: {pair[1].title}"


def filling(gateway: Gateway, **more: Any) -> Filling:
    return Filling(gateway=gateway.url, key=gateway.key("tallystick"), headers=ATTRIBUTION, **more)


def ran(client: Client, language: str, program: str, folder: Path, variables: str = "") -> str:
    """What a program prints, in an environment that knows nobody but what `variables` (lines of a shell) set."""
    for tool in NEEDS[language]:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed here")
    if client.id in SIDE:
        needs_side_environment()
    python = str(SIDE_INTERPRETER if client.id in SIDE else sys.executable)
    file = {"python": "call.py", "sh": "call.sh", "php": "call.php", "java": "Call.java", "go": "call.go"}[language]
    words = {"python": [python], "sh": ["sh", "-eu"], "php": ["php"], "java": ["java"], "go": ["go", "run"]}[language]
    (folder / file).write_text(program, encoding="utf-8")
    if language == "php":
        if not GUZZLE.exists():
            pytest.skip("Guzzle is not installed here")
        (folder / "vendor").mkdir()
        (folder / "vendor" / "autoload.php").write_text(f"<?php require '{GUZZLE}';")
    env = MACHINE | {"PATH": os.environ["PATH"], "HOME": str(folder), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    env |= {"GOCACHE": os.environ.get("GOCACHE", str(Path.home() / ".cache" / "go-build"))}      # or the standard library is built anew
    done = subprocess.run(["sh", "-c", variables + '\nexec "$@"', "sh", *words, file], cwd=folder, env=env, capture_output=True, text=True,
                          timeout=PATIENCE_S * 6, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def came_through(gateway: Gateway, provider: MiniUpstream, said: dict[str, str]) -> None:
    """One call in the books, as it was billed and as its headers said; the provider saw nothing of ours."""
    (call,) = gateway.all_fresh(1)
    assert (call["method"], call["basis"]) == ("priced", "usage")
    booked_on(call, said)
    sent = provider.bill[-1].request
    assert b"tallystick" not in sent.head.lower()
    assert b"tsk_" not in sent.head


@pytest.mark.parametrize("pair", OTHERS, ids=name_of)
def test_the_text_of_a_client(gateway: Gateway, provider: MiniUpstream, tmp_path: Path, pair: tuple[Client, Form]) -> None:
    """With everything that can be said, and a question that means to be more than one."""
    client, form = pair
    program = filled(form, filling(gateway, prompt=AWKWARD, max_tokens="64", temperature="0.5"))
    assert "Hello there" in ran(client, form.language, program, tmp_path)
    came_through(gateway, provider, ATTRIBUTION)
    asked = json.loads(provider.bill[-1].request.body)
    assert AWKWARD in texts(asked)
    assert form.provider == "bedrock" or {64, 0.5} <= {number for number in texts(asked) if not isinstance(number, str)}


@pytest.mark.parametrize("pair", [pair for pair in OTHERS if pair[1].language == "python"], ids=name_of)
def test_the_least_of_a_text_is_a_program_too(pair: tuple[Client, Form]) -> None:
    compile(filled(pair[1], Filling(gateway="http://127.0.0.1:8000")), "call.py", "exec")


def texts(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in texts(value)]
    return [text for value in document for text in texts(value)] if isinstance(document, list) else [document]


@programs.needs_node
def test_the_texts_in_javascript(gateway: Gateway, provider: MiniUpstream, tmp_path: Path) -> None:
    """In one process, each with a client of its own."""
    before = len(provider.bill)
    seen = programs.run(tmp_path / "code", gateway, {name_of(pair).replace("/", " "): filled(pair[1], filling(gateway)) for pair in JAVASCRIPT})
    assert {name: (saw.printed, saw.error) for name, saw in seen.items()} == dict.fromkeys(seen, ("Hello there\n", None))
    assert len(seen) == len(JAVASCRIPT) == len(provider.bill) - before
    for call in gateway.all_fresh(len(JAVASCRIPT)):
        booked_on(call, ATTRIBUTION)
    assert not [line for line in provider.bill[before:] if b"tallystick" in line.request.head.lower() or b"tsk_" in line.request.head]


FROM_THE_ENVIRONMENT = [
    client for client in CLIENTS.values() if client.environment and client.group in ("library", "framework") and not client.https_only]


@pytest.mark.parametrize("client", FROM_THE_ENVIRONMENT, ids=lambda client: client.id)
def test_the_variables_alone(gateway: Gateway, provider: MiniUpstream, tmp_path: Path, client: Client) -> None:
    """The program of the client's page (its last one under "From the environment") with the variables of the data file."""
    asked = filling(gateway)
    said = ATTRIBUTION if any("{headers}" in value for value in client.environment.values()) else {}
    poisoned = "".join(f"export {name}='http://127.0.0.1:9'\n" for name in client.unset) + exports(client, asked)
    before = len(provider.bill)
    if client.forms[0].language == "js":
        if not programs.installed():
            pytest.skip("Node is not installed here")
        program = {
            "google-js": programs.beside("google-environment")["google-environment"],
            "mistral-js": filled(client.forms[0], asked).replace(f"  apiKey: {json.dumps(asked.key)},\n", "").replace(
                "apiKey", "never"),
        }.get(client.id) or programs.blocks(client.page, "js")[programs.FROM_THE_ENVIRONMENT]
        if client.id == "mistral-js":
            program, said = program.replace("});\nconst", "  apiKey: process.env.MISTRAL_API_KEY,\n});\nconst"), ATTRIBUTION
        (saw,) = programs.run(tmp_path / "environment", gateway, {"program": program}, poisoned).values()
        assert saw.error is None
        assert "Hello there" in saw.printed
    else:
        program = programs.blocks(client.page, "python")[programs.FROM_THE_ENVIRONMENT]
        assert "Hello" in ran(client, "python", program.replace(programs.HOST, gateway.url), tmp_path, poisoned)
    for call in gateway.all_fresh(len(provider.bill) - before):
        booked_on(call, said)


def test_a_key_is_set_over_https_alone_where_the_client_sends_it_so() -> None:
    assert [client.id for client in CLIENTS.values() if client.https_only] == ["bedrock-boto3"]


@pytest.mark.parametrize("pair", FILES, ids=name_of)
def test_a_settings_file_is_read_as_it_is_meant(pair: tuple[Client, Form]) -> None:
    """Values that mean to be more than values stay what they are."""
    client, form = pair
    asked = Filling(gateway="http://127.0.0.1:8000", key='tsk_"\\x', headers={"X-Tallystick-Team": "O'Brien \"& sons\" \\"})
    text = filled(form, asked)
    if form.language == "json":
        assert json.loads(text) == {"env": environment(client, asked)}
    elif form.language == "toml":
        document = tomllib.loads(text)
        table = document["model_providers"][document["model_provider"]]
        assert table["base_url"] == "http://127.0.0.1:8000/v1"
        assert table["http_headers"] == asked.headers
        assert environment(client, asked) == {table["env_key"]: asked.key}
    elif form.language == "dotenv":
        read = {name: json.loads(value) for name, _, value in (line.partition("=") for line in text.splitlines())}
        wanted = environment(client, asked)
        assert {name: wanted.get(name) for name in read if name in wanted} == {name: read[name] for name in read if name in wanted}
    else:
        (model,) = yaml_of(text)["models"]
        assert (model["apiBase"], model["apiKey"]) == ("http://127.0.0.1:8000/v1", asked.key)
        assert model["requestOptions"]["headers"] == asked.headers


def yaml_of(text: str) -> Any:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed here")
    return yaml.safe_load(text)
