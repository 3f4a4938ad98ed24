"""`tallystick connect` shows and writes what a client needs; `tallystick run` gives it to one command, and is that command
from then on: its exit code, its signals, its output.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.build.commands import SOURCE
from tests.build.gateway import ADMIN, RunningGateway

KEY = "tsk_some_key_text"
PATIENCE_S = 60.0


class Shell:
    """The command as somebody's terminal runs it, with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(SOURCE), "TALLYSTICK_DATA": str(home / "data"), "COLUMNS": "200"}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tallystick", *words]

    def __call__(self, *words: str, said: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words), env=self.env | env, cwd=self.home, input=said, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_client_is_shown_with_address_key_and_headers(shell: Shell) -> None:
    done = shell("connect", "openai-python", "--gateway", "https://gateway.example", "--team", "growth", "--tag", "nightly", "--tag", "tier=a,b",
                 "--prompt", "welcome@3", TALLYSTICK_KEY=KEY)
    assert done.returncode == 0, done.stderr
    for line in ('base_url="https://gateway.example/v1",', f'api_key="{KEY}",', '"X-Tallystick-Team": "growth",',
                 '"X-Tallystick-Tags": "nightly,tier=a%2Cb",', '"X-Tallystick-Prompt-Key": "welcome",', '"X-Tallystick-Prompt-Version": "3",',
                 "export OPENAI_BASE_URL='https://gateway.example/v1'", "(run by our tests)"):
        assert line in done.stdout, done.stdout
    document = json.loads(shell("connect", "openai-python", "--json").stdout)
    assert document["environment"]["OPENAI_API_KEY"] == "YOUR_KEY"
    assert "http://127.0.0.1:8000/v1" in document["forms"][0]["text"], "the settings' own address"


def test_clients_are_listed_and_a_slip_is_answered(shell: Shell) -> None:
    listed = json.loads(shell("connect", "--list", "--json").stdout)
    assert {"id": "cursor", "name": "Cursor", "group": "tool", "tested": "documented"} in listed
    wrong = shell("connect", "claudecode")
    assert (wrong.returncode, "did you mean claude-code?" in wrong.stderr) == (2, True)


def test_a_value_that_no_client_can_send_is_said(shell: Shell) -> None:
    done = shell("connect", "curl", "--team", "Büro")
    assert done.returncode == 2
    assert "printable ASCII" in done.stderr


def test_a_settings_file_is_written_after_its_change_was_shown(shell: Shell) -> None:
    path = shell.home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"env": {"DEBUG": "1"}}')
    asked = ("connect", "claude-code", "--write", "--gateway", "http://127.0.0.1:8000")

    refused = shell(*asked, TALLYSTICK_KEY=KEY)
    assert refused.returncode == 2, "nobody said yes"
    assert path.read_text() == '{"env": {"DEBUG": "1"}}'
    assert '+    "ANTHROPIC_BASE_URL": "http://127.0.0.1:8000"' in refused.stdout
    assert KEY not in refused.stdout

    done = shell(*asked, "--yes", TALLYSTICK_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["env"] == {"DEBUG": "1", "ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_BASE_URL": "http://127.0.0.1:8000"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "says so already" in shell(*asked, "--yes", TALLYSTICK_KEY=KEY).stdout


def test_a_file_that_is_damaged_or_wants_a_key_is_left_alone(shell: Shell) -> None:
    path = shell.home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text("{ not json")
    assert "was left alone" in shell("connect", "claude-code", "--write", "--yes", TALLYSTICK_KEY=KEY).stderr
    assert path.read_text() == "{ not json"
    assert "wants a key" in shell("connect", "gemini-cli", "--write", "--yes").stderr
    assert "no settings file" in shell("connect", "curl", "--write", "--yes").stderr


def test_codex_keeps_its_model_and_reads_the_key_elsewhere(shell: Shell) -> None:
    path = shell.home / ".codex" / "config.toml"
    path.parent.mkdir()
    path.write_text('model = "gpt-5.5"\n')
    done = shell("connect", "codex", "--write", "--yes", TALLYSTICK_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert 'model = "gpt-5.5"' in path.read_text()
    assert KEY not in path.read_text()
    assert f"export TALLYSTICK_KEY='{KEY}'" in done.stdout


# --- run ------------------------------------------------------------------------------------------

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def environment_of(shell: Shell, *words: str, **env: str) -> dict[str, str]:
    done = shell("run", *words, "--", sys.executable, "-c", SHOW, TALLYSTICK_KEY=KEY, **env)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stderr
    return dict(json.loads(done.stdout))


def test_a_command_has_every_clients_variables(shell: Shell) -> None:
    env = environment_of(shell, "--gateway", "http://127.0.0.1:8000", "--team", "growth", "--tag", "ci", GOOGLE_API_KEY="theirs", KEPT="1",
                         TALLYSTICK_TOKEN="tsp_mine")
    assert env["OPENAI_BASE_URL"] == env["OPENAI_API_BASE"] == "http://127.0.0.1:8000/v1"
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8000", "Anthropic's own SDK goes before the one that wants /v1"
    assert {env[name] for name in ("OPENAI_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GROQ_API_KEY", "CO_API_KEY", "MISTRAL_API_KEY")} == {KEY}
    assert env["OPENAI_CUSTOM_HEADERS"] == "X-Tallystick-Team: growth\nX-Tallystick-Tags: ci"
    assert env["KEPT"] == "1"
    assert "GOOGLE_API_KEY" not in env, "it would win over ours"
    assert "TALLYSTICK_TOKEN" not in env
    assert "AWS_BEARER_TOKEN_BEDROCK" not in env, "over plain HTTP it would not be sent"
    assert environment_of(shell, "--gateway", "https://g.example")["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == "https://g.example/proxy/bedrock"


def test_one_clients_variables_alone(shell: Shell) -> None:
    env = environment_of(shell, "--client", "vercel-ai", "--gateway", "http://127.0.0.1:8000")
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8000/v1"
    assert "GROQ_BASE_URL" not in env


def test_a_tool_gets_its_own_variables(shell: Shell) -> None:
    tool = shell.home / "claude"
    tool.write_text("#!/bin/sh\nenv\n")
    tool.chmod(0o755)
    done = shell("run", "--", str(tool), TALLYSTICK_KEY=KEY)
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:8000\n" in done.stdout
    assert "OPENAI_BASE_URL" not in done.stdout


@pytest.mark.parametrize(("program", "code"), [("raise SystemExit(7)", 7), ("raise SystemExit(0)", 0)])
def test_it_exits_as_the_command_does(shell: Shell, program: str, code: int) -> None:
    assert shell("run", "--", sys.executable, "-c", program, TALLYSTICK_KEY=KEY).returncode == code


def test_options_after_the_command_are_the_commands(shell: Shell) -> None:
    done = shell("run", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--team", "x", "--help", TALLYSTICK_KEY=KEY)
    assert done.stdout == "['--team', 'x', '--help']\n"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_reaches_the_command(shell: Shell, sent: signal.Signals) -> None:
    program = "import signal, sys\nfor s in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):\n" \
              "    signal.signal(s, lambda number, _: sys.exit(100 + number))\nprint('ready', flush=True)\nsignal.pause()\n"
    with subprocess.Popen(shell.words("run", "--", sys.executable, "-c", program), env=shell.env | {"TALLYSTICK_KEY": KEY},
                          stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(sent)
        assert running.wait(PATIENCE_S) == 100 + sent


def test_what_kills_the_command_killed_it(shell: Shell) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert shell("run", "--", sys.executable, "-c", program, TALLYSTICK_KEY=KEY).returncode == -signal.SIGKILL


def test_without_a_key_or_a_command_it_says_so(shell: Shell) -> None:
    assert "Whose key?" in shell("run", "--", "true").stderr
    missing = shell("run", "--", "no-such-command-here", TALLYSTICK_KEY=KEY)
    assert (missing.returncode, "no such command" in missing.stderr) == (127, True)
    plain = shell.home / "plain"
    plain.write_text("no program")
    plain.chmod(0o755)
    assert shell("run", "--", str(plain), TALLYSTICK_KEY=KEY).returncode == 126


# --- a key made for it ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def token(gateway: RunningGateway, *scopes: str) -> str:
    login = httpx.post(f"{gateway.url}/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}, timeout=PATIENCE_S)
    made = httpx.post(f"{gateway.url}/api/tokens", json={"scopes": list(scopes)}, timeout=PATIENCE_S,
                      headers={"Authorization": f"Bearer {login.json()['access_token']}"})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def test_a_key_is_made_in_the_tokens_name_and_ends_by_itself(shell: Shell, gateway: RunningGateway) -> None:
    done = shell("run", "--gateway", gateway.url, "--new-key", "--team", "growth", "--sandbox", "--client", "openai-python", "--",
                 sys.executable, "-c", "from openai import OpenAI\nr = OpenAI().chat.completions.create(model='gpt-4o-mini', "
                 "messages=[{'role': 'user', 'content': 'Hello'}])\nprint(r.object)", TALLYSTICK_TOKEN=token(gateway, "keys:write"))
    assert (done.returncode, done.stdout) == (0, "chat.completion\n"), done.stderr
    (call,) = gateway.calls(at_least=1, kind="sandbox")
    assert (call["team"], call["method"]) == ("growth", "sandbox")
    (key,) = [key for key in gateway.json("keys", "list")["keys"] if key["name"].startswith("run ")]
    assert key["expires_at"] is not None


def test_a_token_that_may_not_make_keys_is_told_so(shell: Shell, gateway: RunningGateway) -> None:
    done = shell("connect", "curl", "--gateway", gateway.url, "--new-key", TALLYSTICK_TOKEN=token(gateway, "keys:read"))
    assert done.returncode == 2
    assert "made no key (403)" in done.stderr
    assert "needs a personal access token" in shell("connect", "curl", "--new-key").stderr
