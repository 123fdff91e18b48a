"""Files and folders that appear whole or not at all, so that a killed process leaves nothing half-written."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinykd.errors import RunError


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an unfinished folder beside ``folder``; on success it takes its name, on failure it is removed.

    Raises:
        RunError: the disk is full, or the place cannot be written.
    """
    folder = Path(folder)
    with clear_disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            unfinished.chmod(0o755)
            yield unfinished
            _sync(unfinished)
            if folder.exists():
                shutil.rmtree(folder)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON: to a new file first, which then takes the place of the old one."""
    path = Path(path)
    with clear_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(unfinished, "w", encoding="utf-8") as file:
                json.dump(value, file, indent=2, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about a full or closed disk into one clear line."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        if not full and error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise
        why = "the disk is full; free some space and run the same command again" if full else error.strerror
        raise RunError(f"cannot write {path}: {why}") from error


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
