"""Several worker processes behind one port: a small parent that opens the port, starts them, starts a dead one anew
and passes on when to stop. It serves nothing and decides nothing about money; that several cannot overspend is the
database's doing (stores/sql/leases.py).

All accept from the parent's listener, so whoever is idle takes the next connection, and none is lost with a worker
that dies. Each is a program of its own, not a fork: nothing random, open or locked is shared. It gets its settings
on standard input, which stays open for as long as the parent lives; at its end the worker stops too. A worker of a
number takes over the spool and the leases that the one before it left.

What the settings bound for the whole (connections, calls of a key, memory of bodies, replies that are drained) is divided:
each worker has its share of it and knows of no other's, so together they never take more.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Final

import structlog
from msgspec.structs import replace

from tallystick import app
from tallystick.config import Settings, decoded, encoded
from tallystick.listeners import check_listener, listen
from tallystick.stores.secrets import open_secrets

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.05
AGAIN_AFTER_S_MAX: Final = 30.0              # the pause before a restart doubles up to this
SOUND_AFTER_S: Final = 10.0                  # whoever has lived this long is started again at once
DIVIDED: Final = ("connections_max", "upstream_connections_max", "connections_per_address_max", "calls_per_key_max",
                  "wrong_keys_per_minute_max")


@dataclass(slots=True)
class _Place:
    """A worker's number, and the process that has it."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    ready: int = -1                          # where the process says that it takes calls
    was_ready: bool = False                  # some process of this number has been
    started_s: float = 0.0
    pause_s: float = 0.0
    again_at_s: float = 0.0


@dataclass(slots=True)
class _Parent:
    settings: bytes
    listener: socket.socket
    places: list[_Place]
    told: list[int] = field(default_factory=list)        # the signals to stop, as they came

    def run(self) -> int:
        """Until told to stop, or until a worker cannot even begin; the exit code."""
        for stopping in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stopping, self._tell)
        passed_on = 0
        while True:
            now_s = time.monotonic()
            for place in self.places:
                code = self._look(place, now_s)
                if code is not None and not place.was_ready and not self.told:
                    self._pass_on(signal.SIGTERM)
                    self._wait()
                    return code if code > 0 else app.EXIT_CANNOT
            if self.told and all(place.process is None for place in self.places):
                return 0
            if passed_on < len(self.told):
                passed_on = len(self.told)
                self._pass_on(signal.SIGTERM if passed_on == 1 else signal.SIGINT)       # a second one: without waiting for calls
            time.sleep(LOOK_EVERY_S)

    def _tell(self, number: int, _frame: FrameType | None) -> None:
        self.told.append(number)

    def _look(self, place: _Place, now_s: float) -> int | None:
        """Note what has become of a worker, and start it where there is none; the exit code of one that just ended."""
        process = place.process
        if process is None:
            if not self.told and now_s >= place.again_at_s:
                self._start(place, now_s)
            return None
        if not place.was_ready:
            place.was_ready = _says_something(place.ready)
        code = process.poll()
        if code is None:
            return None
        place.was_ready = place.was_ready or _says_something(place.ready)
        place.process = None
        os.close(place.ready)
        _hang_up(process)
        if not self.told:
            sound = now_s - place.started_s >= SOUND_AFTER_S
            place.pause_s = 0.0 if sound else min(AGAIN_AFTER_S_MAX, place.pause_s * 2 or 0.5)
            place.again_at_s = now_s + place.pause_s
            log.error("a worker ended; its place is taken anew", worker=place.number, exit_code=code, pause_s=place.pause_s)
        return code

    def _start(self, place: _Place, now_s: float) -> None:
        place.ready, theirs = os.pipe()
        os.set_blocking(place.ready, False)
        shared = (self.listener.fileno(), theirs)
        place.process = subprocess.Popen(  # noqa: S603 - this program again
            [sys.executable, "-m", "tallystick.workers", str(place.number), *map(str, shared)],
            stdin=subprocess.PIPE, pass_fds=shared, start_new_session=True)
        os.close(theirs)
        place.started_s = now_s
        assert place.process.stdin is not None
        try:
            place.process.stdin.write(self.settings + b"\n")
            place.process.stdin.flush()
        except BrokenPipeError:              # it is gone already; the next look sees it
            return

    def _pass_on(self, number: int) -> None:
        for place in self.places:
            if place.process is not None:
                place.process.send_signal(number)

    def _wait(self) -> None:
        for place in self.places:
            if place.process is not None:
                place.process.wait()


def serve(settings: Settings) -> int:
    """Run `server.workers` workers until told to stop. Returns the exit code, as `app.serve` does."""

    def run() -> int:
        check_listener(settings.server)
        app.open_stores(settings, open_secrets(settings.data)).close()       # made once, before several look for it
        with listen(settings.server) as listener:
            places = [_Place(number) for number in range(settings.server.workers)]
            return _Parent(encoded(settings), listener, places).run()

    return app.answered(run)


def share_of(settings: Settings) -> Settings:
    """One worker's settings: its share of what is bounded for all of them, at least 1 of each, and room for one body."""
    workers, gateway, limits = settings.server.workers, settings.gateway, settings.gateway.limits
    bodies = max(limits.body_bytes_max, limits.bodies_bytes_max // workers) if workers > 1 else limits.bodies_bytes_max
    shares = {name: max(1, getattr(limits, name) // workers) for name in DIVIDED}
    drain = replace(gateway.drain, at_once_max=max(1, gateway.drain.at_once_max // workers))
    return replace(settings, gateway=replace(gateway, limits=replace(limits, bodies_bytes_max=bodies, **shares), drain=drain))


def _says_something(pipe: int) -> bool:
    try:
        return bool(os.read(pipe, 1))
    except BlockingIOError:
        return False


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.close()
    except BrokenPipeError:
        return


def _work(number: int, listener: int, ready: int) -> int:
    """This process is a worker."""
    settings = decoded(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with, args=(0, partial(os.kill, os.getpid(), signal.SIGTERM)), daemon=True).start()
    with socket.socket(fileno=listener) as shared:
        return app.serve(share_of(settings), app.Worker(number, settings.server.workers, shared, partial(os.write, ready, b"+")))


def _end_with(parent: int, end: Callable[[], None]) -> None:
    """Wait until the parent's end of the line is closed."""
    while os.read(parent, 1):
        continue
    end()


if __name__ == "__main__":
    sys.exit(_work(*map(int, sys.argv[1:4])))
