"""A model in torch as a predictor. Taught in lesson 10."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, models
from tinykd.deploy.predictor import Predictor, Rows


class PlainPredictor(Predictor):
    """A model and its tokenizer, as ``models.load`` returns them."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int = 128):
        self.model, self.tokenizer, self.max_length = model, tokenizer, max_length
        self.task, self.labels = models.task_of(model), models.label_names(model.config)

    def logits(self, rows: Rows) -> Iterator[np.ndarray]:
        """Yield what :func:`tinykd.models.signals` predicts for texts or lists of words."""
        columns = columns_of(rows, self.task)
        for row in models.signals(self.model, self.tokenizer, columns, max_length=self.max_length):
            yield row["logits"]


def columns_of(rows: Rows, task: str) -> dict[str, Rows]:
    """Return texts, or lists of words, as the columns of a corpus split without labels: ``tokens`` or ``text``."""
    if task == "classification":
        return {"text": rows}
    if len(rows) and isinstance(rows[0], str):
        rows = [[word.text for word in data.words(row)] for row in rows]
    return {"tokens": rows}


def load(folder: str | Path, max_length: int = 128) -> PlainPredictor:
    """Load a saved model as a predictor; errors as :func:`tinykd.models.load`."""
    return PlainPredictor(*models.load(folder), max_length)
