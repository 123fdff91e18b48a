"""Split a sentence into words, keeping where each word stands.

The words are those of a CoNLL-2003 file, as nearly as one regular expression can: abbreviations and
initials keep their full stop (``U.S.``, ``J.``), the possessive is a word of its own (``Orkla`` +
``'s``), hyphenated words and scores stay whole (``left-wing``, ``2-1``), every other mark stands alone.
Taught in lesson 06.
"""

import re
from typing import NamedTuple

_TITLES = (
    "Mr|Mrs|Ms|Dr|St|Gen|Sen|Rep|Gov|Lt|Col|Sgt|Capt|Prof|Rev|Hon|Pres|Inc|Corp|Co|Ltd|Bros|Jr|Sr|No|"
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec|vs|Mt|Ft"
)

_WORD = re.compile(
    rf"""
      (?:[^\W\d_]\.){{2,}}                            # U.S.  U.N.  p.m.  J.R.
    | \b[A-Z]\.(?=\s+\S)                              # J. (an initial, not the end of a sentence)
    | \b(?:{_TITLES})\.(?=\s+\S)            # Mr.  St.  Inc.
    | ['’](?:s|re|ve|ll|d|m)\b                        # the possessive and its kin
    | \d+(?:[.,:/-]\d+)*[^\W\d_]*                     # 3.5  1,200  2-1  10:30  40th
    | \w+(?:(?:['’](?!(?:s|re|ve|ll|d|m)\b)|[-&])\w+)*  # O'Neill  left-wing  B&O
    | -{{2,}} | \.{{3,}}                              # -- ...
    | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Word(NamedTuple):
    """A word and the half-open character range ``text[start:end]`` that holds it."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """Return the words of ``text`` in order; white space is dropped, nothing else is.

    >>> [w.text for w in words("Orkla's J. Ilves won 2-1 in the U.S.")]
    ['Orkla', "'s", 'J.', 'Ilves', 'won', '2-1', 'in', 'the', 'U.S.']
    """
    return [Word(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]
