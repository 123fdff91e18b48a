"""How every file and folder of tinykd is written, sealed, claimed and resumed. Taught in lesson 16.

A file or folder is made under a hidden name beside its place and renamed when it is complete, so that a killed process
leaves the old one or the new one. Only one process at a time writes to a place. The note of a finished folder, a JSON
object, holds facts and, under ``files``, the SHA-256 of each other file.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from tinykd.errors import DamagedError, RunError

#: How Python, safetensors and torch, whose errors are not all ``OSError``, speak of a disk that takes no more
_FULL = rf"\[Errno ({errno.ENOSPC}|{errno.EDQUOT}|{errno.EFBIG})\]|No space left|StorageFull|os error (28|122|27)\b|"
_FULL += r"PytorchStreamWriter|inline_container\.cc"
_CLOSED = (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*facts: object) -> str:
    """Return the SHA-256 of what JSON can write."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON, whole or not at all; a RunError if the disk is full or the place cannot be written."""
    with clear_disk_errors(path), alone(path) as unfinished:
        with open(unfinished, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)


def read_json(path: Path, advice: str = "") -> dict:
    """Return the object that :func:`write_json` wrote.

    Raises:
        FileNotFoundError: it is not there.
        DamagedError: it is no JSON object; ends in ``advice``.
    """
    with contextlib.suppress(ValueError, RecursionError):
        note = json.loads(Path(path).read_text(encoding="utf-8", errors="surrogateescape"))
        if isinstance(note, dict):
            return note
    raise DamagedError(f"{path}: damaged (not JSON, or no object){advice}")


@contextlib.contextmanager
def new_folder(folder: Path, note: str) -> Iterator[Path]:
    """Yield an unfinished folder; on success it replaces an older ``folder`` with that ``note``, on failure it goes.

    A RunError if something else stands there, the disk is full, or the place cannot be written.
    """
    folder = check_place(folder, note)
    with clear_disk_errors(folder), alone(folder) as unfinished:
        unfinished.mkdir()
        yield unfinished
        for path in filter(Path.is_file, unfinished.rglob("*")):
            with open(path, "rb+" if os.name == "nt" else "rb") as file:  # Windows flushes only what may be written
                os.fsync(file.fileno())
        if check_place(folder, note).exists():
            folder.rename(unfinished.with_suffix(".old"))  # an instant; we may be killed while it is removed
        unfinished.rename(folder)


def check_place(folder: Path, note: str) -> Path:
    """Return ``folder`` as a path; a RunError unless it has a name and is not there, empty, or holds our ``note``."""
    folder = Path(folder)
    if not folder.name:
        raise RunError(f"{folder}: what is made here needs a folder with a name of its own, such as {folder / 'out'}")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [""] * folder.exists()
    if note not in names and not all(name.startswith(f".{note}.") for name in names):  # what a killed claim leaves
        raise RunError(f"{folder} holds something else (no {note} is there); choose another folder")
    return folder


def seal(folder: Path, note: str, facts: dict) -> None:
    """Write the note of a finished folder: ``facts``, and under ``files`` the SHA-256 of every other file."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / note]
    write_json(folder / note, facts | {"files": {path.relative_to(folder).as_posix(): sha256(path) for path in files}})


def sealed(folder: Path, note: str) -> dict:
    """Return the facts of a sealed folder, ``files`` among them, after checking every file.

    Raises:
        FileNotFoundError: there is no such note.
        DamagedError: the note, or a file that it names, is missing, cut short or altered.
    """
    facts = read_json(folder / note)
    if not isinstance(facts.get("files"), dict):
        raise DamagedError(f"{folder / note}: damaged (it names no files)")
    for name, digest in facts["files"].items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise DamagedError(f"{folder / name}: missing, cut short or altered")
    return facts


@contextlib.contextmanager
def claim(folder: Path, note: str, facts: dict) -> Iterator[None]:
    """Hold ``folder`` for long work that depends on these ``facts``, and note them; the same call goes on later.

    If the work fails before it has written anything, the folder is removed. A RunError if it holds something else, work
    on other facts or a damaged note, or cannot be written.
    """
    folder = Path(folder)
    with alone(folder):
        if (check_place(folder, note) / note).exists():
            _remove(*folder.glob(f".{note}.*"))  # of a claim that was killed as it noted its facts
            check_same(folder, read_json(folder / note, f"; delete {folder}"), facts)
        else:
            write_json(folder / note, facts)
        try:
            yield
        except BaseException:
            if [path.name for path in folder.glob("*")] == [note]:
                shutil.rmtree(folder)
            raise


def check_same(folder: Path, there: dict, facts: dict) -> None:
    """Refuse a folder whose note holds other facts, with a RunError that names them; ``files`` is not compared."""
    facts = json.loads(json.dumps(facts)) | {"files": there.get("files")}
    if names := [name for name in sorted(facts.keys() | there.keys()) if facts.get(name) != there.get(name)]:
        other = ", ".join(f"{name} is {there.get(name)} there" for name in names)
        raise RunError(f"{folder} was made with other settings or data ({other}); choose another folder or delete it")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[Path]:
    """Hold the lock ``.NAME.lock`` of ``path`` and yield its hidden name; if another process holds it, log and wait."""
    path = Path(path)
    lock, unfinished, old = (path.with_name(f".{path.name}.{end}") for end in ("lock", "unfinished", "old"))
    held = filelock.FileLock(lock)
    with clear_disk_errors(path, errno.ENOENT):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()  # where no file can be made, the lock itself would wait for ever
        try:
            held.acquire(timeout=0)
        except filelock.Timeout:
            logging.getLogger("tinykd").info("another process is at work on %s; waiting for it", path)
            held.acquire()  # if it was removed meanwhile, a new one
    try:
        if old.exists() and not path.exists():  # killed between the two renames of new_folder
            old.rename(path)
        _remove(unfinished, old)
        yield unfinished
    finally:
        _remove(unfinished, old)
        with contextlib.suppress(OSError):  # Windows removes it when it is released
            lock.unlink()
        held.release()


@contextlib.contextmanager
def clear_disk_errors(path: Path, *more: int) -> Iterator[None]:
    """Turn errors about a full or closed disk, and those of the numbers ``more``, into one clear RunError."""
    try:
        yield
    except Exception as error:
        full = re.search(_FULL, str(error))
        if not full and getattr(error, "errno", None) not in (*_CLOSED, *more):
            raise
        why = "the disk is full; free some space and run the same command again" if full else error.strerror
        raise RunError(f"cannot write {path}: {why}") from error


def _remove(*paths: Path) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
