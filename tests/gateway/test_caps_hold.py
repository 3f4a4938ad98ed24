"""The live half of the proof (docs/budgets-proof.md), scaled to seconds; `python -m bench.caps` is the full figure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.build.caps import Caps, Figures, Provider
from tests.build.gateway import RunningGateway


@pytest.mark.slow
def test_callers_at_once_and_a_kill_the_bill_stays_below_every_cap_and_all_who_fit_are_let_in(tmp_path: Path) -> None:
    async def run() -> Figures:
        provider = Provider()
        server = await provider.serve()
        gateway = RunningGateway(tmp_path, upstream=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await asyncio.to_thread(gateway.__enter__)
        try:
            return await Caps(gateway, provider, calls=120, kills=1).run()
        finally:
            await asyncio.to_thread(gateway.stop)
            server.close()

    figures = asyncio.run(run())
    print(replace(figures, seconds=0))
    assert figures.kills == 1
    assert figures.answers["200"] > 10
    assert figures.answers["402 budget_exceeded"] > 0
