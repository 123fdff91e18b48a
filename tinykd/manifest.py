"""What an exported folder holds, and proof that it still does. Taught in lesson 08."""

import hashlib
import json
from pathlib import Path

from tinykd.errors import ModelError
from tinykd.files import write_json

NAME = "export.json"


def seal(folder: Path, facts: dict) -> None:
    """Write ``export.json``: ``facts`` and, under ``files``, the SHA-256 of every other file in ``folder``."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = {name: sha256(folder / name) for name in names if name != NAME}
    write_json(folder / NAME, facts | {"files": files})


def read(folder: Path) -> dict:
    """Return the facts of a sealed folder, after a look at every file.

    Raises:
        ModelError: not an exported folder; a file that is missing, cut short or altered.
    """
    try:
        facts = json.loads((folder / NAME).read_text(encoding="utf-8"))
        files = dict(facts["files"])
    except FileNotFoundError:
        raise ModelError(f"{folder}: not an exported model (no {NAME}); make one with export.to_onnx") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"{folder / NAME}: damaged; export the model again") from None
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{path}: missing; export the model again")
        if sha256(path) != digest:
            raise ModelError(f"{path}: cut short or altered since the export (other SHA-256); export the model again")
    return facts


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
