"""Logs as JSON lines on standard error (readable text on a terminal). The last step before a line is
written scrubs the finished text: whatever looks like a credential becomes `***`, wherever it came
from (a message, a traceback, a header somebody logged). Tracebacks carry no local variables. A log that
cannot be written (its disk is full) is lost: it must not fail the call it speaks of. What is said over and
over is said some times a minute and then counted: a full journal under load must not become a full disk.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, TextIO, cast

import structlog

from tallystick.core.secret import MASK

# Our keys and the source systems', the providers' (`sk-…`, `gsk_…`, `AIza…`, `xai-…`), and bearer values.
_CREDENTIAL: Final = re.compile(
    r"(?:tsk_|tsp_|cartie_proxy_|aso_k_|apc_|acm_proj_|vk_|sk-|gsk_|xai-|AIza|r8_|hf_|pplx-)[A-Za-z0-9_\-.]{6,}"
    r"|(?i:bearer\s+)[A-Za-z0-9_\-.~+/=]{8,}"
)


MINUTE_S: Final = 60
PER_MINUTE_MAX: Final = 10
EVENTS_MAX: Final = 1000


def scrub(text: str) -> str:
    """The text with everything that looks like a credential masked."""
    return _CREDENTIAL.sub(MASK, text)


class Sparing:
    """A processor that lets each event through `PER_MINUTE_MAX` times a minute; the next one after says how many
    were left out (`left_out`). Events are told apart by their text, which is a program's, hence few."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._said: dict[str, tuple[float, int]] = {}    # text → since when, how often

    def __call__(self, _logger: Any, _name: str, event: Any) -> Any:
        text, now_s = str(event.get("event", "")), self._now_s()
        since_s, count = self._said.get(text, (now_s, 0))
        left_out = 0
        if now_s - since_s >= MINUTE_S:
            since_s, count, left_out = now_s, 0, max(0, count - PER_MINUTE_MAX)
        if len(self._said) >= EVENTS_MAX and text not in self._said:
            self._said.clear()
        self._said[text] = (since_s, count + 1)
        if count >= PER_MINUTE_MAX:
            raise structlog.DropEvent
        return {**event, "left_out": left_out} if left_out else event


class _Scrubbed:
    """A renderer followed by the scrubber."""

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer

    def __call__(self, logger: Any, name: str, event: Any) -> str:
        return scrub(str(self._renderer(logger, name, event)))


class _Lossy:
    """Standard error, whatever becomes of it."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure() -> None:
    """Set up logging for a process; the libraries' own warnings come the same way."""
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if terminal else (
        structlog.processors.JSONRenderer(sort_keys=True))
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not terminal:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[Sparing(monotonic), *shared, _Scrubbed(renderer)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", _Lossy()))
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _Scrubbed(renderer)], foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
