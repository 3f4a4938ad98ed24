"""Many calls at once, every misbehaviour at random, callers who leave: no connection is lost from
sight, nobody waits for ever, and whoever got a whole reply got the right one.

The order of things is chance; the claims hold in every order. The seed stands in the test's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from tallystick.core.errors import UpstreamFault
from tallystick.ports import UpstreamRequest
from tallystick.transport.http1 import Limits
from tallystick.transport.pool import Http1Upstreams
from tests.mini_upstream import PATIENCE_S, Answer, Break, MiniUpstream, chunked, interim_flood, reply, split, until_close

CALLS, AT_ONCE, CONNECTIONS = 300, 24, 8


def body_of(number: int) -> bytes:
    return b"%d," % number * (1 + number * 37 % 2000)


def some_answer(dice: Random, number: int) -> Answer:
    body = body_of(number)
    whole = reply(200, [], body)
    pieces = split(body, [dice.randint(1, 5000) for _ in range(dice.randint(0, 5))])
    cut = dice.choice((Break.RESET, Break.CLOSE))
    return dice.choice((
        whole, whole, chunked(200, [], pieces), until_close(200, [], pieces),
        whole.then(Break.CLOSE), whole.then(Break.HALF_CLOSE), whole.before(*interim_flood(dice.choice((1, 50)))),
        whole.cut_after(dice.randint(1, 60), cut), chunked(200, [], pieces).cut_after(dice.randint(60, 200), cut), Answer((cut,)),
    ))


class Callers:
    """Calls with bodies and manners at random. `answered` counts those that got a whole reply."""

    def __init__(self, dice: Random, client: Http1Upstreams, url: str) -> None:
        self._dice = dice
        self._client = client
        self._url = url
        self._free = asyncio.Semaphore(AT_ONCE)
        self.answered = 0

    async def call(self, number: int) -> None:
        async with self._free:
            asking = asyncio.ensure_future(self._ask(number))
            if self._dice.random() < 0.15:
                await asyncio.sleep(self._dice.random() * 0.01)
                asking.cancel()
            done, waiting = await asyncio.wait((asking,), timeout=PATIENCE_S)
            assert not waiting, f"call {number} waits for ever"
            if not asking.cancelled():
                asking.result()
            assert done

    async def _ask(self, number: int) -> None:
        body = self._upload() if self._dice.random() < 0.4 else b"q" * self._dice.randint(0, 200_000)
        try:
            answer = await self._client.send(UpstreamRequest(self._url, "POST", f"/{number}", [], body))
            if self._dice.random() < 0.1:
                await answer.close()
                return
            pieces = []
            while (piece := await answer.next()) is not None:
                pieces.append(piece)
        except UpstreamFault:
            return
        assert answer.at_end
        assert b"".join(pieces) == body_of(number)
        self.answered += 1

    async def _upload(self) -> AsyncIterator[bytes]:
        for _ in range(self._dice.randint(0, 5)):
            await asyncio.sleep(0)
            if self._dice.random() < 0.1:
                raise ConnectionError
            yield b"q" * self._dice.randint(1, 20_000)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_storm_leaves_every_connection_accounted_for(seed: int) -> None:
    dice = Random(seed)
    client = Http1Upstreams(Limits(connections_max=CONNECTIONS, connect_s=PATIENCE_S))
    with MiniUpstream(strict=False) as provider:
        for number in range(CALLS):
            provider.expect("POST", f"/{number}", some_answer(dice, number))
        callers = Callers(dice, client, provider.url)
        await asyncio.gather(*(callers.call(number) for number in range(CALLS)))
        assert callers.answered > CALLS / 5
        origin = client._origins[provider.url]
        async with asyncio.timeout(PATIENCE_S):
            while origin.open != len(origin.idle):           # cut connections close in the loop's next rounds
                await asyncio.sleep(0)
        assert set(origin.idle) == client._links
        assert not origin.waiting
        await client.close()
        async with asyncio.timeout(PATIENCE_S):
            while origin.open:
                await asyncio.sleep(0)
        assert not client._links
