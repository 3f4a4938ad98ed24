"""Fair shares: whoever takes more than theirs waits, and nobody else does."""

from __future__ import annotations

import asyncio
from collections import Counter
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import Denied
from tallystick.core.identity import Principal
from tallystick.edge.credentials import Caller, present
from tallystick.core.guesses import NETWORKS_MAX
from tallystick.edge.doors import Doors, Seat, Shares, Stay
from tallystick.edge.gate import GateHooks, GateLimits
from tallystick.edge.paths import Target, resolve
from tests.build.edge import PROVIDERS, Issued, answer
from tests.build.gate import Echo, gate, read_replies, statuses

WAIT_S = 20
PROXIES = (ip_network("10.0.0.0/8"),)
TARGET = resolve("POST", b"/v1/chat/completions", b"", {}, PROVIDERS)
ANYBODY = Principal("anonymous", "default", anonymous=True)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def ask(doors: Doors, keyring: Issued, key: str, *, client: str = "192.0.2.1", forwarded: str | None = None,
        anonymous: Principal | None = None, header: bytes = b"x-tallystick-key") -> Caller | Denied:
    assert isinstance(TARGET, Target)
    headers = [(header, key.encode())] + ([(b"x-forwarded-for", forwarded.encode())] if forwarded else [])
    scope: dict[str, Any] = {"client": (client, 1), "headers": headers}
    return answer(doors.identify(scope, present(TARGET, dict(headers), keyring), keyring, anonymous=anonymous, sandbox=True))


def code(found: Caller | Denied) -> str:
    return found.code if isinstance(found, Denied) else "caller"


# --- wrong keys


def test_after_some_wrong_keys_an_address_waits_and_another_does_not() -> None:
    clock, keyring = Clock(), Issued("tsk_good")
    doors = Doors(Shares(wrong_keys_per_minute_max=3), clock)
    assert [code(ask(doors, keyring, f"tsk_{n}")) for n in range(5)] == ["invalid_api_key"] * 3 + ["rate_limited"] * 2
    assert "tsk_3" not in keyring.asked      # nothing was looked up for it
    refused = ask(doors, keyring, "tsk_9")
    assert isinstance(refused, Denied)
    assert refused.retry_after_s is not None
    assert 0 < refused.retry_after_s <= 61
    assert code(ask(doors, keyring, "tsk_9", client="192.0.2.2")) == "invalid_api_key"
    clock.now_s += refused.retry_after_s
    assert code(ask(doors, keyring, "tsk_5")) == "invalid_api_key"


def test_a_key_in_use_goes_on_working_beside_a_broken_client() -> None:
    keyring = Issued("tsk_good", "tsk_new")
    doors = Doors(Shares(wrong_keys_per_minute_max=1), Clock())
    assert code(ask(doors, keyring, "tsk_good")) == "caller"
    assert code(ask(doors, keyring, "tsk_wrong")) == "invalid_api_key"
    assert [code(ask(doors, keyring, key)) for key in ("tsk_good", "tsk_new", "tsk_wrong")] == ["caller", "rate_limited", "rate_limited"]


def test_a_key_that_cannot_be_looked_up_is_taken_for_nobodys_provider_key() -> None:
    """An issued key need not look like one: unasked, it must not go upstream as the caller's own credential."""
    keyring = Issued("looks-like-anything")
    doors = Doors(Shares(wrong_keys_per_minute_max=1), Clock())
    ask(doors, keyring, "tsk_wrong")
    assert code(ask(doors, keyring, "looks-like-anything", anonymous=ANYBODY, header=b"authorization")) == "rate_limited"


def test_behind_a_trusted_proxy_the_callers_address_counts() -> None:
    keyring = Issued()
    doors = Doors(Shares(wrong_keys_per_minute_max=1, trusted=PROXIES), Clock())
    asked = [ask(doors, keyring, "tsk_x", client="10.0.0.1", forwarded=hops)
             for hops in ("198.51.100.1", "198.51.100.2", "forged, 198.51.100.1", "198.51.100.9, 10.1.1.1")]
    assert list(map(code, asked)) == ["invalid_api_key", "invalid_api_key", "rate_limited", "invalid_api_key"]


def test_a_forwarding_header_of_anybody_elses_changes_nothing() -> None:
    keyring = Issued()
    doors = Doors(Shares(wrong_keys_per_minute_max=1), Clock())
    assert [code(ask(doors, keyring, "tsk_x", forwarded=f"198.51.100.{n}")) for n in range(2)] == ["invalid_api_key", "rate_limited"]


def test_one_network_of_ipv6_is_one_address_and_memory_is_bounded() -> None:
    keyring = Issued()
    doors = Doors(Shares(wrong_keys_per_minute_max=1), Clock())
    asked = [ask(doors, keyring, "tsk_x", client=client) for client in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")]
    assert list(map(code, asked)) == ["invalid_api_key", "rate_limited", "invalid_api_key"]
    for n in range(NETWORKS_MAX + 10):
        ask(doors, keyring, "tsk_x", client=f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(doors._wrong._wrong) == NETWORKS_MAX


# --- what is taken is given back


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 9)), max_size=40))
def test_what_calls_take_is_never_beyond_the_share_and_comes_back(steps: list[tuple[str, bool, int]]) -> None:
    doors = Doors(Shares(calls_per_key_max=2, bodies_bytes_max=20), Clock())
    running: list[tuple[str, Stay]] = []
    for key, arrives, size in steps:
        if arrives:
            stay = Stay(doors)
            if stay.begin(key) is None:
                running.append((key, stay))
            else:
                assert Counter(name for name, _ in running)[key] == 2
            stay.hold(size) if running and running[-1][1] is stay else stay.end()
        elif running:
            running.pop(size % len(running))[1].end()
        assert doors.body_bytes <= 20
        assert max(Counter(name for name, _ in running).values(), default=0) <= 2
    for _, stay in running:
        stay.end()
        stay.end()
    assert (doors.body_bytes, doors._calls) == (0, {})


def test_a_body_beyond_the_budget_is_refused_until_another_goes() -> None:
    doors = Doors(Shares(bodies_bytes_max=10), Clock())
    first, second = Stay(doors), Stay(doors)
    assert first.hold(8) is None
    denied = second.hold(3)
    assert denied is not None
    assert (denied.code, denied.retry_after_s) == ("overloaded", 1)
    first.end()
    assert second.hold(3) is None


# --- connections


def test_a_proxy_and_a_local_socket_have_no_share() -> None:
    doors = Doors(Shares(connections_per_address_max=1, trusted=PROXIES), Clock())
    assert [doors.enter(("10.0.0.1", n)) for n in range(3)] == [Seat(None)] * 3
    assert doors.enter(None) == Seat(None)
    seats = [doors.enter(("192.0.2.1", n)) for n in range(3)] + [doors.enter(("::ffff:192.0.2.1", 9))]
    assert [(seat.crowded, seat.overrun) for seat in seats] == [(False, False), (True, False), (True, True), (True, True)]
    for seat in seats:
        doors.leave(seat)
    assert doors._connections == {}


@pytest.mark.parametrize("open_before", [1, 2])
async def test_connections_beyond_an_addresss_share_are_told_so_and_then_closed(open_before: int) -> None:
    doors = Doors(Shares(connections_per_address_max=1), Clock())
    async with asyncio.timeout(WAIT_S), gate(Echo(), GateLimits(), doors) as gateway:
        others = [await gateway.connect() for _ in range(open_before)]
        reader, writer = await gateway.connect()
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
        raw = await read_replies(reader)
        if open_before == 1:
            assert statuses(raw) == [429]
            assert b"retry-after: 1" in raw
            assert gateway.refusals == ["too_many_at_once"]
        else:
            assert raw == b""
        others[0][1].write(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
        assert statuses(await read_replies(others[0][0])) == [200]     # who was there before goes on
        for _, each in (*others, (reader, writer)):
            each.close()
        while doors._connections:            # until the gate has seen them go
            await asyncio.sleep(0)


def test_the_gate_has_doors_of_its_own_where_none_are_given() -> None:
    assert GateHooks(lambda: "req_1").doors is not GateHooks(lambda: "req_1").doors
