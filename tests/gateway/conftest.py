"""One provider and one gateway for a module: the tests here are about calls, not about starting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.build.gateway import RunningGateway
from tests.mini_upstream import MiniUpstream


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with MiniUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("gateway"), upstream=provider.url) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key(team="hr", project="bot")
