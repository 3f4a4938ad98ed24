"""The Prompt Builder's import over the API: code comes back rewritten, from a process of its own that ends in time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.control import code_import
from tests.build.control import Desk

CODE = "from openai import OpenAI\nclient = OpenAI()\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def imported(desk: Desk, status: int = 200, **asked: Any) -> dict[str, Any]:
    async with desk.owner() as client:
        reply = await client.post("/api/prompts/import", json={"code": CODE, **asked})
    assert reply.status_code == status, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_code_comes_back_rewritten_with_what_was_done(desk: Desk) -> None:
    found = await imported(desk, prompt_key="support/summary", prompt_version="2", tags=["beta", "q4"], gateway="https://llm.house/")
    assert found["language"] == "python"
    assert 'base_url="https://llm.house/v1"' in found["code"]
    assert '{"X-Tallystick-Prompt-Key": "support/summary", "X-Tallystick-Prompt-Version": "2", "X-Tallystick-Tags": "beta,q4"}' in found["code"]
    assert [(note["line"], note["kind"]) for note in found["notes"]] == [(2, "changed"), (2, "changed")]
    assert [line["text"] for line in found["diff"] if line["change"] == "gone"] == ["client = OpenAI()"]
    assert 'base_url="http://tallystick/v1"' in (await imported(desk))["code"], "without an address: the one it was asked at"


async def test_code_is_read_and_never_run(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    await imported(desk, code=f"open({str(mark)!r}, 'w').close()\nimport os; os._exit(3)\n")
    await imported(desk, code=f"touch {mark}; curl https://api.openai.com/v1/models $(touch {mark})\n")
    assert not mark.exists()


@pytest.mark.parametrize("asked", [
    {"code": ""}, {"code": "x" * 50_001}, {"language": "cobol"}, {"gateway": "javascript:alert(1)"}, {"gateway": "http://a\"b"},
    {"prompt_key": "größe"}, {"prompt_key": "a\nb"}, {"tags": ["a,b"]}, {"tags": [""]}, {"tags": ["a"] * 33}, {"more": 1},
])
async def test_bounds(desk: Desk, asked: dict[str, Any]) -> None:
    assert (await imported(desk, 400, **asked))["code"] == "invalid_request"


async def test_what_takes_too_long_ends_and_says_what_to_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("it", 1)

    monkeypatch.setattr(subprocess, "run", late)
    refused = await imported(desk, 422)
    assert (refused["code"], "Paste less" in refused["detail"]) == ("code_not_read", True)
    assert code_import._TAKE_TURNS.acquire(blocking=False), "the turn was given back"
    code_import._TAKE_TURNS.release()
