"""Go through a corpus without holding it in memory. Taught in lesson 04."""

import functools
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable

from datasets import Dataset, Features

from tinykd import _compat
from tinykd.data import label_names
from tinykd.text import entities


def streamed(
    dataset: Dataset,
    function: Callable[[list[dict], list[int]], Iterable[dict]],
    features: Features,
    batch_size: int = 1000,
) -> Dataset:
    """Pass a corpus through ``function`` batch by batch, into a temporary file, removed when Python ends. Lesson 04.

    Memory holds one batch. (``Dataset.map`` would write in ``~/.cache`` or into the folder of a stored signal.)

    Args:
        function: takes rows and their numbers, returns new rows, as many as it likes. It is called in order.
        features: the columns to keep of the new rows.
    """
    batches, path = dataset.with_format(None).iter(batch_size), f"{_folder().name}/{uuid.uuid4().hex}.arrow"
    with _compat.arrow_writer(path, features) as writer:
        for start, batch in zip(range(0, len(dataset), batch_size), batches, strict=True):
            rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
            for row in function(rows, list(range(start, start + len(rows)))):
                writer.write({name: row[name] for name in features})
        writer.finalize()
    return Dataset.from_file(path)


def flat(dataset: Dataset) -> Dataset:
    """Write a selection of rows into a temporary file, so that columns can be put beside it."""
    if not _compat.is_selection(dataset):
        return dataset
    return streamed(dataset, lambda rows, numbers: rows, dataset.features, batch_size=16)


def without_teacher(dataset: Dataset) -> Dataset:
    """Leave out the columns ``teacher_…``."""
    return dataset.select_columns([name for name in dataset.column_names if not name.startswith("teacher_")])


def entities_by_type(dataset: Dataset) -> dict[str, list[tuple[str, ...]]]:
    """Return the distinct entities of a tagging corpus, each the tuple of its words, in order of appearance."""
    names = label_names(dataset)
    distinct = defaultdict(dict)  # a dict keeps the order, a set does not
    for batch in dataset.select_columns(["tokens", "labels"]).with_format(None).iter(batch_size=1000):
        for tokens, labels in zip(batch["tokens"], batch["labels"], strict=True):
            for type_, first, last in entities([names[label] for label in labels]):
                distinct[type_][tuple(tokens[first:last])] = True
    return {type_: list(each) for type_, each in distinct.items()}


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    """Return this process's folder, removed when Python ends; Windows keeps what is still mapped."""
    return tempfile.TemporaryDirectory(prefix="tinykd-", ignore_cleanup_errors=True)
