"""Run a model over a corpus or over plain text: logits a word, entities with character offsets. Taught in lesson 06."""

from collections.abc import Iterator

import numpy as np
import torch
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data
from tinykd.models import task_of


@torch.inference_mode()
def logits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    max_length: int = 128,
    batch_size: int = 32,
    progress: str | None = None,
) -> list[np.ndarray]:
    """Return the model's logits for every row of a corpus split.

    Args:
        dataset: columns ``tokens`` and ``labels``, or ``text`` and ``label``.
        progress: what to call the progress bar; none without it.

    Returns:
        One float32 array a row: (words, classes) for tagging, (1, classes) for classification, in the order of
        ``dataset``.
    """
    encoded = data.encode(dataset, tokenizer, max_length)
    collate = data.collate(tokenizer)
    windows: list[np.ndarray] = [np.empty(0)] * len(encoded)
    order = np.argsort(encoded["length"][:], kind="stable")[
        ::-1
    ]  # the longest first: little padding, and memory fails early
    model.eval()
    starts = range(0, len(order), batch_size)
    for start in tqdm(starts, desc=progress, unit="batch", disable=progress is None):
        rows = [int(i) for i in order[start : start + batch_size]]
        batch = collate([encoded[i] for i in rows])
        labels = batch.pop("labels")
        out = model(**{key: value.to(model.device) for key, value in batch.items()}).logits.float().cpu()
        for i, row in enumerate(rows):
            windows[row] = out[i][labels[i] != data.IGNORE].numpy() if labels.dim() == 2 else out[i : i + 1].numpy()
    parts: list[list[np.ndarray]] = [[] for _ in range(len(dataset))]
    for row, window in zip(encoded["row"][:], windows, strict=True):
        parts[row].append(window)
    return [np.concatenate(part) for part in parts]


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
    for i, text in enumerate(texts):
        if not text.strip():
            raise ValueError(f"text {i + 1} is empty")
    names = [model.config.id2label[i] for i in range(model.config.num_labels)]
    if task_of(model.config) == "classification":
        dataset = Dataset.from_dict({"text": texts, "label": [0] * len(texts)})
    else:
        split = [data.words(text) for text in texts]
        tokens = [[word.text for word in found] for found in split]
        dataset = Dataset.from_dict({"tokens": tokens, "labels": [[0] * len(found) for found in tokens]})
    for i, row in enumerate(logits(model, tokenizer, dataset, max_length, batch_size)):
        scores = torch.from_numpy(row).softmax(-1)
        best = scores.argmax(-1)
        chosen = scores.gather(-1, best[:, None])[:, 0]
        if "text" in dataset.column_names:
            yield {"text": texts[i], "label": names[int(best[0])], "score": round(float(chosen[0]), 4)}
            continue
        found = []
        for type_, first, last in entities([names[k] for k in best.tolist()]):
            start, end = split[i][first].start, split[i][last - 1].end
            score = round(float(chosen[first:last].min()), 4)
            found.append({"type": type_, "text": texts[i][start:end], "start": start, "end": end, "score": score})
        yield {"text": texts[i], "entities": found}


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
