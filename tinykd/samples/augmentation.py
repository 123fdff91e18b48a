"""Augmented samples: new sentences whose labels are right by the way they are made. Taught in lesson 04.

The new sentences have no columns ``teacher_…``, since what a teacher predicted for a text does not hold for another.
"""

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import progress
from tinykd.data import label_names, task, words
from tinykd.errors import DataError, SettingError, is_whole
from tinykd.samples.streaming import entities_by_type, streamed, without_teacher
from tinykd.samples.vocabulary import PlainWords
from tinykd.text import entities

SIMILAR = 10  #: words among which :func:`replace_words` draws
SIMILAR_NAMES = 15  #: words among which :func:`new_names` draws


def swap_entities(
    dataset: Dataset, copies: int = 1, seed: int = 0, gazetteer: dict[str, list[str]] | None = None
) -> Dataset:
    """Replace every entity by another of its type: mention replacement (Dai & Adel 2020). Taught in lesson 04.

    The other may have more words or fewer, and has labels of its own: one B-, then I-. An entity stays only where its
    type has no other.

    Args:
        copies: new sentences per sentence with an entity.
        gazetteer: names by type to draw from; for other types, and without it, the distinct entities of ``dataset``.

    Returns:
        The new sentences alone, with the same columns.

    Raises:
        DataError: the corpus has no tags.
        SettingError: ``copies`` is below 1, or the gazetteer has an unknown type or no name of a type.
    """
    _check(copies)
    names, pool = _tag_names(dataset), entities_by_type(dataset)
    for type_, listed in (gazetteer or {}).items():
        if f"B-{type_}" not in names or not all(map(words, listed)) or not listed:
            raise SettingError(f"gazetteer: {type_!r} is no type of this corpus, or has an empty name or none at all")
        pool[type_] = list(dict.fromkeys(tuple(word.text for word in words(name)) for name in listed))

    def swap(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        for row, number in zip(rows, numbers, strict=True):
            rng = np.random.default_rng([seed, number])
            for _ in range(copies):
                new = _swapped(row, names, pool, rng)
                if new["tokens"] != row["tokens"]:
                    yield row | new

    return _augmented(dataset, swap)


def replace_words(
    dataset: Dataset,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    copies: int = 1,
    share: float = 0.15,
    seed: int = 0,
) -> Dataset:
    """Replace words by similar ones, after TinyBERT's augmentation (Jiao et al. 2020, algorithm 1). Lesson 04.

    A word is replaced only if it is labelled O (in classification: any) and plain (see :class:`PlainWords`). It becomes
    one of the ten nearest plain words in the model's input embedding that are part of no entity of ``dataset``, and
    keeps its capitals. (TinyBERT takes GloVe's embedding, and a masked language model for words of one subword token.)
    The new sentences alone are returned, with the same columns.

    Args:
        copies: new sentences per sentence with a plain word.
        share: how many of a sentence's words are replaced, in (0, 1]; at least one.

    Raises:
        SettingError: ``copies`` or ``share`` is out of range.
        DataError, ModelError: sentences without tags, or a vocabulary with too few plain words.
    """
    _check(copies, share)
    names = _tag_names(dataset) if task(dataset) == "tagging" else None
    known = set(chain(*chain(*entities_by_type(dataset).values()))) if names else set()
    vocabulary = PlainWords(model, tokenizer, SIMILAR, forbidden={word.lower() for word in known})

    def replace(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        texts = [row["tokens"] if names else [word.text for word in words(row["text"])] for row in rows]
        plain = vocabulary.places(texts)
        for copy in range(copies):
            for row, number, text, places in zip(rows, numbers, texts, plain, strict=True):
                rng = np.random.default_rng([seed, number, copy])
                places = [w for w in places if not names or names[row["labels"][w]] == "O"]
                chosen = sorted(rng.permutation(places)[: max(1, round(share * len(text)))])
                if places:
                    yield row | _with_words(row, {w: str(rng.choice(vocabulary.nearest(text[w]))) for w in chosen})

    return _augmented(dataset, replace)


def new_names(
    dataset: Dataset,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    copies: int = 1,
    share: float = 0.7,
    seed: int = 0,
) -> Dataset:
    """Write words of the model's vocabulary into the names of a corpus. Taught in lesson 04.

    A plain word of a name (see :class:`PlainWords`) becomes one of the 15 nearest in the model's input embedding; any
    other word of four letters or more becomes any plain word. Args and errors are those of :func:`replace_words`;
    ``share`` is that of the words of names.

    Returns:
        The new sentences alone. They have no labels, since a new name may be of another type; the teacher predicts
        them: ``samples.labelled_by(teacher, tokenizer, new_names(…))``.
    """
    _check(copies, share)
    names, vocabulary = _tag_names(dataset), PlainWords(model, tokenizer, SIMILAR_NAMES)

    def renew(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        plain = vocabulary.places([row["tokens"] for row in rows])
        for row, number, places in zip(rows, numbers, plain, strict=True):
            pools = {}
            for w, (word, label) in enumerate(zip(row["tokens"], row["labels"], strict=True)):
                if names[label] != "O" and len(word) > 3 and word.isalpha():
                    pools[w] = vocabulary.nearest(word) if w in places else vocabulary.words
            for copy in range(copies):
                rng = np.random.default_rng([seed, number, copy])
                drawn = {w: pool[rng.integers(len(pool))] for w, pool in pools.items() if rng.random() < share}
                if drawn:
                    yield row | _with_words(row, drawn)

    return _augmented(dataset, renew).remove_columns("labels")


def _augmented(dataset: Dataset, change: Callable) -> Dataset:
    """Write what ``change`` makes of a corpus, 16 rows at a time, without the columns ``teacher_…``."""
    texts = without_teacher(dataset)
    with progress.bar(total=len(texts), desc="augmenting", unit="row") as bar:

        def counted(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
            yield from change(rows, numbers)
            bar.update(len(rows))

        return streamed(texts, counted, texts.features, batch_size=16)


def _swapped(row: dict, names: list[str], pool: dict[str, list[tuple]], rng: np.random.Generator) -> dict:
    """Return the tokens and labels of a sentence in which each entity is another of ``pool``."""
    tokens, labels, end = [], [], 0
    for type_, first, last in entities([names[label] for label in row["labels"]]):
        entity = _another(pool[type_], tuple(row["tokens"][first:last]), rng)
        tokens += [*row["tokens"][end:first], *entity]
        labels += [*row["labels"][end:first], names.index(f"B-{type_}")]
        labels += [names.index(f"I-{type_}") for _ in entity[1:]]
        end = last
    return {"tokens": tokens + row["tokens"][end:], "labels": labels + row["labels"][end:]}


def _another(pool: list[tuple], own: tuple, rng: np.random.Generator) -> tuple:
    """Draw another entity, if there is one."""
    drawn = own
    while drawn == own and pool != [own]:
        drawn = pool[rng.integers(len(pool))]
    return drawn


def _with_words(row: dict, drawn: dict[int, str]) -> dict:
    """Return the tokens or the text of ``row`` with other words at some places, in the capitals of the old ones."""
    if "tokens" in row:
        return {"tokens": [_cased(drawn[w], word) if w in drawn else word for w, word in enumerate(row["tokens"])]}
    text, split = row["text"], words(row["text"])
    for w in sorted(drawn, reverse=True):
        text = text[: split[w].start] + _cased(drawn[w], split[w].text) + text[split[w].end :]
    return {"text": text}


def _cased(word: str, old: str) -> str:
    return word.upper() if old.isupper() else word.capitalize() if old[0].isupper() else word


def _tag_names(dataset: Dataset) -> list[str]:
    if "labels" not in dataset.column_names:
        raise DataError("these sentences have no tags; let a teacher write them: labelled_by")
    return label_names(dataset)


def _check(copies: int, share: float = 1.0) -> None:
    if not is_whole(copies, 1):
        raise SettingError(f"copies is {copies}; it must be a whole number, at least 1")
    if not 0 < share <= 1:
        raise SettingError(f"share is {share}; it must be above 0 and at most 1")
