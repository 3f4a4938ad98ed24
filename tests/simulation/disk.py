"""A machine's disk: what the kernel shows and what is on the platter, with the faults that a seed asks for."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.build.journal import SimDisk, SimFile
from tests.simulation.loop import Crash


@dataclass
class MachineDisk(SimDisk):
    """`crash_in`: the process dies in so many I/O calls, in the middle of a write; `full`: no new segment; `deaf`: no
    write is taken whole; `sick`: the next sync fails."""

    dice: random.Random = field(default_factory=random.Random)
    die: Callable[[], None] = lambda: None
    crash_in: int = 0
    full: bool = False
    deaf: bool = False
    sick: bool = False

    def _turn(self) -> bool:
        self.calls += 1
        if self.crash_in:
            self.crash_in -= 1
            if not self.crash_in:
                self.die()
                raise Crash
        return False

    def restarted(self, *, power_lost: bool) -> MachineDisk:
        """As the next start finds it. After a loss of power: what was synced, and any part of what came behind."""
        files = {}
        for path, file in self.files.items():
            seen = bytes(file.seen)
            if power_lost and seen != file.kept:
                whole, kept = seen.rstrip(b"\0"), file.kept.rstrip(b"\0")
                cut = self.dice.choice((len(kept), self.dice.randint(len(kept), max(len(kept), len(whole)))))
                seen = seen[:cut] + bytes(len(seen) - cut)
            files[path] = SimFile(bytearray(seen), seen)
        return MachineDisk(files=files, dice=self.dice)

    def make_folder(self, path: Path) -> None:
        self._turn()

    def names(self, folder: Path) -> list[str]:
        self._turn()
        return sorted(path.name for path in self.files)

    def create(self, path: Path, size: int) -> int:
        self._turn()
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "exists")
        self.files[path] = SimFile(bytearray(size), bytes(size))
        return self.open(path, counted=False)

    def write(self, file: int, data: bytes, offset: int) -> int:
        if self.crash_in == 1:
            torn = data[:self.dice.randint(0, len(data))]
            self.files[self.opened[file]].seen[offset:offset + len(torn)] = torn
        self._turn()
        if self.deaf:                            # it took a part before it said no
            self.files[self.opened[file]].seen[offset:offset + len(data) // 2] = data[:len(data) // 2]
            raise OSError(errno.ENOSPC, "full")
        self.files[self.opened[file]].seen[offset:offset + len(data)] = data
        return len(data)

    def sync(self, file: int) -> None:
        self._turn()
        self._sync(file, bytes(self.files[self.opened[file]].seen))

    async def sync_aside(self, file: int) -> None:
        self._turn()
        seen = bytes(self.files[self.opened[file]].seen)         # what is written meanwhile may not be in it
        await asyncio.sleep(self.dice.choice((0, 0.001, 0.01, 0.05)))
        self._sync(file, seen)

    def _sync(self, file: int, seen: bytes) -> None:
        if self.sick:
            self.sick = False
            raise OSError(errno.EIO, "the platter says no")
        held = self.files.get(self.opened[file])
        if held is not None and len(seen.rstrip(b"\0")) > len(held.kept.rstrip(b"\0")):     # a later sync may have come first
            held.kept = seen

    def truncate(self, file: int, size: int) -> None:
        self._turn()
        held = self.files[self.opened[file]]
        del held.seen[size:]
        held.kept = bytes(held.seen)

    def remove(self, path: Path) -> None:
        self._turn()
        self.files.pop(path, None)
