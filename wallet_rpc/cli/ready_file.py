"""The ready file of a server: JSON that exists while the server is ready, for programs that start one."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from wallet_rpc.config.settings import SettingError

WriteReady: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Function that writes the ready file. Raises: SettingError when that is not possible."""


@contextmanager
def open_ready_file(path: Path | None) -> Iterator[WriteReady]:
    """Yield the function that writes the file, and remove the file at the end; without a path, nothing is written.

    The file appears complete, under its final name, and only its owner can read it. A file of an earlier run is removed
    first; a device, link or folder is not. Raises: SettingError when the file cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    written: list[tuple[int, int]] = []

    def write(content: Mapping[str, Any]) -> None:
        with _name_option(path):
            written.append(_replace_file(path, json.dumps(content, indent=2) + "\n"))

    with _name_option(path):
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise SettingError(f"--ready-file: cannot write {path}: it exists, and is no regular file")
        path.unlink(missing_ok=True)
        Path(_create_temporary(path)[1]).unlink()  # a folder without write permission is reported before the start
    try:
        yield write
    finally:
        with suppress(OSError):
            if written and _identify(os.stat(path)) == written[-1]:  # another server may have replaced it
                path.unlink()


@contextmanager
def _name_option(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingError(f"--ready-file: cannot write {path}: {error.strerror}") from None


def _create_temporary(path: Path) -> tuple[int, str]:
    """Create a file in the folder of `path` that only its owner can read; return its descriptor and name."""
    return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")


def _replace_file(path: Path, text: str) -> tuple[int, int]:
    """Write a new file and rename it to `path`; return its identity."""
    descriptor, name = _create_temporary(path)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            identity = _identify(os.fstat(file.fileno()))
        os.replace(name, path)  # the twin of `mkstemp`, which returns a name
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return identity


def _identify(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
