"""Every recorded exchange once through the running gateway, over real sockets: the reply comes out
byte for byte, the ledger has the usage that was billed, and what the provider says it charged."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tallystick.core.money import to_nanos
from tests.build.corpus import everything, exchanges, is_ours, present
from tests.build.gateway import RunningGateway
from tests.build.replay import replayed
from tests.mini_upstream import MiniUpstream

SHARE_EXACT_MIN = Decimal("0.995")

# The reply shows that usage was asked for, the recorded request does not: what was not asked for is taken out.
ASKED_UNSEEN = frozenset({"97c09656aecb1f23", "d842b938a699a60a"})


@pytest.mark.skipif(not present(), reason="the recorded traffic is not here (TALLYSTICK_SHARED)")
def test_recorded_traffic_comes_out_as_it_went_in_and_is_booked_as_it_was_billed(tmp_path: Path) -> None:
    rows = [row for row in exchanges() if row.method in ("GET", "POST") and (row.request is not None or row.method == "GET")]
    wrong: dict[str, object] = {}
    billable = 0
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway, httpx.Client(timeout=30) as client:
        key = gateway.key(team="recorded", project="all")
        answers = [(row, replayed(row, key, gateway, provider, client)) for row in rows]
        for row, answer in answers:
            assert answer.status_code == row.status, row.id
            assert answer.content == row.body or row.id in ASKED_UNSEEN, row.id
            call = gateway.call(answer.headers["x-tallystick-request-id"])
            if not row.billable or row.expected is None:
                continue
            billable += 1
            usage = {name: Decimal(count) for name, count in row.expected["usage"].items() if count}
            if {name: Decimal(count) for name, count in call["usage"].items()} != usage:
                wrong[row.id] = (call["usage"], usage)
            stated = row.expected.get("provider_cost_usd")
            if stated is not None:
                assert call["cost_nanos"] == to_nanos(Decimal(stated)), row.id
                assert call["method"] == "stated", row.id
        verified = gateway.run("verify")
    assert verified.returncode == 0, verified.stdout
    print(f"{billable} billable exchanges, {len(wrong)} read otherwise: {wrong}")
    assert billable > 1_500
    assert len(wrong) <= billable * (1 - SHARE_EXACT_MIN), wrong


@pytest.mark.skipif(not present(), reason="the recorded traffic is not here (TALLYSTICK_SHARED)")
def test_what_strangers_sent_passes_unchanged_and_is_unpriced_at_most(tmp_path: Path) -> None:
    """Hosts of the operator's own that we know nothing of but an address."""
    rows = [row for row in everything() if row.transport == "http" and not is_ours(row)]
    with MiniUpstream() as provider:
        hosts = "".join(f'[providers.{name}]\nkind = "openai_compatible"\nbase_url = "{provider.url}"\n' for name in sorted({row.provider for row in rows}))
        with RunningGateway(tmp_path, upstream=provider.url, config=hosts) as gateway, httpx.Client(timeout=30) as client:
            key = gateway.key(team="recorded", project="strangers")
            for row in rows:
                answer = replayed(row, key, gateway, provider, client)
                assert (answer.status_code, answer.content) == (row.status, row.body), row.id
                call = gateway.call(answer.headers["x-tallystick-request-id"])
                assert call["cost_nanos"] == 0, row.id
                assert call["method"] == "unpriced" or call["basis"] in ("zero_proven", "deferred"), row.id
            assert gateway.run("verify").returncode == 0
    assert len(rows) > 150
