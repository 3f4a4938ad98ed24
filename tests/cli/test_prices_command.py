"""`tallystick prices` answers from the shipped book, offline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tallystick.cli import prices
from tallystick.stores.price_files import shipped
from tallystick.stores.price_opinions import NoOpinion, litellm_opinions

RUN = CliRunner()


def answer(*arguments: str, code: int = 0) -> str:
    result = RUN.invoke(prices.build(), list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_show_prints_the_rows_of_a_day_with_their_sources() -> None:
    document = json.loads(answer("show", "openai/gpt-5.6-sol", "--at", "2026-07-17", "--json"))
    (model,) = document["models"]
    (row,) = [r for r in model["rows"] if r["unit"] == "input_text" and not r["traits"] and not r["context_from"]]
    assert (row["price"], row["per"], row["valid_to"]) == ("5", 1_000_000, "2026-08-21")
    assert row["source"]["address"].startswith("https://")
    assert document["version"]


def test_show_finds_a_model_under_every_provider_that_has_it() -> None:
    document = json.loads(answer("show", "gemini-2.5-pro", "--json"))
    assert [model["provider"] for model in document["models"]] == ["google"]
    assert "grok-4.3" in answer("show", "xai/grok-4-fast-reasoning")
    assert answer("show", "no-such-model", code=2) is not None


def test_show_refuses_a_day_that_is_none() -> None:
    answer("show", "gpt-4o", "--at", "yesterday", code=2)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    for file in shipped().iterdir():
        if file.name.endswith(".jsonl"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "xai.jsonl"
    text = path.read_text()
    path.write_text(text.replace('{"model":"grok-4.3","unit":"output_text","price":"2.5"', '{"model":"grok-4.3","unit":"output_text","price":"25"'))
    assert path.read_text() != text
    return tmp_path


def test_diff_names_a_changed_price_and_its_size(newer: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    older = tmp_path_factory.mktemp("older")
    shutil.copytree(newer, older, dirs_exist_ok=True)
    (older / "xai.jsonl").write_bytes((shipped() / "xai.jsonl").read_bytes())
    (change,) = json.loads(answer("diff", str(older), str(newer), "--json"))["changes"]
    assert (change["kind"], change["id"], change["ratio"]) == ("changed", "xai:grok-4.3:output_text", "10")
    assert "no changes" in answer("diff", str(older), str(older))
    answer("diff", str(older), str(older / "nowhere"), code=2)


def test_check_without_any_second_opinion_cannot_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.stores.price_opinions.import_module", _not_installed)
    answer("check", code=2)


def test_check_names_where_a_list_disagrees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tallystick.stores.price_opinions.import_module", _not_installed)
    model_map = tmp_path / "map.json"
    model_map.write_text(json.dumps({"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-6,
                                                "output_cost_per_token": 9e-6}}))
    (one,) = json.loads(answer("check", "--litellm", str(model_map), "--at", "2026-11-20", "--json", code=1))["disagreements"]
    assert (one["model"], one["unit"], one["ours"], one["theirs"]) == ("gpt-4o", "output_text", "10", "9")
    model_map.write_text(json.dumps({"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "output_cost_per_token": 1e-5}}))
    answer("check", "--litellm", str(model_map), "--at", "2026-11-20")


@pytest.mark.parametrize("text", ["not json", "[]", '{"gpt-4o": 3}'])
def test_a_file_that_is_no_model_map_is_no_opinion(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(NoOpinion, match="not LiteLLM's model map"):
        list(litellm_opinions(path))


def test_genai_prices_mostly_agrees() -> None:
    pytest.importorskip("genai_prices")
    document = json.loads(answer("check", "--at", "2026-11-20T12:00Z", "--json", code=1))
    assert document["judged"] > 2_000
    assert len(document["disagreements"]) < 60
    assert {d["provider"] for d in document["disagreements"]} <= {"deepseek", "xai", "openrouter", "mistral", "together"}


def _not_installed(name: str) -> None:
    raise ImportError(name)
