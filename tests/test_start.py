"""What a start refuses, and says why: settings that would send calls somewhere else than was meant, and an
installation that has lost a secret.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.build.gateway import RunningGateway


@pytest.mark.parametrize(("config", "reason"), [
    ('[providers.opena]\nbase_url = "http://127.0.0.1:9"\n', "providers.opena: not a shipped provider"),
    ('[providers.chat]\nkind = "openai_compatible"\nbase_url = "http://127.0.0.1:9"\n', "no resource of /v1"),
    ('[providers.vllm]\nkind = "openai_compatible"\nbase_url = "http://127.0.0.1:9/v1"\n', "leave '/v1' out"),
])
def test_a_host_that_is_not_what_was_meant_is_refused(tmp_path: Path, config: str, reason: str) -> None:
    gateway = RunningGateway(tmp_path)
    gateway.config.write_text(config)
    refused = gateway.run("serve", "--port", "0")
    assert (refused.returncode, reason in refused.stderr) == (2, True), refused.stderr


def test_an_installation_that_lost_its_pepper_does_not_start(tmp_path: Path) -> None:
    """A new one would lock out every key that was ever issued."""
    gateway = RunningGateway(tmp_path)
    gateway.config.touch()
    gateway.key()
    (gateway.data / "pepper").unlink()
    for command in (("serve", "--port", "0"), ("keys", "create")):
        lost = gateway.run(*command)
        assert (lost.returncode, "pepper is missing" in lost.stderr) == (2, True), lost.stderr


def test_a_configured_credential_that_is_not_in_the_environment_is_said(tmp_path: Path) -> None:
    config = '[providers.openai.credentials.default]\nenv = "NOT_SET_ANYWHERE"\n'
    with RunningGateway(tmp_path, config=config) as gateway:
        pass
    assert "NOT_SET_ANYWHERE" in gateway.log.read_text()
