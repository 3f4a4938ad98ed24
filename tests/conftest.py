"""Fixtures for everyone: the engines a test may run on. Builders stand beside their noun in `tests/build/`.

Sockets to anything but loopback are refused by pytest-socket (`--allow-hosts` in pyproject.toml).
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.build import databases, postgres

# No example fails for having taken long: machines are shared.
settings.register_profile("shared machine", deadline=None, suppress_health_check=(HealthCheck.too_slow,))
settings.load_profile("shared machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """PostgreSQL gets its share (`databases.chosen`)."""
    items[:], rest = databases.chosen(items)
    if rest:
        config.hook.pytest_deselected(items=rest)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """A PostgreSQL server of this test process; skips where there is none."""
    yield from postgres.running()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test runs twice, once on each engine."""
    yield from databases.on_engine(request.getfixturevalue("postgresql") if request.param == "postgresql" else None)
