"""What ``tinykd.open(folder)`` returns: a saved model, an exported one or a fusion. Taught in lesson 10.

This module needs neither torch nor transformers.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tinykd.errors import DataError
from tinykd.text import classified, tagged, words

Rows = Sequence[str] | Sequence[list[str]]  #: texts, or for tagging lists of words


class Predictor(ABC):
    """A model, or several, with a ``task`` and ``labels``.

    Attributes:
        task: ``"tagging"`` or ``"classification"``.
        labels: label names, in the order of the columns of :meth:`logits`.
        max_length: subword tokens in a window; longer texts are read in several (tagging) or cut (classification).
    """

    task: str
    labels: list[str]
    max_length: int

    @abstractmethod
    def logits(self, rows: Rows) -> Iterable[np.ndarray]:
        """Return a float32 array per row: (words, classes), or (1, classes) for classification."""

    def predict(self, texts: Sequence[str]) -> Iterator[dict]:
        """Yield one dict per text, in order; a DataError for an empty text.

        For tagging ``{"text", "entities": [{"type", "text", "start", "end", "score"}]}``, as :func:`tinykd.text.tagged`
        has it; for classification ``{"text", "label", "score"}``.
        """
        for i, text in enumerate(texts, 1):
            if not text.strip():
                raise DataError(f"text {i} is empty")
        split = [words(text) for text in texts] if self.task == "tagging" else None
        rows = texts if split is None else [[word.text for word in of_text] for of_text in split]
        for i, logits in enumerate(self.logits(rows)):
            if split is None:
                yield classified(texts[i], logits, self.labels)
            else:
                yield tagged(texts[i], split[i], logits, self.labels)
