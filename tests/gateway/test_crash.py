"""`kill -9` at any moment: what a caller saw complete is in the books, exactly and once."""

from __future__ import annotations

import random
from pathlib import Path

from tests.build.gateway import RunningGateway
from tests.build.storm import Storm, printed
from tests.mini_upstream import MiniUpstream

CALLS, KILLS = 400, 5


def test_killed_again_and_again_under_load_the_books_agree_with_the_bill(tmp_path: Path) -> None:
    moments = random.Random(7).sample(range(20, CALLS - 40), KILLS)
    with MiniUpstream(strict=False) as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        storm = Storm(gateway, provider, gateway.key(team="hr", project="bot"), CALLS)
        storm.run(moments)
        figures = storm.reckon()
        assert gateway.run("verify").returncode == 0
    print(printed(figures))
    assert (figures.seen_complete, figures.kills) == (CALLS, KILLS)
