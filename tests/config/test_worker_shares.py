"""What the settings bound is bounded for all workers together."""

from __future__ import annotations

import pytest
from msgspec.structs import asdict

from tallystick.config import Drain, Gateway, Limits, Server, Settings
from tallystick.workers import DIVIDED, share_of

MIB = 1 << 20


def settings(workers: int, **limits: int) -> Settings:
    return Settings(server=Server(workers=workers), gateway=Gateway(limits=Limits(**limits), drain=Drain(at_once_max=256)))


@pytest.mark.parametrize("workers", [1, 2, 3, 64])
def test_together_they_take_no_more_than_was_given_for_all(workers: int) -> None:
    given = settings(workers)
    share = share_of(given)
    for name in DIVIDED:
        all_of_them = workers * getattr(share.gateway.limits, name)
        assert all_of_them <= max(workers, getattr(given.gateway.limits, name))
    assert workers * share.gateway.drain.at_once_max <= 256
    undivided = asdict(share.gateway.limits).items() - asdict(given.gateway.limits).items()
    assert {name for name, _ in undivided} <= {*DIVIDED, "bodies_bytes_max"}, "deadlines and sizes of one call stay"


def test_one_worker_has_everything() -> None:
    given = settings(1, bodies_bytes_max=MIB)
    assert share_of(given) == given


def test_a_share_has_room_for_one_body_and_is_never_nothing() -> None:
    share = share_of(settings(64, calls_per_key_max=10, bodies_bytes_max=512 * MIB, body_bytes_max=32 * MIB)).gateway.limits
    assert (share.calls_per_key_max, share.bodies_bytes_max) == (1, 32 * MIB)
