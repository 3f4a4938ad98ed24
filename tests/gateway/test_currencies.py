"""A budget in euros on a running gateway: converted by the rate of the settings, and anew at a start that finds another."""

from __future__ import annotations

from pathlib import Path

from tests.build.gateway import RunningGateway

RATE = '[currencies]\nEUR = "{}"\n'


def test_limits_follow_the_configured_rate_at_the_next_start(tmp_path: Path) -> None:
    with RunningGateway(tmp_path, config=RATE.format("1.08")) as gateway:
        made = gateway.json("budgets", "set", "--team", "web", "--limit", "500 EUR/month")
        assert (made["limit_usd"], made["currency"], made["rate"]) == ("540.000000000", "EUR", "1.08")
        assert gateway.run("budgets", "set", "--org", "--limit", "500 CHF").returncode == 2
        gateway.stop()
        gateway.config.write_text(gateway.config.read_text().replace("1.08", "1.20"))
        gateway.start()
        budget = gateway.json("budgets", "show", str(made["id"]))
        assert (budget["limit_usd"], budget["limit_in_currency"], budget["rate"], budget["version"]) == (
            "600.000000000", "500.000000000", "1.20", 2)
        assert "a budget's limit follows the configured rate" in gateway.log.read_text()
        assert gateway.run("verify").returncode == 0


def test_a_rate_that_is_none_stops_the_start(tmp_path: Path) -> None:
    gateway = RunningGateway(tmp_path)
    gateway.config.write_text(RATE.format("1,08"))
    done = gateway.run("budgets", "list")
    assert (done.returncode, "currencies.EUR" in done.stderr) == (2, True)
