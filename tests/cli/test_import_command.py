"""Coming from LiteLLM: each line is accounted for, what comes of it is what our own commands take, and no secret moves."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tallystick.config import load
from tests.build.commands import document, tallystick

pytest.importorskip("yaml", reason="PyYAML is not installed here")
THEIRS = Path(__file__).parents[1] / "connect" / "litellm"
CONFIG, KEYS, TEAMS = (str(THEIRS / name) for name in ("config.yaml", "keys.json", "teams.json"))


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`import litellm` takes no data directory: it touches none."""
    import os
    import sys

    from tests.build.commands import SOURCE
    return subprocess.run([sys.executable, "-m", "tallystick", "import", "litellm", *words], cwd=folder, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"}, check=False)


def read(*words: str, folder: Path) -> Any:
    done = run(*words, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(report: Any, where: str) -> tuple[str, str]:
    (found,) = [found for found in report["findings"] if found["where"] == where]
    return found["verdict"], found["text"]


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    report = read(CONFIG, folder=tmp_path)
    lines = (THEIRS / "config.yaml").read_text().splitlines()
    told = {found["line"] for found in report["findings"]}
    silent = [line.strip() for number, line in enumerate(lines, 1) if number not in told and ":" in line]
    headings = ("model_list:", "litellm_params:", "model_info:", "litellm_settings:", "router_settings:", "general_settings:",
                "environment_variables:", "default_key_generate_params:", "provider_budget_config:", "openai:")
    spoken_for = ("model:", "- model_name: strange", "budget_duration:", "time_period:")      # by the line beside them
    assert [line for line in silent if line not in headings and not line.startswith(spoken_for)] == []


def test_what_became_of_each_kind_of_line(tmp_path: Path) -> None:
    report = read(CONFIG, folder=tmp_path)
    for where, verdict, says in (
        ("model_list gpt-4o-mini", "taken", "nothing has to be listed"), ("model_list fast", "differently", "asks openai for 'gpt-4o-mini'"),
        ("model_list fast timeout", "not taken", "Callers choose"), ("model_list claude temperature", "not taken", "passed on as it is"),
        ("model_list claude api_key", "not taken", "tallystick credentials set anthropic"), ("model_list strange", "not taken", "'nobody/knows'"),
        ("model_list gpt-4o base_model", "taken", "priced as 'gpt-4o'"), ("model_list gpt-4o input_cost_per_token", "taken", "$2.2 a million"),
        ("model_list llama api_base", "differently", "/proxy/gpu-internal/v1"), ("model_list llama input_cost_per_token", "taken", "free = true"),
        ("litellm_settings.max_budget", "taken", "$500 per 30d on org"), ("litellm_settings.default_key_generate_params max_budget", "taken", "key:*"),
        ("litellm_settings.a_setting_of_tomorrow", "not taken", "does not know"), ("router_settings.redis_host", "not taken", "No Redis"),
        ("router_settings.provider_budget_config.openai", "taken", "$12.5 per 1d on provider:openai"),
        ("general_settings.master_key", "not taken", "no master key"), ("include", "not taken", "import each of them"),
    ):
        assert (said(report, where)[0], says in said(report, where)[1]) == (verdict, True), (where, said(report, where))


def test_no_secret_is_copied_and_nothing_is_written_unasked(tmp_path: Path) -> None:
    for done in (run(CONFIG, folder=tmp_path), run(CONFIG, "--json", "--out", "made", folder=tmp_path)):
        assert done.returncode == 0, done.stderr
        for secret in ("sk-ant-written-in-the-file", "sk-master-in-the-file", "sk-lf-in-the-file"):
            assert secret not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert "sk-" not in "".join(path.read_text() for path in (tmp_path / "made").iterdir())
    again = run(CONFIG, "--out", "made", folder=tmp_path)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    read(CONFIG, "--keys", KEYS, "--teams", TEAMS, "--out", "made", folder=tmp_path)
    return tmp_path / "made"


def test_the_settings_are_settings(written: Path) -> None:
    settings = load(data=written, config=written / "tallystick.toml", environ={})
    providers = settings.providers
    assert {name: credential.env for name, credential in providers["openai"].credentials.items()} == {
        "default": "OPENAI_API_KEY", "openai-key-two": "OPENAI_KEY_TWO"}
    assert (providers["azure"].base_url, providers["azure"].models) == ("https://our-resource.openai.azure.com", {"our-gpt4o": "gpt-4o"})
    assert (providers["gpu-internal"].kind, providers["gpu-internal"].base_url, providers["gpu-internal"].free) == (
        "openai_compatible", "http://gpu.internal:8000", True)


def test_rules_prices_and_keys_are_what_our_commands_take(written: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = document("keys", "create", "--from", str(written / "keys.csv"), "--out", str(tmp_path / "made.csv"), data=data)
    assert made
    with (tmp_path / "made.csv").open(newline="") as file:
        (key,) = list(csv.DictReader(file))
    assert (key["name"], key["team"], key["user"]) == ("search-backend", "search", "ada")
    for line in (written / "prices.sh").read_text().splitlines():
        done = subprocess.run(["sh", "-c", f"set -- {line}\nshift\nprintf '%s\\n' \"$@\""], capture_output=True, text=True, check=True)
        assert tallystick(*done.stdout.splitlines(), data=data).returncode == 0
    assert len(document("prices", "overrides", "list", data=data)["overrides"]) == 2

    again = read(CONFIG, "--keys", KEYS, "--teams", TEAMS, "--made", str(tmp_path / "made.csv"), folder=tmp_path)
    assert "keys.csv" not in again["files"], "it is made"
    applied = document("apply", "-f", "-", "--yes", data=data, said=again["files"]["rules.toml"])
    assert applied["applied"]
    budgets = {(budget["scope"], budget["value"]): (budget["limit_usd"], budget["window"]) for budget in document("budgets", "list", data=data)["budgets"]}
    assert budgets == {
        ("org", ""): ("500.000000000", "month"), ("key", "*"): ("1.500000000", "week"), ("provider", "openai"): ("12.500000000", "day"),
        ("team", "search"): ("100.000000000", "month"), ("key", key["id"]): ("20.000000000", "month")}
    policies = {(policy["kind"], policy["on"]): policy["parameters"] for policy in document("policies", "list", data=data)["policies"]}
    assert policies["rates", "model:gpt-4o-mini"] == {"requests": 100, "tokens": 20_000, "window": "minute"}
    assert policies["rates", "team:search"] == {"requests": 30, "window": "minute"}
    assert policies["model_access", f"key:{key['id']}"] == {"allow_models": ["claude-sonnet-4-5", "gpt-4o-mini"]}
    assert document("apply", "-f", "-", "--yes", data=data, said=again["files"]["rules.toml"])["changes"] == []


@pytest.mark.parametrize(("text", "says"), [
    ("model_list: [", "no YAML"), ("a: &a [*a]\n", "no YAML"), ("\t- x", "no YAML"), ("!!python/object/apply:os.system ['true']\n", ""), ("", ""),
])
def test_a_file_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    done = run("config.yaml", folder=tmp_path)
    assert (done.returncode, says in done.stderr) == (2 if says else 0, True), done.stderr


def test_a_bomb_is_too_much(tmp_path: Path) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    (tmp_path / "config.yaml").write_text(text)
    done = run("config.yaml", folder=tmp_path)
    assert (done.returncode, "too much" in done.stderr) == (2, True), done.stderr
