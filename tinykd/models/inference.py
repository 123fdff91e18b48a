"""Run a model over a corpus: its logits, and what its layers hold, word by word. Taught in lesson 07."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, progress
from tinykd.models.hooks import FeatureHooks, Layers
from tinykd.models.precision import autocast, placed
from tinykd.models.state import check_length

CHUNK = 1024  #: rows that are in memory at a time
BATCH = 32  #: rows that the model sees at once


@torch.inference_mode()
def signals(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset | dict[str, list],
    layers: Layers = Layers(),
    max_length: int = 128,
    precision: str = "fp32",
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the model's outputs for every row of a corpus split, in order; memory does not grow with the corpus.

    Args:
        dataset: a ``Dataset``, or a dict, with a column ``tokens`` or ``text``; labels are not used.
        layers: which hidden states, queries, keys and values to yield beside the logits.
        max_length: subword tokens in a window; a ModelError if the model cannot take them.
        precision: as in :mod:`tinykd.models.precision`.

    Yields:
        A dict of float32 arrays per row: ``logits`` (words, classes), or (1, classes) for classification;
        ``hidden_states``, ``queries``, ``keys``, ``values`` (words, layers, width).
    """
    hooks = FeatureHooks(placed(model), layers)
    if isinstance(dataset, Dataset):
        dataset = dataset.with_format(None)
    text = "tokens" if "tokens" in getattr(dataset, "column_names", dataset) else "text"
    column = dataset[text]
    with progress.bar(total=len(column), desc="predicting", unit="row") as bar:
        for start in range(0, len(column), CHUNK):
            chunk = column[start : start + CHUNK]
            encoded = data.encode_rows({text: chunk}, tokenizer, max_length)
            check_length(model, max(encoded["length"]), max_length)
            windows = _windows(hooks, data.collate(tokenizer), encoded, precision, bar)
            parts: list[list[dict]] = [[] for _ in range(len(chunk))]
            for row, window in zip(encoded["row"], windows, strict=True):
                parts[row].append(window)
            for part in parts:
                yield {name: np.concatenate([window[name] for window in part]) for name in part[0]}


def logits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    max_length: int = 128,
    precision: str = "fp32",
) -> list[np.ndarray]:
    """Return only the logits of :func:`signals`: one float32 array per row, (words, classes) or (1, classes)."""
    return [row["logits"] for row in signals(model, tokenizer, dataset, Layers(), max_length, precision)]


def _windows(
    hooks: FeatureHooks, collate: Callable, encoded: dict[str, list], precision: str, bar: progress.tqdm
) -> list[dict[str, np.ndarray]]:
    """Return the outputs for each window."""
    windows: list[dict[str, np.ndarray]] = [{} for _ in encoded["length"]]
    # The longest first: little padding, and memory fails early.
    order = np.argsort(encoded["length"], kind="stable")[::-1]
    for first in range(0, len(order), BATCH):
        numbers = [int(i) for i in order[first : first + BATCH]]
        rows = [{key: encoded[key][i] for key in encoded if key != "labels"} for i in numbers]
        batch = {key: value.to(hooks.model.device) for key, value in collate(rows).items()}
        with autocast(precision):  # not around the caller's yield, where it would apply to other code, too
            features = hooks(**batch)
        for name, values in features.items():
            for i, row, value in zip(numbers, rows, values.float().cpu().numpy(), strict=True):
                windows[i][name] = value[None] if value.ndim == 1 else value[: len(row["first_subwords"])]
        bar.update(sum(row["first_word"] == 0 for row in rows))
    return windows
