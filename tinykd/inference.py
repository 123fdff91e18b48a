"""Run a model over a corpus or plain text: logits and signals a word, entities with offsets. Taught in lesson 06."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data
from tinykd.hardware import placed, prefers_bf16
from tinykd.internals import Layers, Watched
from tinykd.models import check_length, label_names, task_of
from tinykd.text import classified, tagged

CHUNK = 1024  #: rows that are in memory at a time


@torch.inference_mode()
def signals(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    layers: Layers = Layers(),
    max_length: int = 128,
    batch_size: int = 32,
    progress: str | None = None,
    bf16: bool = False,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield what the model says of every row of a corpus split, in order; memory does not grow with the corpus.

    Args:
        dataset: columns ``tokens`` and ``labels``, or ``text`` and ``label``.
        layers: which hidden states, queries, keys and values to yield beside the logits.
        progress: what to call the progress bar; none without it.
        bf16: compute as training does, in bfloat16 where the processor is faster with it.

    Yields:
        A dict of float32 arrays a row: ``logits`` (words, classes), or (1, classes) for classification;
        ``hidden_states``, ``queries``, ``keys``, ``values`` (words, layers, hidden).
    """
    placed(model)
    collate = data.collate(tokenizer)
    fast = torch.autocast(model.device.type, torch.bfloat16, enabled=bf16 and prefers_bf16())
    watched = Watched(model, layers)
    with tqdm(total=len(dataset), desc=progress, unit="row", disable=progress is None) as bar:
        for start in range(0, len(dataset), CHUNK):
            chunk = dataset.select(range(start, min(start + CHUNK, len(dataset))))
            encoded = data.encode(chunk, tokenizer, max_length)
            check_length(model, max(encoded["length"][:], default=0), max_length)
            windows: list[dict[str, np.ndarray]] = [{} for _ in range(len(encoded))]
            # The longest first: little padding, and memory fails early.
            order = np.argsort(encoded["length"][:], kind="stable")[::-1]
            for first in range(0, len(order), batch_size):
                rows = [encoded[int(i)] for i in order[first : first + batch_size]]
                batch = collate(rows)
                del batch["labels"]
                with fast:  # not around the yield below: it would hold for whoever asks
                    found = watched(**{key: value.to(model.device) for key, value in batch.items()})
                for name, values in found.items():
                    for i, row, value in zip(order[first:], rows, values.float().cpu().numpy(), strict=False):
                        words = len(row["word_starts"])
                        windows[i][name] = value[None] if value.ndim == 1 else value[:words]
                bar.update(sum(row["first_word"] == 0 for row in rows))
            parts: list[list[dict]] = [[] for _ in range(len(chunk))]
            for row, window in zip(encoded["row"][:], windows, strict=True):
                parts[row].append(window)
            for part in parts:
                yield {name: np.concatenate([window[name] for window in part]) for name in part[0]}


def logits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    max_length: int = 128,
    batch_size: int = 32,
    progress: str | None = None,
    bf16: bool = False,
) -> list[np.ndarray]:
    """Return only the logits of :func:`signals`: one float32 array a row, (words, classes) or (1, classes)."""
    how = {"max_length": max_length, "batch_size": batch_size, "progress": progress, "bf16": bf16}
    found = signals(model, tokenizer, dataset, **how)
    return [row["logits"] for row in found]


def predict(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    max_length: int = 128,
    batch_size: int = 32,
) -> Iterator[dict]:
    """Yield one dict a text, in order.

    For tagging ``{"text", "entities": [{"type", "text", "start", "end", "score"}]}`` with half-open character offsets
    and the lowest probability among the entity's words; for classification ``{"text", "label", "score"}``.

    Raises:
        ValueError: an empty text.
    """
    names = label_names(model.config)
    yield from answers(
        texts, task_of(model), names, lambda rows: logits(model, tokenizer, rows, max_length, batch_size)
    )


def answers(
    texts: list[str], task: str, names: list[str], ask: Callable[[Dataset], Iterable[np.ndarray]]
) -> Iterator[dict]:
    """Yield what :func:`predict` promises, for whatever gives logits: one model, or several fused.

    Args:
        task: ``"tagging"`` or ``"classification"``.
        names: the labels, in the order of the logits' columns.
        ask: takes the texts as a corpus split and gives an array a row, (words, classes) or (1, classes).

    Raises:
        ValueError: an empty text.
    """
    for i, text in enumerate(texts):
        if not text.strip():
            raise ValueError(f"text {i + 1} is empty")
    if task == "classification":
        dataset = Dataset.from_dict({"text": texts, "label": [0] * len(texts)})
    else:
        split = [data.words(text) for text in texts]
        tokens = [[word.text for word in found] for found in split]
        dataset = Dataset.from_dict({"tokens": tokens, "labels": [[0] * len(found) for found in tokens]})
    for i, row in enumerate(ask(dataset)):
        yield classified(texts[i], row, names) if task == "classification" else tagged(texts[i], split[i], row, names)
