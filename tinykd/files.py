"""Files and folders that appear whole or not at all, so that a killed process leaves nothing half-written."""

import contextlib
import errno
import glob
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from tinykd.errors import RunError

logger = logging.getLogger("tinykd")
#: How torch and safetensors, whose errors are no ``OSError``, speak of a disk that takes no more
_FULL = (
    "No space left",
    "StorageFull",
    "os error 28",
    "os error 122",
    "os error 27",
    "PytorchStreamWriter",
    "inline_container.cc",
)


def check_place(folder: Path, *marks: str) -> None:
    """Refuse a place where something of the user's would be lost.

    Args:
        marks: names of files of which every folder of the kind that shall stand there has one.

    Raises:
        RunError: ``folder`` is a file, holds files and none of these, or has no name to put another beside it.
    """
    folder = check_name(folder)
    if folder.is_dir() and (not any(folder.iterdir()) or any((folder / mark).exists() for mark in marks)):
        return
    if folder.exists():
        raise RunError(f"{folder} holds something else (no {' or '.join(marks)} is there); choose another folder")


def check_name(folder: Path) -> Path:
    """Return the folder, as a path.

    Raises:
        RunError: it has no name to put another beside it, as ``.`` has none.
    """
    folder = Path(folder)
    if not folder.name:
        raise RunError(f"{folder}: what is made here needs a folder with a name of its own, such as {folder / 'out'}")
    return folder


@contextlib.contextmanager
def new_folder(folder: Path, *marks: str) -> Iterator[Path]:
    """Yield an unfinished folder beside ``folder``; on success it takes its name, on failure it is removed.

    Args:
        marks: by which a folder of that name is known as an earlier one of ours, and replaced; see :func:`check_place`.

    Raises:
        RunError: something else stands there, the disk is full, or the place cannot be written.
    """
    folder = Path(folder)
    check_place(folder, *marks)
    with clear_disk_errors(folder), _beside(folder) as unfinished:
        unfinished.mkdir()
        unfinished.chmod(0o755)
        yield unfinished
        _sync(unfinished)
        if folder.exists():
            folder.rename(_old(unfinished))  # an instant; to remove it takes longer, and we may be killed meanwhile
        unfinished.rename(folder)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON: to a new file first, which then takes the place of the old one."""
    path = Path(path)
    with clear_disk_errors(path), _beside(path) as unfinished:
        with open(unfinished, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(value, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)


def read_json(path: Path, way_out: str) -> dict[str, Any]:
    """Return the note, an object, that :func:`write_json` wrote.

    Args:
        way_out: what to do if it is damaged, for the message.

    Raises:
        FileNotFoundError: it is not there.
        RunError: damaged.
    """
    try:
        note = json.loads(Path(path).read_text(encoding="utf-8", errors="surrogateescape"))
    except ValueError:
        raise RunError(f"{path}: damaged (not JSON); {way_out}") from None
    if not isinstance(note, dict):
        raise RunError(f"{path}: damaged (no JSON object); {way_out}")
    return note


def claim(note: Path, asked: dict) -> None:
    """Write beside what will be made how it was asked for; refuse a folder where that was something else.

    Raises:
        RunError: the folder of ``note`` was made otherwise, or the note is damaged.
    """
    note, asked = Path(note), json.loads(json.dumps(asked))
    if not note.exists():
        write_json(note, asked)
    elif (there := read_json(note, f"delete {note.parent} and run the same call again")) != asked:
        other = ", ".join(sorted(name for name in asked.keys() | there if asked.get(name) != there.get(name)))
        raise RunError(
            f"{note.parent} was made with other settings or data ({other}); choose another folder or delete it"
        )


@contextlib.contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Turn errors about a full or closed disk, whoever raises them, into one clear line."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        code = getattr(error, "errno", None)
        full = code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(words in str(error) for words in _FULL)
        if not full and code not in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise
        why = "the disk is full; free some space and run the same command again" if full else error.strerror
        raise RunError(f"cannot write {path}: {why}") from error


@contextlib.contextmanager
def waiting(lock: Path, why: str) -> Iterator[None]:
    """Hold ``lock``, a file; if another process has it, say ``why`` and wait.

    Raises:
        RunError: no file can be made there.
    """
    lock = Path(lock)
    held = filelock.FileLock(lock)
    with clear_disk_errors(lock.parent):
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            lock.touch()  # where no file can be made the lock itself would wait for ever
        except FileNotFoundError:
            raise RunError(f"cannot write {lock.parent}: no file can be made there") from None
        try:
            held.acquire(timeout=0)
        except filelock.Timeout:
            logger.info("%s; waiting for it", why)
            held.acquire()
    try:
        yield
    finally:
        held.release()


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield a new hidden name beside ``path``; before that, clear away what killed processes left under such names.

    A lock tells the dead from the living: the system takes it from a process that ends, however it ends.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}-{8 * '[0-9a-f]'}.lock"):  # not those of NAME-more
        with contextlib.suppress(filelock.Timeout), filelock.FileLock(left, timeout=0):
            unfinished = left.with_name(left.name.removesuffix(".lock"))
            if _old(unfinished).exists() and not path.exists():  # killed between two renames: the new one is whole
                unfinished.rename(path)
            _clear(unfinished)
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with waiting(Path(f"{unfinished}.lock"), f"another process writes {path}"):
        try:
            yield unfinished
        finally:
            _clear(unfinished)


def _clear(unfinished: Path) -> None:
    for path in (unfinished, _old(unfinished)):
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            path.unlink()
    with contextlib.suppress(OSError):  # last, so that nothing is ever left without its lock
        unfinished.with_name(f"{unfinished.name}.lock").unlink()


def _old(unfinished: Path) -> Path:
    return unfinished.with_name(f"{unfinished.name}.old")


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+" if os.name == "nt" else "rb") as file:  # there only what may be written is flushed
                os.fsync(file.fileno())
