"""A recorded exchange once more, through the running gateway: the stand-in answers as the provider did."""

from __future__ import annotations

import httpx

from tests.build.corpus import Exchange
from tests.build.gateway import RunningGateway
from tests.mini_upstream import MiniUpstream, chunked, reply, split

PIECE_BYTES = 700
# `encoding` etc. describe the recorded transfer, not the bytes that the recording kept.
NOT_KEPT = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})


def replayed(row: Exchange, key: str, gateway: RunningGateway, provider: MiniUpstream, client: httpx.Client) -> httpx.Response:
    headers = [(name.encode(), value.encode()) for name, value in row.headers.items() if name.lower() not in NOT_KEPT]
    pieces = split(row.body, [PIECE_BYTES] * (len(row.body) // PIECE_BYTES))
    answer = chunked(row.status, headers, pieces) if row.streaming else reply(row.status, headers, row.body)
    provider.expect(row.method, row.path, answer)
    return client.request(
        row.method, f"{gateway.url}/proxy/{row.provider}{row.path}", json=row.request,
        headers={"X-Tallystick-Key": key, "Authorization": "Bearer sk-recorded"})
