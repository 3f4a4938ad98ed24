"""The few things the spool asks of a disk, as a port: the simulation of issue B runs the real spool on a
disk that tears, fills up and lies. `PosixDisk` is the real one; every method raises OSError.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    def make_folder(self, path: Path) -> None: ...

    def names(self, folder: Path) -> list[str]:
        """The files of a folder, in no order."""

    def lock(self, path: Path) -> int:
        """Hold a file's lock for the life of the process. Raises BlockingIOError when another has it."""

    def create(self, path: Path, size: int) -> int:
        """A new file with `size` bytes of zeros really allocated, durable with its name."""

    def open(self, path: Path) -> int: ...

    def read(self, file: int, size: int, offset: int) -> bytes: ...

    def write(self, file: int, data: bytes, offset: int) -> int:
        """Write at an offset; how many bytes it took, which may be fewer than asked."""

    def sync(self, file: int) -> None:
        """What was written is on the platter when this returns."""

    async def sync_aside(self, file: int) -> None:
        """The same without holding up the event loop."""

    def size(self, file: int) -> int: ...

    def truncate(self, file: int, size: int) -> None: ...

    def close(self, file: int) -> None: ...

    def remove(self, path: Path) -> None: ...


class PosixDisk:
    """A real file system."""

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        return [path.name for path in folder.iterdir()]

    def lock(self, path: Path) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        return file

    def create(self, path: Path, size: int) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if size:
                os.posix_fallocate(file, 0, size)
            os.fsync(file)
            self._sync_folder(path.parent)
        except OSError:
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return file

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def read(self, file: int, size: int, offset: int) -> bytes:
        return os.pread(file, size, offset)

    def write(self, file: int, data: bytes, offset: int) -> int:
        return os.pwrite(file, data, offset)

    def sync(self, file: int) -> None:
        os.fdatasync(file)

    async def sync_aside(self, file: int) -> None:
        await asyncio.get_running_loop().run_in_executor(None, os.fdatasync, file)

    def size(self, file: int) -> int:
        return os.fstat(file).st_size

    def truncate(self, file: int, size: int) -> None:
        os.ftruncate(file, size)
        os.fsync(file)

    def close(self, file: int) -> None:
        os.close(file)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def _sync_folder(self, folder: Path) -> None:
        file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
