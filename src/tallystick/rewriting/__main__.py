"""One rewriting in a process of its own: what is asked comes as JSON on the standard input, the answer goes to the standard
output. Memory and time have an end that the system sets, so no code that somebody pastes can cost the gateway either.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Final

from tallystick.rewriting.rewriting import rewritten
from tallystick.rewriting.sheet import Target

MEMORY_BYTES_MAX: Final = 1 << 30
TIME_S_MAX: Final = 5


def main() -> None:
    """Read, rewrite, write."""
    with suppress(ImportError, ValueError, OSError):     # not on Windows; there the caller's own limit of time holds
        import resource  # noqa: PLC0415 - only some systems have it

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CPU, (TIME_S_MAX, TIME_S_MAX))
    asked = json.load(sys.stdin)
    found = rewritten(asked["code"], Target(asked["gateway"], asked["headers"]), asked["language"])
    json.dump(found.document(), sys.stdout)


main()
