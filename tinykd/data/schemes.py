"""Tagging schemes: IOB1, IOB2, BIOES and BMES in, IOB2 out.

In IOB2 every entity begins with ``B-``. In IOB1 (the original CoNLL-2003 files) ``B-`` only parts two entities of one
type that touch. BIOES marks ends (``E-``) and entities of one word (``S-``); BILOU writes these ``L-`` and ``U-``, and
BMES writes ``M-`` for ``I-``. Taught in lesson 07.
"""

import itertools
import logging
import re
from pathlib import Path

from tinykd.errors import DataError

logger = logging.getLogger("tinykd")

_TAG = re.compile(r"O|[BIESLUM]-[^\s-]\S*")


def is_tag(text: str) -> bool:
    """Whether ``text`` is written like a tag of one of the schemes."""
    return bool(_TAG.fullmatch(text))


def detect(sentences: list[list[str]]) -> str:
    """Name the scheme of tag sequences: ``"IOB1"``, ``"IOB2"`` or ``"BIOES"`` (BILOU and BMES too)."""
    if {tag[0] for tags in sentences for tag in tags} & set("ESLUM"):
        return "BIOES"
    pairs = (pair for tags in sentences for pair in itertools.pairwise(["O", *tags]))
    starts = {tag[0] for before, tag in pairs if before[2:] != tag[2:]}
    return "IOB1" if starts - {"O"} == {"I"} else "IOB2"


def to_iob2(path: Path, rows: list[dict], strict: bool = False) -> None:
    """Rewrite the ``tags`` of ``rows`` as IOB2, in place.

    An ``I-`` (``M-``, ``E-``, ``L-``) that continues nothing, or follows an entity of another type, is a slip. As in
    the CoNLL scorer, it begins an entity. One warning names the first and counts them; with ``strict``, a DataError
    names it, as it names a tag of no scheme.
    """
    for row in rows:
        for i, tag in enumerate(row["tags"]):
            if not is_tag(tag):
                raise DataError(f"{_at(path, row, i)}: unknown tag {tag!r}; expected O or B-, I- (E-, S-) and a type")
    is_iob1, slips = detect([row["tags"] for row in rows]) == "IOB1", []
    for row in rows:
        before = "O"
        for i, tag in enumerate(row["tags"]):
            if tag != "O":
                continues = tag[0] not in "BSU" and before[0] in "BIM" and before[2:] == tag[2:]
                if not (continues or is_iob1 or tag[0] in "BSU"):
                    slips.append((row, i, tag, before))
                row["tags"][i] = f"{'I' if continues else 'B'}-{tag[2:]}"
            before = tag
    if slips:
        row, i, tag, before = slips[0]
        slip = f"{_at(path, row, i)}: {tag!r} continues an entity that never began (before it: {before!r})"
        if strict:
            raise DataError(f"{slip}; write 'B-{tag[2:]}' if it begins one")
        logger.warning("%s; as in the CoNLL scorer it begins one; %d such tags in the file", slip, len(slips))


def _at(path: Path, row: dict, i: int) -> str:
    if path.suffix == ".jsonl":
        return f"{path}:{row['line']}: word {i + 1} ({row['tokens'][i]!r})"
    return f"{path}:{row['line'] + i}: word {row['tokens'][i]!r}"
