"""Tagging schemes: IOB1, IOB2 and BIOES in, IOB2 out.

In IOB2 every entity begins with ``B-``. In IOB1 (the original CoNLL-2003 files) it begins with ``I-``, and ``B-``
only parts two entities of one type that touch. BIOES (also BILOU) marks ends (``E-``, ``L-``) and entities of one word
(``S-``, ``U-``). Taught in lesson 06.
"""

import re
from pathlib import Path

from tinykd.errors import DataError

_TAG = re.compile(r"O|[BIESLU]-[^\s-]\S*")


def is_tag(text: str) -> bool:
    """Whether ``text`` is written like a tag of one of the schemes."""
    return bool(_TAG.fullmatch(text))


def detect(sentences: list[list[str]]) -> str:
    """Name the scheme of tag sequences: ``"IOB1"``, ``"IOB2"`` or ``"BIOES"``."""
    prefixes = {tag[0] for tags in sentences for tag in tags}
    if prefixes & set("ESLU"):
        return "BIOES"
    opens_with_i = parts_only = False
    for tags in sentences:
        for before, tag in zip(["O", *tags], tags, strict=False):
            follows = before[2:] == tag[2:] and before != "O"
            if tag[0] == "I" and not follows:
                opens_with_i = True
            if tag[0] == "B" and not follows:
                return "IOB2"
            parts_only |= tag[0] == "B"
    return "IOB1" if opens_with_i or parts_only else "IOB2"


def to_iob2(path: Path, rows: list[dict]) -> None:
    """Rewrite the ``tags`` of ``rows`` as IOB2, in place.

    Raises:
        DataError: a tag of no scheme, or an ``I-`` that continues nothing; names file, line and word.
    """
    for row in rows:
        for i, tag in enumerate(row["tags"]):
            if not is_tag(tag):
                raise DataError(f"{_at(path, row, i)}: unknown tag {tag!r}; expected O or B-, I- (E-, S-) and a type")
    scheme = detect([row["tags"] for row in rows])
    for row in rows:
        before = "O"
        for i, tag in enumerate(row["tags"]):
            row["tags"][i] = _step(scheme, before, tag)
            if row["tags"][i] is None:
                raise DataError(
                    f"{_at(path, row, i)}: {tag!r} continues an entity that never began (before it: {before!r}); "
                    f"write 'B-{tag[2:]}' if it begins one"
                )
            before = tag


def _step(scheme: str, before: str, tag: str) -> str | None:
    if tag == "O":
        return tag
    prefix, type_ = tag[0], tag[2:]
    inside = before[2:] == type_ and before[0] in "BI"
    if scheme == "IOB1":
        return f"{'I' if prefix == 'I' and inside else 'B'}-{type_}"
    if prefix in "BSU":
        return f"B-{type_}"
    return f"I-{type_}" if inside else None


def _at(path: Path, row: dict, i: int) -> str:
    if path.suffix == ".jsonl":
        return f"{path}:{row['line']}: word {i + 1} ({row['tokens'][i]!r})"
    return f"{path}:{row['line'] + i}: word {row['tokens'][i]!r}"
