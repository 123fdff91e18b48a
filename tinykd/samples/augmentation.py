"""Augmented samples: new sentences whose labels are right by the way they are made. Taught in lesson 04.

An entity becomes another entity of its type, or any other word a word that is part of no entity.
"""

from collections.abc import Iterator
from itertools import chain

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.data import label_names, task, words
from tinykd.errors import DataError
from tinykd.samples.streaming import entities_by_type, streamed, without_teacher
from tinykd.samples.vocabulary import PlainWords
from tinykd.text import entities


def swap_entities(dataset: Dataset, copies: int = 1, seed: int = 0) -> Dataset:
    """Replace every entity by another of its type: mention replacement (Dai & Adel 2020). Taught in lesson 04.

    The other is drawn among the distinct entities of ``dataset``, written as it stands there; it may have more words or
    fewer. Its labels are built anew: one B-, then I-. An entity stays only where its type has no other.

    Args:
        dataset: columns ``tokens`` and ``labels``.
        copies: new sentences for each sentence that holds an entity. The rest give none.
        seed: of the draws.

    Returns:
        The new sentences alone, with the same columns except ``teacher_…``: the teacher spoke of the old text. They are
        read from a temporary file (see :func:`tinykd.samples.streaming.streamed`).

    Raises:
        DataError: the corpus has no tags, or ``copies`` is below 1.
    """
    _check(copies >= 1, f"copies is {copies}; a sentence gives at least 1")
    _check(task(dataset) == "tagging", "a corpus without tags has no entities to swap; replace_words takes it")
    _check_tags(dataset)
    names = label_names(dataset)
    ids = {name: i for i, name in enumerate(names)}
    pool = entities_by_type(dataset)

    def swap(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        for row, number in zip(rows, numbers, strict=True):
            rng = np.random.default_rng([seed, number])
            for _ in range(copies):
                tokens, labels, end = [], [], 0
                for type_, first, last in entities([names[label] for label in row["labels"]]):
                    entity = _another(pool[type_], tuple(row["tokens"][first:last]), rng)
                    tokens += [*row["tokens"][end:first], *entity]
                    labels += [*row["labels"][end:first], ids[f"B-{type_}"], *(ids[f"I-{type_}"] for _ in entity[1:])]
                    end = last
                tokens, labels = tokens + row["tokens"][end:], labels + row["labels"][end:]
                if tokens != row["tokens"]:
                    yield row | {"tokens": tokens, "labels": labels}

    texts = without_teacher(dataset)
    return streamed(texts, swap, texts.features)


def replace_words(
    dataset: Dataset,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    share: float = 0.15,
    copies: int = 1,
    seed: int = 0,
    how: str = "embedding",
    neighbours: int = 10,
    max_length: int = 128,
) -> Dataset:
    """Replace words by similar ones, after TinyBERT's augmentation (Jiao et al. 2020, algorithm 1). Lesson 04.

    A word is replaced only if it is labelled O (in classification: any) and *plain*: one whole piece of the vocabulary,
    more than three letters and nothing else, no stop word. It becomes another plain word that is part of no entity of
    ``dataset``, and keeps its capitals. (TinyBERT fills a mask at words of one piece, and takes GloVe for the rest.)

    Args:
        model: for ``"embedding"`` any; for ``"masked"`` one of ``masked_language_model``.
        share: of a sentence's words, how many; at least one. A sentence without a plain word gives no copy.
        copies: new sentences a sentence.
        seed: of the draws.
        how: ``"embedding"`` draws among the ``neighbours`` nearest by cosine in the model's input embedding;
            ``"masked"`` masks the words and draws among the ``neighbours`` likeliest there.
        max_length: pieces that the model sees of a text; words after them stay.

    Returns:
        The new sentences alone, as from :func:`swap_entities`.

    Raises:
        DataError: ``copies``, ``share``, ``neighbours`` or ``how`` out of range, or sentences without tags.
        ModelError: ``"masked"`` with a model that fills no masks.
    """
    _check(copies >= 1, f"copies is {copies}; a sentence gives at least 1")
    _check(0 < share <= 1, f"share is {share}; it must be above 0 and at most 1")
    _check(neighbours >= 1, f"neighbours is {neighbours}; it must be at least 1")
    _check(how in ("embedding", "masked"), f"how is {how!r}; expected 'embedding' or 'masked'")
    tagging = task(dataset) == "tagging"
    if tagging:
        _check_tags(dataset)
    entity_words = set(chain(*chain(*entities_by_type(dataset).values()))) if tagging else set()
    vocabulary = PlainWords(model, tokenizer, forbidden={word.lower() for word in entity_words}, max_length=max_length)
    most = int((~vocabulary.forbidden).sum()) - 1
    _check(neighbours <= most, f"neighbours is {neighbours}; this vocabulary has {most} for a word")
    similar = vocabulary.nearest if how == "embedding" else vocabulary.likeliest
    outside = label_names(dataset).index("O") if tagging else None

    def replace(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        texts = [row["tokens"] if tagging else [word.text for word in words(row["text"])] for row in rows]
        plain = vocabulary.places(texts)
        if tagging:
            labels = [row["labels"] for row in rows]
            plain = [[w for w in found if of[w] == outside] for found, of in zip(plain, labels, strict=True)]
        for copy in range(copies if any(plain) else 0):
            rngs = [np.random.default_rng([seed, number, copy]) for number in numbers]
            sizes = [max(1, round(share * len(text))) for text in texts]
            places = [sorted(rng.permutation(all_)[:size]) for rng, all_, size in zip(rngs, plain, sizes, strict=True)]
            candidates = iter(similar(texts, places, neighbours))
            for row, text, chosen, rng in zip(rows, texts, places, rngs, strict=True):
                drawn = {w: _cased(str(rng.choice(next(candidates))), as_=text[w]) for w in chosen}
                if drawn:
                    yield row | _with_words(row, drawn)

    texts = without_teacher(dataset)
    return streamed(texts, replace, texts.features, batch_size=16)


def new_names(
    dataset: Dataset,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    share: float = 0.7,
    copies: int = 1,
    seed: int = 0,
    neighbours: int = 15,
    max_length: int = 128,
) -> Dataset:
    """Write words of the model's vocabulary into the names of a corpus. Taught in lesson 04.

    :func:`swap_entities` knows the names of the corpus, and a student that has read them all still meets new ones. A
    vocabulary holds thousands more, those of a kind near each other. A plain word of a name (see :func:`replace_words`)
    becomes one of its ``neighbours`` by cosine in the input embedding, another word of four letters or more any plain
    word, whether the corpus has it or not. Nobody knows what *Gustav Tornado* is, so the new sentences have no labels:
    the teacher says what it takes them for, ``samples.labelled_by(teacher, tokenizer, new_names(…))``.

    Args:
        dataset: columns ``tokens`` and ``labels``; the labels tell where names stand.
        model: whose input embedding says which words are near.
        share: of the words of names, how many are drawn anew.
        copies: new sentences for each sentence that holds an entity; one in which nothing was drawn is left out.
        seed, neighbours, max_length: as in :func:`replace_words`.

    Returns:
        The new sentences alone, without ``labels`` and ``teacher_…``.

    Raises:
        DataError: ``copies``, ``share`` or ``neighbours`` out of range, or sentences without tags.
    """
    _check(copies >= 1, f"copies is {copies}; a sentence gives at least 1")
    _check(0 < share <= 1, f"share is {share}; it must be above 0 and at most 1")
    _check_tags(dataset)
    vocabulary = PlainWords(model, tokenizer, max_length=max_length)
    most = len(vocabulary.words) - 1
    _check(1 <= neighbours <= most, f"neighbours is {neighbours}; it must lie between 1 and {most}, all that there are")
    outside = label_names(dataset).index("O")

    def renew(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        texts = [row["tokens"] for row in rows]
        inside = [[w for w, label in enumerate(row["labels"]) if label != outside] for row in rows]
        plain = [sorted(set(found) & set(of)) for found, of in zip(vocabulary.places(texts), inside, strict=True)]
        near = iter(vocabulary.nearest(texts, plain, neighbours) if any(plain) else [])
        for row, number, names, known in zip(rows, numbers, inside, plain, strict=True):
            similar = {w: next(near) for w in known}
            for copy in range(copies):
                rng = np.random.default_rng([seed, number, copy])
                drawn = {}
                for w in names:
                    word, pool = row["tokens"][w], similar.get(w, vocabulary.words)
                    if len(word) > 3 and word.isalpha() and rng.random() < share:
                        drawn[w] = _cased(pool[rng.integers(len(pool))], as_=word)
                if drawn:
                    yield {name: row[name] for name in kept.features} | _with_words(row, drawn)

    texts = without_teacher(dataset)
    kept = texts.remove_columns("labels")
    return streamed(texts, renew, kept.features, batch_size=16)


def _with_words(row: dict, drawn: dict[int, str]) -> dict:
    if "tokens" in row:
        return {"tokens": [drawn.get(w, word) for w, word in enumerate(row["tokens"])]}
    text = row["text"]
    for w, word in reversed(list(enumerate(words(text)))):
        text = text[: word.start] + drawn.get(w, word.text) + text[word.end :]
    return {"text": text}


def _cased(word: str, as_: str) -> str:
    return word.upper() if as_.isupper() else word.capitalize() if as_[0].isupper() else word


def _another(pool: list[tuple[str, ...]], own: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """Draw from all but the last, and let the last stand in for ``own``: every other one is equally likely."""
    if len(pool) == 1:
        return own
    drawn = pool[rng.integers(len(pool) - 1)]
    return pool[-1] if drawn == own else drawn


def _check_tags(dataset: Dataset) -> None:
    _check("labels" in dataset.column_names, "these sentences have no tags; let a teacher write them: labelled_by")


def _check(ok: bool, otherwise: str) -> None:
    if not ok:
        raise DataError(otherwise)
