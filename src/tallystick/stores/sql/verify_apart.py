"""Verification in a process of its own, so that calls keep the interpreter: what `tallystick verify` runs, of one chain, through a
connection for reading. The parent says on standard input where the ledger is (it may hold a password, which arguments would
show); this says on standard output how far it is and what came of it, a JSON object a line. It ends when nobody listens.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from tallystick.stores.sql.engine import Database, opened_at
from tallystick.stores.sql.verify import verify

NICE: Final = 10
QUIET_S: Final = 2.0
_COMMAND: Final = (sys.executable, "-m", "tallystick.stores.sql.verify_apart")


class Apart:
    """A verification that was started. Its events are `{"done", "total"}` as it goes, and at last `{"found": …}`; they end
    without that where the process died."""

    def __init__(self, database: Database, organization: str, public_key: bytes) -> None:
        """Raises OSError where no process can be started."""
        self._process = subprocess.Popen(  # noqa: S603 - this program again
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as said:
            said.write(json.dumps({"place": database.place, "organization": organization, "public_key": public_key.hex()}).encode())

    def events(self) -> Iterator[dict[str, Any]]:
        """What it says, until its end; and nothing, `{}`, when it has said nothing for a while."""
        assert self._process.stdout is not None
        said, rest = self._process.stdout.fileno(), b""
        while True:
            if not select.select([said], [], [], QUIET_S)[0]:
                yield {}
                continue
            more = os.read(said, 65_536)
            if not more:
                return
            *lines, rest = (rest + more).split(b"\n")
            yield from map(json.loads, lines)

    def stop(self) -> None:
        """End it, if it runs."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def main() -> int:
    """The process's own part."""
    asked = json.loads(sys.stdin.buffer.read())
    with suppress(OSError):
        os.nice(NICE)
    database = opened_at(asked["place"])
    try:
        found = verify(database, bytes.fromhex(asked["public_key"]), lambda done, total: _say({"done": done, "total": total}),
                       asked["organization"])
    finally:
        database.close()
    _say({"found": asdict(found)})
    return 0


def _say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
