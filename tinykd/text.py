"""From plain text to a model and back, without torch: words, windows, predictions. Taught in lesson 07."""

import functools
import itertools
import re
from typing import NamedTuple

import numpy as np

from tinykd.errors import DataError, SettingError

# Han as in BERT (`_is_chinese_char` in transformers); before it 々〆〇 and kana, at the end of its row half-width kana
_CJK = (
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f"
)
_CJK_MARKS = "\u3099\u309a\uff9e\uff9f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # voiced sounds, variants of a character
_CHAR = rf"[^\W{_CJK}]"
_LETTER = rf"[^\W\d_{_CJK}]"
_CLITIC = rf"(?:[sdmSDM]|[rvRV][eE]|[lL]{{2}})(?!{_CHAR})"
_TITLES = (
    "Mr|Mrs|Ms|Dr|St|Gen|Sen|Rep|Gov|Lt|Col|Sgt|Capt|Prof|Rev|Hon|Pres|Inc|Corp|Co|Ltd|Bros|Jr|Sr|"
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec|Vs|Mt|Ft"
)

_WORD = re.compile(
    rf"""
      (?:{_LETTER}\.){{2,}}                              # U.S.  U.N.  p.m.  J.R.
    | (?<!{_CHAR})[A-Z]\.(?=\s+\S)                       # J. (an initial, not the end of a sentence)
    | (?<!{_CHAR})(?:{_TITLES}|{_TITLES.upper()}|mr|mrs|dr|vs)\.(?=\s+\S)  # Mr.  St.  INC.  (not: a sales rep. Then)
    | (?<!{_CHAR})[Nn][Oo]\.(?=\s+\d)                    # No. 5 (not: No. Then)
    | (?<=\)\s)d\.(?=\s+\S)                             # (10-1) d. Aomori: defeated
    | ['’]{_CLITIC}                                     # the possessive and its kin
    | \d+(?:[.,:/-]\d+)*{_LETTER}*                      # 3.5  1,200  2-1  10:30  40th
    | {_CHAR}+(?:(?:['’](?!{_CLITIC})|[-&]){_CHAR}+)*   # O'Neill  left-wing  B&O
    | [{_CJK}][{_CJK_MARKS}]*
    | -{{2,}} | \.{{3,}}                                 # -- ...
    | \S
    """,
    re.VERBOSE,
)


class Word(NamedTuple):
    """A word and the half-open range of characters (code points) ``text[start:end]`` that holds it."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """Return the words of ``text`` in order; only white space is dropped.

    The words are nearly those of a CoNLL-2003 file: abbreviations and initials keep their full stop, the possessive is
    a word of its own, hyphenated words and scores stay whole. Each Chinese or Japanese character is a word.

    >>> [w.text for w in words("Orkla's J. Ilves won 2-1 in the U.S.")]
    ['Orkla', "'s", 'J.', 'Ilves', 'won', '2-1', 'in', 'the', 'U.S.']
    >>> [w.text for w in words("王小明在IBM工作")]
    ['王', '小', '明', '在', 'IBM', '工', '作']
    """
    return [Word(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]


class Window(NamedTuple):
    """What a model sees at once: the ``ids`` of its subword tokens, special ones included.

    It owns the words ``first_word``, ``first_word + 1``, …; their first subword tokens are at ``first_subwords``.
    """

    ids: list[int]
    first_subwords: list[int]
    first_word: int


def by_word(documents: list[list[str]], encodings: list, unknown: int) -> list[list[list[int]]]:
    """Return the subword ids of each word, from a ``tokenizers.Encoding`` per document; ``unknown`` for none."""
    of_documents = []
    for document, encoding in zip(documents, encodings, strict=True):
        subwords: list[list[int]] = [[] for _ in document]
        for token, word in zip(encoding.ids, encoding.word_ids, strict=True):
            subwords[word].append(token)
        of_documents.append([ids or [unknown] for ids in subwords])
    return of_documents


def cut(subwords: list[list[int]], before: list[int], after: list[int], max_length: int) -> list[Window]:
    """Cut a document into windows of at most ``max_length`` subword tokens; raises what :func:`windows` raises.

    Args:
        subwords: the subword ids of each word; of a word longer than a window, the first ones are kept.
        before, after: the special tokens around a text, ``[CLS]`` and ``[SEP]`` for BERT.
    """
    room = max_length - len(before) - len(after)
    laid = []
    for first, last, owned, owned_end in windows([len(ids[:room]) for ids in subwords], room):
        ids, first_subwords = list(before), []
        for word in range(first, last):
            if owned <= word < owned_end:
                first_subwords.append(len(ids))
            ids += subwords[word][:room]
        laid.append(Window(ids + after, first_subwords, owned))
    return laid


def windows(sizes: list[int], room: int) -> list[tuple[int, int, int, int]]:
    """Cut a document into windows of at most ``room`` subword tokens, from the number of these in each word.

    Returns:
        ``(first, last, owned, owned_end)`` per window: it shows the words ``[first, last)`` and owns ``[owned,
        owned_end)``. Windows overlap by about half; every word is owned exactly once.

    Raises:
        DataError: a text without words.
        SettingError: a word that does not fit into ``room``.

    >>> windows([2, 2, 2, 2, 2, 2], room=8)
    [(0, 4, 0, 3), (2, 6, 3, 6)]
    """
    if not sizes:
        raise DataError("a text without words; leave such rows out")
    if room < max(sizes):
        raise SettingError(f"max_length leaves room for {room} subword tokens, too few for a word; use a larger one")
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

    The rule of the CoNLL-2003 scorer: an ``I-`` that continues nothing begins an entity all the same.

    >>> entities(["B-PER", "I-PER", "O", "I-LOC"])
    [('PER', 0, 2), ('LOC', 3, 4)]
    """
    spans, first, type_ = [], 0, ""
    for i, tag in enumerate([*tags, "O"]):
        if tag[0] == "I" and tag[2:] == type_:
            continue
        if type_:
            spans.append((type_, first, i))
        first, type_ = i, tag[2:]
    return spans


def decode(logits: np.ndarray, names: list[str]) -> list[int]:
    """Return the labels of a sentence: the best sequence that IOB2 allows, by Viterbi's algorithm (1967). Lesson 07.

    The likeliest tag of each word alone may give ``B-ORG I-LOC``, which is no entity. Here an ``I-`` follows the ``B-``
    or ``I-`` of its own type. Of such sequences the most probable is chosen, as if the words were independent. For
    labels that are not IOB2 this is the ``argmax`` of each word. A tagger trained on IOB1, whose entities begin with
    ``I-``, must be fine-tuned on IOB2 first.

    >>> names = ["O", "B-ORG", "I-ORG", "I-LOC", "B-LOC"]
    >>> decode(np.array([[0, 5, 0, 0, 4], [0, 0, 3, 3.5, 0]]), names)  # "B-ORG I-LOC" would be 8.5
    [1, 2]

    Args:
        logits: (words, classes), at least one word; a constant added to all logits of a word changes nothing.
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
    """Return (label before, label): minus infinity where forbidden, else 0; the last row is a sentence's beginning."""
    begun = {name[2:] for name in names if name.startswith("B-")}
    bound = np.array([name.startswith("I-") and name[2:] in begun for name in names])
    other = np.array([[before[2:] != name[2:] for name in names] for before in (*names, "O")])
    return np.where(bound & other, -np.inf, 0.0)


def tagged(text: str, split: list[Word], logits: np.ndarray, names: list[str]) -> dict:
    """Return ``{"text", "entities": [{"type", "text", "start", "end", "score"}]}``: half-open character offsets.

    ``split`` are the words of ``text``, ``logits`` (words, classes), ``names`` the label of each class. The score is
    the lowest probability among the entity's words.
    """
    scores = _softmax(logits)
    best = np.array(decode(logits, names))
    marked = []
    for type_, first, last in entities([names[k] for k in best]):
        start, end = split[first].start, split[last - 1].end
        score = round(float(scores[range(first, last), best[first:last]].min()), 4)
        marked.append({"type": type_, "text": text[start:end], "start": start, "end": end, "score": score})
    return {"text": text, "entities": marked}


def classified(text: str, logits: np.ndarray, names: list[str]) -> dict:
    """Return ``{"text", "label", "score"}``; ``logits`` are (1, classes)."""
    scores = _softmax(logits)[0]
    best = int(scores.argmax())
    return {"text": text, "label": names[best], "score": round(float(scores[best]), 4)}


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def evenly(rows: list, count: int) -> list:
    """Return ``count`` of the rows, or all if there are fewer, from the first to the last in equal steps."""
    return [rows[i] for i in np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]
