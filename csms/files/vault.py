"""Files on disk under names of our own: no name anybody sent ever reaches the file system.

A file is written once, under a random name, and never changed: who reads it reads one file. It
counts only once it is in the database; what is not is swept away at the next start.
"""

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_NAME: Final = re.compile(r"[0-9a-f]{32}")


class FileTooLarge(OSError):
    """More bytes than allowed."""


class Superseded(OSError):
    """A newer try to write the same thing took over."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is safely on disk."""

    stored_as: str
    size_bytes: int
    sha256: str


class Incoming:
    """A file being received, by one thread at a time."""

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._file: IO[bytes] = os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )
        self._digest = hashlib.sha256()
        self._is_superseded = False
        self.size_bytes = 0

    @property
    def stored_as(self) -> str:
        """Its name on disk."""
        return self._path.name

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append.

        Raises:
            FileTooLarge: nothing of `data` was written.
            Superseded: see `supersede`.
            OSError: the disk is full, say.
        """
        if self._is_superseded:
            raise Superseded("a newer transfer took over")
        if self.size_bytes + len(data) > self._limit_bytes:
            raise FileTooLarge(f"more than {self._limit_bytes} bytes")
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    def supersede(self) -> None:
        """Let the next write fail; from any thread."""
        self._is_superseded = True

    def keep(self) -> Stored:
        """Bring what was written safely to disk.

        Raises:
            OSError: it is not.
        """
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(self._path.parent)
        return Stored(self._path.name, self.size_bytes, self._digest.hexdigest())

    def discard(self) -> None:
        """Delete what was written."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


class Vault:
    """The directory all files are in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open(self) -> None:
        """Make the directory, for its owner alone, where there is none.

        Raises:
            OSError: it cannot be used.
        """
        self.directory.mkdir(mode=0o700, parents=False, exist_ok=True)
        probe = Incoming(self._new_path(), limit_bytes=0)
        probe.discard()

    def receive(self, *, limit_bytes: int) -> Incoming:
        """Begin a new file.

        Raises:
            OSError: it cannot be made.
        """
        return Incoming(self._new_path(), limit_bytes=limit_bytes)

    def path(self, stored_as: str) -> Path:
        """Return where a file is.

        Raises:
            ValueError: no name of ours.
        """
        if not _NAME.fullmatch(stored_as):
            raise ValueError(f"not a name of ours: {stored_as!r}")
        return self.directory / stored_as

    def remove(self, stored_as: str) -> None:
        """Delete a file; who reads it now reads it to its end."""
        with contextlib.suppress(OSError):  # swept at the next start
            self.path(stored_as).unlink(missing_ok=True)

    def sweep(self, keep: Collection[str]) -> int:
        """Delete all files of ours but those named; return how many."""
        count = 0
        for path in self.directory.iterdir():
            if _NAME.fullmatch(path.name) and path.name not in keep:
                self.remove(path.name)
                count += 1
        return count

    def _new_path(self) -> Path:
        return self.directory / secrets.token_hex(16)


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
