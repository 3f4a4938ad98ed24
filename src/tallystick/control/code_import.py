"""Code that calls a provider directly, rewritten to go through the gateway (tallystick/rewriting). It is done in a process of its
own, which ends after a few seconds whatever it was given; the code is run nowhere, kept nowhere, and in no log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.callers import PartsOf
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.core.identity import NAME_CHARS_MAX, TAGS_MAX, VALUE_CHARS_MAX
from tallystick.rewriting import PROCESS

CODE_CHARS_MAX: Final = 50_000
TIME_S_MAX: Final = 10                       # of the clock; the process has a shorter limit of its own on what it computes
AT_ONCE_MAX: Final = 2
_PRINTABLE: Final = r"^[ -~]*$"              # what every client sends in a header
_TAKE_TURNS: Final = threading.BoundedSemaphore(AT_ONCE_MAX)


class CodeToImport(BaseModel):
    """Code, and what its calls are to say of themselves. `gateway`: its address as the code's machine reaches it; without it
    the installation's own."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=CODE_CHARS_MAX)]
    language: Annotated[Literal["python", "javascript", "shell"] | None, Field(
        description="`javascript` is TypeScript too; without it what the code parses best as.")] = None
    gateway: Annotated[str | None, Field(pattern=r"^https?://[A-Za-z0-9._~:/\[\]-]{1,200}$")] = None
    prompt_key: Annotated[str, Field(max_length=VALUE_CHARS_MAX, pattern=_PRINTABLE)] = ""
    prompt_version: Annotated[str, Field(max_length=VALUE_CHARS_MAX, pattern=_PRINTABLE)] = ""
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX, pattern=r"^[!-$&-+\--<>-~]+$")]],
                    Field(max_length=TAGS_MAX, description="Feature tags, without commas, blanks, `=` and `%`.")] = []


class CodeNote(BaseModel):
    """What was done on a line, left as it is, not understood, or what to be warned of."""

    line: int
    kind: Literal["changed", "kept", "warning", "unclear"]
    text: str


class CodeLine(BaseModel):
    """A line that stayed, is gone or is new."""

    change: Literal["same", "gone", "new"]
    text: str


class ImportedCode(BaseModel):
    """The code as it is now; `diff` has the lines of before and now in order."""

    language: Literal["python", "javascript", "shell"]
    code: str
    changed: bool
    notes: list[CodeNote]
    diff: list[CodeLine]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/prompts", tags=["prompts"])
    router.add_api_route("/import", import_code, methods=["POST"], response_model=ImportedCode)
    return router


def import_code(parts: PartsOf, request: Request, asked: CodeToImport) -> Response:
    """Rewrite code that calls OpenAI or Anthropic so that it goes through the gateway. It is parsed, never run. 422 for code
    that is too tangled to be read in a few seconds."""
    headers = {
        "X-Tallystick-Prompt-Key": asked.prompt_key.strip(), "X-Tallystick-Prompt-Version": asked.prompt_version.strip(),
        "X-Tallystick-Tags": ",".join(asked.tags)}
    gateway = asked.gateway or parts.public_url or str(request.base_url)
    question = {"code": asked.code, "language": asked.language, "gateway": gateway.rstrip("/"),
                "headers": {name: value for name, value in headers.items() if value}}
    if not _TAKE_TURNS.acquire(timeout=TIME_S_MAX):
        raise Problem(503, "busy", "Other code is being read; try again in a moment.", {"retry-after": "2"})
    try:
        return answer(_apart(question))
    finally:
        _TAKE_TURNS.release()


def _apart(question: dict[str, Any]) -> Any:
    """The rewriting's document, from a process that has nothing of ours but this question. Raises Problem 422."""
    environment = None if os.name == "nt" else {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, a module of ours
            [sys.executable, "-P", "-m", PROCESS], input=json.dumps(question).encode(), capture_output=True,
            timeout=TIME_S_MAX, env=environment, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise Problem(422, "code_not_read", "This code could not be read in a few seconds. Paste less of it: the part that "
                      "makes the client, and one call.") from None
    return json.loads(done.stdout)
