"""Logs as JSON lines on standard error (readable text on a terminal). The last step before a line is
written scrubs the finished text: whatever looks like a credential becomes `***`, wherever it came
from (a message, a traceback, a header somebody logged). Tracebacks carry no local variables. A log that
cannot be written (its disk is full) is lost: it must not fail the call it speaks of.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from typing import Any, Final, TextIO, cast

import structlog

from tallystick.core.secret import MASK

# Our keys and the source systems', the providers' (`sk-…`, `gsk_…`, `AIza…`, `xai-…`), and bearer values.
_CREDENTIAL: Final = re.compile(
    r"(?:tsk_|tsp_|cartie_proxy_|aso_k_|apc_|acm_proj_|vk_|sk-|gsk_|xai-|AIza|r8_|hf_|pplx-)[A-Za-z0-9_\-.]{6,}"
    r"|(?i:bearer\s+)[A-Za-z0-9_\-.~+/=]{8,}"
)


def scrub(text: str) -> str:
    """The text with everything that looks like a credential masked."""
    return _CREDENTIAL.sub(MASK, text)


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
        processors=[*shared, _Scrubbed(renderer)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", _Lossy()))
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _Scrubbed(renderer)], foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
