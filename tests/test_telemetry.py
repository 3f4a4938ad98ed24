"""What is counted, and that nothing is counted twice or counted as money that was none."""

from __future__ import annotations

from tallystick.telemetry import Telemetry
from tests.build.journal import settlement


def figures(telemetry: Telemetry) -> dict[str, str]:
    lines = telemetry.exposition().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "_created" not in line)


def test_a_settled_attempt_counts_once_with_its_tokens_and_its_cost() -> None:
    telemetry = Telemetry("0")
    telemetry.observe_settlement("openai", settlement())
    model = 'model="gpt-4o-2024-08-06",provider="openai"'
    assert figures(telemetry)[f'tallystick_requests_total{{{model},status_class="2xx"}}'] == "1.0"
    assert figures(telemetry)[f'tallystick_tokens_total{{kind="input",{model}}}'] == "1200.0"
    assert figures(telemetry)[f"tallystick_cost_dollars_total{{{model}}}"] == "0.004505"


def test_a_job_is_one_attempt_when_it_settles_not_two() -> None:
    telemetry = Telemetry("0")
    telemetry.observe_settlement("openai", settlement(outcome="deferred", basis="deferred", usage=None, lines=(), cost_nanos=0))
    assert not any(name.startswith(("tallystick_requests", "tallystick_settlements")) for name in figures(telemetry))
    assert figures(telemetry)['tallystick_deferred_total{provider="openai"}'] == "1.0"
    telemetry.observe_settlement("openai", settlement())
    assert [value for name, value in figures(telemetry).items() if name.startswith("tallystick_requests")] == ["1.0"]
    assert figures(telemetry)["tallystick_upstream_seconds_count"] == "1.0"


def test_a_job_whose_result_nobody_fetched_is_counted_with_what_it_was_booked_at() -> None:
    telemetry = Telemetry("0")
    telemetry.observe_given_up(settlement(outcome="recovered", basis="worst_case", cost_nanos=50_000_000))
    assert figures(telemetry)["tallystick_deferred_given_up_total"] == "1.0"
    assert figures(telemetry)["tallystick_deferred_given_up_cost_dollars_total"] == "0.05"


def test_a_sandbox_call_is_counted_apart() -> None:
    telemetry = Telemetry("0")
    telemetry.observe_settlement("openai", settlement(method="sandbox", cost_nanos=0, would_be_nanos=4_505_000))
    assert figures(telemetry)['tallystick_sandbox_total{provider="openai"}'] == "1.0"
    assert not any(name.startswith(("tallystick_requests", "tallystick_tokens", "tallystick_cost")) for name in figures(telemetry))
