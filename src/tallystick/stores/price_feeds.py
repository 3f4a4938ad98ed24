"""A feed of prices: read from a file, from an https address, or from the installed genai-prices. Nothing is
fetched unless a person asked for that address; what comes is bounded in size and time, follows no
redirect, and is used only where its SHA-256 is the one that was asked for, if one was.

A feed is in one of three forms, told apart by what it says: a release of our own (price files one after the
other), LiteLLM's map, genai-prices. Only the first has dates; the others say what holds today.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException, HTTPSConnection
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from tallystick.core.price_layers import file_text, news, release_of, rows_from_opinions
from tallystick.core.price_rows import PriceFault, ProviderPrices, Source
from tallystick.core.pricebook import PriceBook
from tallystick.stores.price_opinions import NoOpinion, genai_opinions, litellm_opinions_of

GENAI: Final = "genai-prices"                # the name of the installed package as a feed
BYTES_MAX: Final = 64 * 1024 * 1024
TIMEOUT_S: Final = 30.0
_PIECE_BYTES: Final = 256 * 1024
_SECONDS_MAX: Final = 300


class BadFeed(Exception):
    """A feed that cannot be read, or is not what was asked for. The message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What was read. `text` is empty for the installed package. `digest`: SHA-256, hexadecimal."""

    source: str
    text: str
    digest: str


def read_feed(source: str, sha256: str | None = None, *, bytes_max: int = BYTES_MAX) -> Feed:
    """Read a feed: a file's path, an https address, or `genai-prices`. Raises BadFeed."""
    if source == GENAI:
        if sha256 is not None:
            raise BadFeed("An installed package has no SHA-256 of its own; pip checks it.")
        try:
            return Feed(f"{GENAI} {version(GENAI)}", "", hashlib.sha256(f"{GENAI} {version(GENAI)}".encode()).hexdigest())
        except PackageNotFoundError:
            raise BadFeed("genai-prices is not installed.") from None
    data = _fetched(source, bytes_max) if "://" in source else _file(Path(source), bytes_max)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.strip().lower():
        raise BadFeed(f"Its SHA-256 is {digest}, not the one that was asked for. Nothing was used.")
    try:
        return Feed(source, data.decode("utf-8"), digest)
    except UnicodeDecodeError:
        raise BadFeed(f"{source} is not text.") from None


def news_in(feed: Feed, book: PriceBook, now_us: int, valid_from: str) -> dict[str, ProviderPrices]:
    """What a feed says otherwise than the book, by provider; providers without news are left out. `valid_from`
    is the day on which prices without a date of their own begin. Raises BadFeed."""
    today = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    if feed.text.lstrip().startswith('{"provider"'):
        return _release(feed, book)
    try:
        if not feed.text:
            source = Source(GENAI, feed.source.removeprefix(f"{GENAI} "), "https://github.com/pydantic/genai-prices", f"{today:%Y-%m-%d}")
            return rows_from_opinions(book, genai_opinions(today), now_us, valid_from, source)
        source = Source("litellm", feed.digest[:12], feed.source, f"{today:%Y-%m-%d}")
        return rows_from_opinions(book, litellm_opinions_of(feed.text, feed.source), now_us, valid_from, source)
    except NoOpinion as fault:
        raise BadFeed(str(fault)) from None


def checked_on(found: Mapping[str, ProviderPrices]) -> str:
    """The newest day that a feed's prices were checked."""
    return max((prices.checked_on for prices in found.values()), default="")


def _release(feed: Feed, book: PriceBook) -> dict[str, ProviderPrices]:
    try:
        release = release_of(feed.text)
    except PriceFault as fault:
        raise BadFeed(f"{feed.source}: {fault}") from None
    found: dict[str, ProviderPrices] = {}
    for provider, prices in release.items():
        if "*" in prices.models or not provider.isprintable() or len(file_text(prices)) > BYTES_MAX:
            raise BadFeed(f"{feed.source}: not a release of prices.")
        known = book.prices(provider)
        if known is not None and prices.checked_on < known.checked_on:
            continue                         # older than what is in force: the book's word holds in any case
        fresh = news(known, prices)
        if fresh.rows or fresh.models or fresh.aliases or fresh.factors:
            found[provider] = fresh
    return found


def _file(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as fault:
        raise BadFeed(f"{path}: {fault.strerror}.") from None
    if len(data) > bytes_max:
        raise BadFeed(f"{path} is larger than {bytes_max} bytes.")
    return data


def _fetched(address: str, bytes_max: int) -> bytes:
    """The body of one GET over TLS that the system's authorities vouch for."""
    try:
        parts = urlsplit(address)
    except ValueError:
        raise BadFeed(f"{address} is no address.") from None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise BadFeed("A feed is a file, or an https:// address without credentials in it.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        try:
            connection.request("GET", path, headers={"Accept": "application/json, text/plain", "Accept-Encoding": "identity"})
            reply = connection.getresponse()
            if reply.status != 200:
                raise BadFeed(f"{address} answered {reply.status}; redirects are not followed.")
            pieces: list[bytes] = []
            size, until = 0, monotonic() + _SECONDS_MAX
            while piece := reply.read(_PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > bytes_max or monotonic() > until:
                    raise BadFeed(f"{address} is larger than {bytes_max} bytes, or slower than {_SECONDS_MAX} seconds.")
            return b"".join(pieces)
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as fault:
        raise BadFeed(f"{address} cannot be read ({fault}).") from None
