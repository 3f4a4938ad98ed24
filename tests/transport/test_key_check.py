"""Does a provider take a key: what is asked, what each answer comes to, and that nothing of the key is in what is said about it."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tallystick.control
from tallystick.core.dialect import Provider
from tallystick.core.errors import UpstreamFault
from tallystick.core.secret import Secret
from tallystick.ports import UpstreamReply, UpstreamRequest
from tallystick.providers import ANTHROPIC, BEDROCK, OPENAI, OPENROUTER, PROVIDERS
from tallystick.transport.key_check import LIMITS, WORDS_CHARS_MAX, Checked, check_key, without, words_of
from tallystick.transport.pool import Http1Upstreams
from tests.mini_upstream import Answer, Break, MiniUpstream, json_reply, reply

KEY = Secret("sk-proj-4sRb81qLm7Xz92Pw")
TAKEN, UNKNOWN = json_reply({"data": []}), json_reply({"error": {"message": "You did not provide an API key."}}, status=401)


class Standing:
    """A clock that goes on by a millisecond with each look."""

    def __init__(self) -> None:
        self.at_us = 0

    def now_us(self) -> int:
        return 0

    def monotonic_us(self) -> int:
        self.at_us += 1_000
        return self.at_us


@pytest.fixture
async def asking() -> AsyncIterator[Http1Upstreams]:
    made = Http1Upstreams(LIMITS)
    yield made
    await made.close()


async def checked(asking: Http1Upstreams, upstream: MiniUpstream, *answers: Answer, provider: Provider = OPENAI, key: Secret = KEY) -> Checked:
    for one in answers:
        upstream.expect("GET", provider.free_check or "", one)
    return await check_key(asking, replace(provider, base_url=upstream.url), key, Standing())


async def test_a_key_that_is_asked_for_and_taken_works(asking: Http1Upstreams) -> None:
    with MiniUpstream() as upstream:
        found = await checked(asking, upstream, TAKEN, UNKNOWN)
        assert found == Checked("works", f"GET {upstream.url}/v1/models", 200, 1_000, None)
        first, second = upstream.calls
        assert first.header(b"authorization") == b"Bearer " + KEY.reveal().encode()
        assert second.header(b"authorization") is None
        assert first.body == second.body == b""


async def test_who_lists_to_everybody_has_not_looked_at_the_key(asking: Http1Upstreams) -> None:
    with MiniUpstream() as upstream:
        assert (await checked(asking, upstream, TAKEN, TAKEN)).outcome == "open"


async def test_each_provider_gets_its_own_headers_and_place(asking: Http1Upstreams) -> None:
    with MiniUpstream() as upstream:
        assert (await checked(asking, upstream, TAKEN, UNKNOWN, provider=ANTHROPIC)).outcome == "works"
        assert upstream.calls[0].header(b"x-api-key") == KEY.reveal().encode()
        assert upstream.calls[0].header(b"anthropic-version") == b"2023-06-01"
        assert upstream.calls[0].header(b"authorization") is None
        assert (await checked(asking, upstream, TAKEN, UNKNOWN, provider=OPENROUTER)).asked == f"GET {upstream.url}/api/v1/key"


@pytest.mark.parametrize(("answer", "outcome", "words"), [
    (json_reply({"error": {"message": f"Incorrect API key provided: {KEY.reveal()}. See your account."}}, status=401),
     "refused", "Incorrect API key provided: *** See your account."),
    (json_reply({"error": {"message": "Incorrect API key provided: sk-p****************92Pw."}}, status=401),
     "refused", "Incorrect API key provided: ***"),
    (json_reply([{"error": {"code": 400, "message": "API key not valid."}}], status=400), "refused", "API key not valid."),
    (json_reply({"detail": "Your balance is used up"}, status=402), "refused", "Your balance is used up"),
    (json_reply({"error": "Missing scopes: api.model.read"}, status=403), "refused", "Missing scopes: api.model.read"),
    (json_reply({"message": "slow down"}, status=429), "limited", "slow down"),
    (reply(503, [(b"Content-Type", b"text/html")], b"<html>away</html>"), "answered", None),
    (reply(500, [(b"Content-Encoding", b"gzip")], b"\x1f\x8b"), "answered", None),
    (reply(404, [(b"Content-Type", b"text/plain")], b"no\r\n such\x00 page"), "answered", "no such page"),
])
async def test_what_it_answers_is_told_in_its_own_words(asking: Http1Upstreams, answer: Answer, outcome: str, words: str | None) -> None:
    with MiniUpstream() as upstream:
        found = await checked(asking, upstream, answer)
        assert (found.outcome, found.words, len(upstream.calls)) == (outcome, words, 1)


async def test_a_redirect_is_not_followed(asking: Http1Upstreams) -> None:
    with MiniUpstream() as elsewhere, MiniUpstream() as upstream:
        found = await checked(asking, upstream, reply(302, [(b"Location", f"{elsewhere.url}/v1/models".encode())], b""))
        assert (found.outcome, found.status) == ("answered", 302)
        assert elsewhere.calls == []


async def test_a_long_answer_is_read_to_a_bound(asking: Http1Upstreams) -> None:
    with MiniUpstream() as upstream:
        found = await checked(asking, upstream, reply(401, [], b"word " * 1_000_000))
        assert found.words is not None
        assert len(found.words) <= WORDS_CHARS_MAX


async def test_who_cannot_be_reached_is_told_from_who_refuses(asking: Http1Upstreams) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))            # bound and not listening: nobody else gets the port
        gone = replace(OPENAI, base_url=f"http://127.0.0.1:{closed.getsockname()[1]}")
        found = await check_key(asking, gone, KEY, Standing())
    assert (found.outcome, found.words) == ("unreachable", "Nobody listens at its address: the connection was refused.")
    with MiniUpstream() as upstream:
        cut = await checked(asking, upstream, TAKEN.cut_after(10, Break.RESET))
        assert (cut.outcome, cut.words) == ("unreachable", "It broke off before it had answered.")


@pytest.mark.parametrize(("cause", "words"), [
    (socket.gaierror(-2, "Name or service not known"), "The name of its host cannot be resolved (DNS)."),
    (ssl.SSLCertVerificationError("self-signed certificate"), "Its certificate is not trusted, or is another host's (TLS)."),
    (ssl.SSLError("wrong version number"), "No secure connection came about (TLS)."),
    (OSError("No route to host"), "No connection came about: the network, a firewall or a proxy may be in the way."),
])
async def test_why_nothing_came_about_is_said_in_words(cause: OSError, words: str) -> None:
    class Failing:
        async def send(self, request: UpstreamRequest) -> UpstreamReply:
            raise UpstreamFault("connect", "cannot connect", written=False) from cause

    found = await check_key(Failing(), OPENAI, KEY, Standing())
    assert (found.outcome, found.words) == ("unreachable", words)


async def test_who_falls_silent_is_given_up() -> None:
    asking = Http1Upstreams(replace(LIMITS, head_s=0.1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = replace(OPENAI, base_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        found = await check_key(asking, mute, KEY, Standing())
    assert (found.outcome, found.words) == ("unreachable", "There was no answer within 10 seconds.")
    await asking.close()


async def test_who_has_no_free_route_is_not_asked(asking: Http1Upstreams) -> None:
    with MiniUpstream() as upstream:
        assert await check_key(asking, replace(BEDROCK, base_url=upstream.url), KEY, Standing()) == Checked("no_route")
        assert upstream.calls == []


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.id)
def test_what_is_asked_of_a_provider_costs_nothing_and_needs_no_name(provider: Provider) -> None:
    path = provider.free_check
    assert path is not None or provider.id in {"bedrock", "vertex"}      # their lists need a project, or another host
    if path is not None:
        route, model = provider.route_for("GET", path)
        assert (route.free, route.path, model) == (True, path, None)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=80), st.text(max_size=80), st.data())
def test_no_part_of_a_key_is_said_again(key: str, said: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(key) - 6))
    part = key[begin:data.draw(st.integers(begin + 6, len(key)))]
    for text in (f"{said} {part} {said}", f'key="{part}"', f"{key[:4]}****{key[-4:]}"):
        line = without(" ".join(text.split()), Secret(key))
        assert not any(key[at:at + 6] in line for at in range(len(key) - 5))


def test_what_is_no_text_is_not_said() -> None:
    class Reply:
        headers: tuple[tuple[bytes, bytes], ...] = ()

    for body in (b"", b"{}", b"[]", b"null", b'{"error": {"code": 5}}', json.dumps([[[]]]).encode()):
        assert words_of(body, Reply(), KEY) is None      # type: ignore[arg-type]


def test_the_control_plane_has_no_other_way_out() -> None:
    """Whatever else leaves it is queued for the job that sends alerts, or mailed through the operator's server."""
    for path in Path(tallystick.control.__file__).parent.glob("*.py"):
        text = path.read_text()
        for way in ("transport.pool", "transport.http1", "outbound import exchange", "outbound.exchange", "httpx", "urllib.request",
                    "http.client", "create_connection", "import socket"):
            assert way not in text, (path.name, way)
        assert "parts.asking" not in text or path.name == "credential_check.py"
