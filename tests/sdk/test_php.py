"""PHP with Guzzle: its page of documentation as it stands, and what an application meets besides. PHP and
Guzzle are Debian's (`.ci/run` installs them); where they are missing these tests are skipped, and say so."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mini_upstream import Gate, MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import PATIENCE_S, PROVIDER_KEY, Gateway
from tests.sdk.node import programs

HERE = Path(__file__).resolve().parent / "php"
GUZZLE = Path("/usr/share/php/GuzzleHttp/autoload.php")
PAGE = programs.blocks("php-guzzle", "php")
MODEL, CHAT = "gpt-4o-mini", "/v1/chat/completions"
COST_NANOS = programs.COST_NANOS[MODEL]

pytestmark = pytest.mark.skipif(
    shutil.which("php") is None or not GUZZLE.exists(), reason="PHP or Guzzle is not installed here: apt-get install php-cli php-curl php-guzzlehttp-guzzle")


def php(folder: Path, gateway: Gateway, program: str, *words: str, environment: str = "") -> tuple[str, str]:
    """Run a program; what it printed, and the id of its call, which is the last line of it. The package is
    found where Composer would have put it."""
    vendor = folder / "vendor"
    vendor.mkdir()
    (vendor / "autoload.php").write_text(f"<?php require '{GUZZLE}';")
    (folder / "program.php").write_text(programs.here(program, gateway), encoding="utf-8")
    run = subprocess.run(
        ["sh", "-c", programs.here(environment, gateway) + '\nexec php program.php "$@"', "sh", *words],
        cwd=folder, env={"PATH": "/usr/local/bin:/usr/bin:/bin"}, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    printed, _, request_id = run.stdout.removesuffix("\n").rpartition("\n")
    return printed, request_id


def own(name: str) -> str:
    return (HERE / f"{name}.php").read_text(encoding="utf-8")


@pytest.mark.parametrize("program", ["in-the-code", programs.FROM_THE_ENVIRONMENT, "streaming"])
def test_the_page(gateway: Gateway, provider: MiniUpstream, tmp_path: Path, program: str) -> None:
    provider.expect("POST", CHAT, replies.chat_stream(MODEL) if program == "streaming" else replies.chat(MODEL))
    environment = programs.blocks("php-guzzle", "sh").get(program, "")
    printed, request_id = php(tmp_path, gateway, PAGE[program], environment=environment)
    assert printed == "Hello there"
    programs.exact(gateway, request_id, cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE)
    sent = provider.bill[-1].request
    assert sent.header(b"authorization") == b"Bearer sk-stored-openai"


def test_attribution_of_a_client_and_of_a_call(gateway: Gateway, provider: MiniUpstream, tmp_path: Path) -> None:
    provider.expect("POST", CHAT, replies.chat(MODEL))
    printed, request_id = php(tmp_path, gateway, PAGE["saying-what-a-call-is-for"])
    assert printed == "0.000072900"
    programs.claims(
        programs.exact(gateway, request_id, cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE), team="growth", agent="triage", user="ada")
    assert b"tallystick" not in provider.bill[-1].request.head.lower()


def test_a_project_token_beside_the_callers_own_key(gateway: Gateway, provider: MiniUpstream, tmp_path: Path) -> None:
    provider.expect("POST", CHAT, replies.chat(MODEL))
    printed, request_id = php(tmp_path, gateway, own("project_token"), gateway.key("acm"))
    assert printed == "Hello there"
    programs.exact(gateway, request_id, cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE)
    assert provider.bill[-1].request.header(b"authorization") == b"Bearer " + PROVIDER_KEY.encode()


def test_who_closes_a_stream_is_booked_what_was_billed(gateway: Gateway, provider: MiniUpstream, tmp_path: Path) -> None:
    gate = Gate()
    provider.expect("POST", CHAT, programs.paused(replies.chat_stream(MODEL), gate, 2))
    printed, request_id = php(tmp_path, gateway, own("leaves"))
    programs.go_on(gateway, gate)
    assert printed == "left"
    call = programs.exact(gateway, request_id, cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE)
    assert call["outcome"] == "client_gone"


def test_the_providers_error_is_guzzles_own(gateway: Gateway, provider: MiniUpstream, tmp_path: Path) -> None:
    provider.expect("POST", CHAT, programs.busy({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}))
    printed, request_id = php(tmp_path, gateway, own("fails"), gateway.key("tallystick"), "chat/completions")
    assert printed == r"GuzzleHttp\Exception\ClientException 429 rate_limit_exceeded"
    call = gateway.call(request_id)
    assert (call["status"], call["basis"], call["cost_nanos"]) == (429, "zero_proven", 0)


@pytest.mark.parametrize(("path", "printed"), [
    ("chat/completions", "401 invalid_api_key"),
    ("/chat/completions", "404 not_found"),
], ids=["a-key-never-issued", "a-path-that-begins-with-a-slash"])
def test_our_refusal_is_guzzles_own_error(gateway: Gateway, tmp_path: Path, path: str, printed: str) -> None:
    said, _ = php(tmp_path, gateway, own("fails"), "tsk_never_issued", path)
    assert said == rf"GuzzleHttp\Exception\ClientException {printed}"
