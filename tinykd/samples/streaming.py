"""Go through a corpus without holding it. Taught in lesson 04."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from datasets import Dataset, Features
from datasets.fingerprint import generate_random_fingerprint, get_temporary_cache_files_directory
from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from tinykd.data import label_names
from tinykd.text import entities


def streamed(
    dataset: Dataset,
    function: Callable[[list[dict], list[int]], Iterable[dict]],
    features: Features,
    batch_size: int = 1000,
) -> Dataset:
    """Pass a corpus through ``function`` batch by batch, into a temporary file. Taught in lesson 04.

    Memory holds one batch; the result is memory-mapped. ``Dataset.map`` left to itself would write in ``~/.cache`` or,
    worse, into the folder of a stored teacher signal; here the file lies where it goes when Python ends.
    ``save_to_disk`` keeps it longer.

    Args:
        function: takes rows and their numbers, returns new rows, as many as it likes. It is called in order.
        features: the columns to keep of the new rows.
    """
    if not len(dataset):
        return Dataset.from_dict({name: [] for name in features}, features=features)

    def rewrite(batch: dict, numbers: list[int]) -> dict:
        rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        new = list(function(rows, numbers))
        return {name: [row[name] for row in new] for name in features}

    visible = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return dataset.with_format(None).map(
            rewrite,
            with_indices=True,
            batched=True,
            batch_size=batch_size,
            remove_columns=dataset.column_names,
            features=features,
            cache_file_name=str(Path(get_temporary_cache_files_directory()) / f"{generate_random_fingerprint()}.arrow"),
            new_fingerprint=generate_random_fingerprint(),  # nothing is looked up in a cache
        )
    finally:
        if visible:
            enable_progress_bars()


def flat(dataset: Dataset) -> Dataset:
    """Write a selection of rows out, as :func:`streamed` does; return a corpus that selects nothing as it is.

    Columns can only be put beside rows that lie in order, and ``datasets`` would write them into the folder of a store.
    """
    return dataset if dataset._indices is None else streamed(dataset, lambda rows, numbers: rows, dataset.features)


def without_teacher(dataset: Dataset) -> Dataset:
    """Leave out the columns ``teacher_…``: what a teacher said of a text does not hold for another."""
    return dataset.select_columns([name for name in dataset.column_names if not name.startswith("teacher_")])


def entities_by_type(dataset: Dataset) -> dict[str, list[tuple[str, ...]]]:
    """Return the distinct entities of a tagging corpus, each the tuple of its words, in order of appearance."""
    names = label_names(dataset)
    found = defaultdict(dict)  # a dict keeps the order, a set does not
    for batch in dataset.select_columns(["tokens", "labels"]).with_format(None).iter(batch_size=1000):
        for tokens, labels in zip(batch["tokens"], batch["labels"], strict=True):
            for type_, first, last in entities([names[label] for label in labels]):
                found[type_][tuple(tokens[first:last])] = True
    return {type_: list(distinct) for type_, distinct in found.items()}
