"""The file that a recorder appends to."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wallet_rpc.config.settings import SettingError
from wallet_rpc.recording.exchanges import MAX_RECORDING_BYTES


class RecordingFile:
    """An open recording; an appended line is on disk, complete, once `append` returns."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = 0

    def append(self, line: bytes) -> None:
        """Append a line. Raises: OSError, after which the file has no part of the line."""
        if self._size + len(line) > MAX_RECORDING_BYTES:
            raise OSError(errno.EFBIG, f"a recording has at most {MAX_RECORDING_BYTES} bytes")
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)


@contextmanager
def open_recording_file(path: Path) -> Iterator[RecordingFile]:
    """Open a new or empty file that only its owner can read. Raises: SettingError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        text = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise SettingError(f"{path}: cannot write the recording: {text}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SettingError(f"{path}: cannot write the recording: expected a regular file")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingError(f"{path}: cannot write the recording: another process writes this file") from None
        if status.st_size:
            raise SettingError(f"{path}: expected a new file, got one with content: remove it, or name another file")
        os.fchmod(descriptor, 0o600)
        _sync_folder(path.parent)
        yield RecordingFile(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Store the entry of a new file in its folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
