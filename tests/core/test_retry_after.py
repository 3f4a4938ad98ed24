"""What replies say of when to come back, and what they may not make us believe."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.retry_after import stated_wait_us

NOW_US = 784_111_777_000_000                 # Sun, 06 Nov 1994 08:49:37 GMT
SECOND = 1_000_000


@pytest.mark.parametrize(("headers", "wait_us"), [
    ({"retry-after": "7"}, 7 * SECOND),
    ({"retry-after": "0.5"}, SECOND // 2),
    ({"retry-after": " 20 "}, 20 * SECOND),
    ({"retry-after-ms": "1250"}, 1_250_000),
    ({"retry-after-ms": "1250", "retry-after": "2"}, 1_250_000),
    ({"retry-after": "Sun, 06 Nov 1994 08:50:07 GMT"}, 30 * SECOND),
    # The reply's own clock counts where it says how late it is: here it is an hour before ours.
    ({"retry-after": "Sun, 06 Nov 1994 07:50:07 GMT", "date": "Sun, 06 Nov 1994 07:49:37 GMT"}, 30 * SECOND),
])
def test_what_is_said_is_read(headers: dict[str, str], wait_us: int) -> None:
    assert stated_wait_us(headers, {}, NOW_US) == wait_us


@pytest.mark.parametrize("headers", [
    {}, {"retry-after": ""}, {"retry-after": "0"}, {"retry-after": "-5"}, {"retry-after": "soon"}, {"retry-after": "1e18"},
    {"retry-after": "٧"}, {"retry-after": "9" * 5_000}, {"retry-after": "nan"}, {"retry-after": "inf"},
    {"retry-after": "Sun, 06 Nov 1994 08:49:07 GMT"}, {"retry-after": "Sun, 99 Nov 1994 08:49:37 GMT"},
    {"retry-after": "Sun, 06 Foo 1994 08:49:37 GMT"},
    # When a quota is whole again is no time to wait for: the next call has room long before.
    {"x-ratelimit-reset-requests": "6m0s"}, {"anthropic-ratelimit-tokens-reset": "2026-11-21T12:00:00Z"},
])
def test_what_says_nothing_is_no_statement(headers: dict[str, str]) -> None:
    assert stated_wait_us(headers, {}, NOW_US) is None


def retry_info(delay: object, kind: str = "type.googleapis.com/google.rpc.RetryInfo") -> dict[str, Any]:
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "x"}, {"@type": kind, "retryDelay": delay}]}}


def test_google_says_it_in_the_body() -> None:
    assert stated_wait_us({}, retry_info("34.074824224s"), NOW_US) == 34_074_824
    assert stated_wait_us({"retry-after": "3"}, retry_info("34s"), NOW_US) == 3 * SECOND


@pytest.mark.parametrize("error", [
    {}, {"error": "too much"}, {"error": {"details": {}}}, {"error": {"details": ["a", 1, None]}}, retry_info(34), retry_info("s"),
    retry_info("34s", kind="other"), {"error": {"details": [{}] * 100_000}},
])
def test_a_body_of_another_shape_says_nothing(error: dict[str, Any]) -> None:
    assert stated_wait_us({}, error, NOW_US) is None


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text(max_size=60)))
def test_whatever_a_reply_says_nothing_breaks(headers: dict[str, str]) -> None:
    wait = stated_wait_us(headers, {}, NOW_US)
    assert wait is None or wait > 0
