"""What stands between plain text and a model, without torch: words, windows, answers. Taught in lesson 06.

Training, prediction and the exported model all read and answer through these functions, so that they cannot differ.

The words are those of a CoNLL-2003 file, as nearly as one regular expression can: abbreviations and
initials keep their full stop (``U.S.``, ``J.``), the possessive is a word of its own (``Orkla`` +
``'s``), hyphenated words and scores stay whole (``left-wing``, ``2-1``), every other mark stands alone.
"""

import functools
import itertools
import re
from typing import NamedTuple

import numpy as np

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


class Window(NamedTuple):
    """What a model sees at once: piece ``ids`` with the special ones, and the words whose tags count here.

    These are ``first_word``, ``first_word + 1``, …; their first pieces stand at the positions ``word_starts``.
    """

    ids: list[int]
    word_starts: list[int]
    first_word: int


def cut(pieces: list[list[int]], before: list[int], after: list[int], max_length: int) -> list[Window]:
    """Lay a document, given the piece ids of each word, into windows of at most ``max_length`` pieces.

    Args:
        before, after: the special pieces around a text, ``[CLS]`` and ``[SEP]`` for BERT.
    """
    room = max_length - len(before) - len(after)
    found = []
    for first, last, owned, owned_end in windows([len(ids[:room]) for ids in pieces], room):
        ids, starts = list(before), []
        for word in range(first, last):
            if owned <= word < owned_end:
                starts.append(len(ids))
            ids += pieces[word][:room]
        found.append(Window(ids + after, starts, owned))
    return found


def windows(sizes: list[int], room: int) -> list[tuple[int, int, int, int]]:
    """Cut a document, given the number of pieces of each word, into windows of at most ``room`` pieces.

    Returns:
        A list of ``(first, last, owned, owned_end)``: the window shows the words ``[first, last)`` and owns
        ``[owned, owned_end)``. Windows overlap by about half; every word is owned exactly once.

    >>> windows([2, 2, 2, 2, 2, 2], room=8)
    [(0, 4, 0, 3), (2, 6, 3, 6)]
    """
    if not sizes:
        raise ValueError("a text without words; leave such rows out")
    if room < max(sizes):
        raise ValueError(f"a window of {room} pieces is too small; use a larger max_length")
    ends = np.cumsum(sizes)
    spans, first, last = [], 0, 0
    while last < len(sizes):
        last = int(np.searchsorted(ends, ends[first] - sizes[first] + room, side="right"))
        spans.append((first, last))
        half_back = int(np.searchsorted(ends, ends[last - 1] - room // 2, side="right"))
        first = max(first + 1, half_back)
    borders = [0] + [(end + start) // 2 for (_, end), (start, _) in itertools.pairwise(spans)] + [len(sizes)]
    return [(*span, *owned) for span, owned in zip(spans, itertools.pairwise(borders), strict=True)]


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """Return the entities of an IOB2 tag sequence as ``(type, first, last)``, ``last`` not included.

    The rule of the CoNLL-2003 scorer: an ``I-`` that continues nothing begins an entity all the same, so that a model's
    slip costs one entity and not two.

    >>> entities(["B-PER", "I-PER", "O", "I-LOC"])
    [('PER', 0, 2), ('LOC', 3, 4)]
    """
    found, first, type_ = [], 0, None
    for i, tag in enumerate([*tags, "O"]):
        continues = tag[0] == "I" and tag[2:] == type_
        if not continues:
            if type_:
                found.append((type_, first, i))
            first, type_ = i, tag[2:] or None
    return found


def decode(logits: np.ndarray, names: list[str]) -> list[int]:
    """Return the labels of a sentence: the best sequence that IOB2 allows, by Viterbi's algorithm (1967).

    A tagger judges each word by itself, and the likeliest tags of the words alone may be ``B-ORG I-LOC``, which is no
    entity. Here an ``I-`` follows the ``B-`` or ``I-`` of its own type, or it is not chosen; among the sequences that
    are left, the most probable one is found, as if the words were independent. Labels that are not IOB2 are free: for
    them the answer is the ``argmax`` of each row. (IOB1 has the same names and begins with ``I-``; fine-tune a tagger
    that was trained on it before you ask it here.) Taught in lesson 06.

    >>> names = ["O", "B-ORG", "I-ORG", "I-LOC", "B-LOC"]
    >>> decode(np.array([[0, 5, 0, 0, 4], [0, 0, 3, 3.5, 0]]), names)  # "B-ORG I-LOC" would be 8.5
    [1, 2]

    Args:
        logits: (words, classes); probabilities' logarithms do as well, for each row may have a constant added.
        names: the label of each class.
    """
    forbidden = _forbidden(tuple(names))
    score, best_before = logits[0] + forbidden[-1], []
    for row in logits[1:]:
        paths = score[:, None] + forbidden[:-1]  # (label before, label)
        best_before.append(paths.argmax(0))
        score = paths.max(0) + row
    labels = [int(score.argmax())]
    for before in reversed(best_before):
        labels.append(int(before[labels[-1]]))
    return labels[::-1]


@functools.cache
def _forbidden(names: tuple[str, ...]) -> np.ndarray:
    """Return minus infinity where a label must not follow another, else 0; the last row: where a sentence begins."""
    begun = {name[2:] for name in names if name.startswith("B-")}
    bound = np.array([name.startswith("I-") and name[2:] in begun for name in names])
    other = np.array([[before[2:] != name[2:] for name in names] for before in (*names, "O")])
    return np.where(bound & other, -np.inf, 0.0)


def tagged(text: str, split: list[Word], logits: np.ndarray, names: list[str]) -> dict:
    """Return ``{"text", "entities": [{"type", "text", "start", "end", "score"}]}``: half-open character offsets.

    The score is the lowest probability among the entity's words.

    Args:
        split: the words of ``text``.
        logits: (words, classes).
        names: the label of each class.
    """
    scores = _softmax(logits)
    best = np.array(decode(logits, names))
    found = []
    for type_, first, last in entities([names[k] for k in best]):
        start, end = split[first].start, split[last - 1].end
        score = round(float(scores[range(first, last), best[first:last]].min()), 4)
        found.append({"type": type_, "text": text[start:end], "start": start, "end": end, "score": score})
    return {"text": text, "entities": found}


def classified(text: str, logits: np.ndarray, names: list[str]) -> dict:
    """Return ``{"text", "label", "score"}``; ``logits`` are (1, classes)."""
    scores = _softmax(logits)[0]
    best = int(scores.argmax())
    return {"text": text, "label": names[best], "score": round(float(scores[best]), 4)}


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def evenly(rows: list, count: int) -> list:
    """Return so many rows, all of them if there are no more, from the first to the last in equal steps."""
    return [rows[i] for i in np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]
