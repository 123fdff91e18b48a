"""What every fusion shares: members whose labels are matched by name, answers, one folder. Taught in lesson 09."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import inference, models
from tinykd.errors import ModelError
from tinykd.files import new_folder, write_json

Member = tuple[PreTrainedModel, PreTrainedTokenizerBase]  #: what ``models.load`` returns
NOTE = "fusion.json"  #: kind and settings of a saved fusion, beside its members' folders


class Fusion(ABC):
    """Several models that answer as one. Its ``members`` stay plain models; the first gives task and label order."""

    members: dict[str, Member]
    roles = ("teacher", "student")  #: fields of a cascade that are members, not settings

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the columns of :meth:`logits`."""
        return models.label_names(next(iter(self.members.values()))[0].config)

    @abstractmethod
    def logits(self, dataset: Dataset, max_length: int = 128, batch_size: int = 32) -> list[np.ndarray]:
        """Return the fused logits, one array a row: (words, classes), or (1, classes) for classification.

        Temperatures are applied: a softmax of these logits gives the probabilities that the fusion stands for.
        """

    def predict(self, texts: list[str], max_length: int = 128, batch_size: int = 32) -> Iterator[dict]:
        """Yield one dict a text, in order, of the same form as :func:`tinykd.inference.predict`.

        Raises:
            ValueError: an empty text.
        """
        task = models.task_of(next(iter(self.members.values()))[0])
        yield from inference.answers(texts, task, self.labels, lambda rows: self.logits(rows, max_length, batch_size))

    def save(self, folder: Path) -> None:
        """Write a folder a member, and ``fusion.json``; the whole folder appears at once or not at all.

        Raises:
            RunError: ``folder`` holds something that is no fusion and would be lost, or cannot be written.
        """
        folder = Path(folder)
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("members", *self.roles)}
        with new_folder(folder, NOTE) as unfinished:
            for name, (model, tokenizer) in self.members.items():
                models.save(model, tokenizer, unfinished / name)
            note = {"kind": type(self).__name__.lower(), "members": list(self.members), "settings": settings}
            write_json(unfinished / NOTE, note)


def logits_by_name(
    member: Member, labels: list[str], dataset: Dataset, max_length: int = 128, batch_size: int = 32
) -> list[np.ndarray]:
    """Return a model's logits with the columns in the order of ``labels``, whatever the model's own order.

    Returns:
        One float32 array a row of ``dataset``: (words, classes), or (1, classes) for classification.

    Raises:
        ModelError: the model knows other labels.
    """
    model, tokenizer = member
    there = models.label_names(model.config)
    models.check_labels(there, labels, "the model", "the corpus")
    order = [there.index(label) for label in labels]
    return [row[:, order] for row in inference.logits(model, tokenizer, dataset, max_length, batch_size)]


def check_members(members: dict[str, Member]) -> None:
    """Refuse models that cannot answer as one.

    Different tokenizers are welcome: each member reads the text with its own, and its answers are kept a word.

    Raises:
        ModelError: other labels, another task, or a tokenizer that is slow or not the model's own.
    """
    (first, (reference, _)), *_ = members.items()
    for name, (model, tokenizer) in members.items():
        if not name.replace("-", "_").isidentifier():
            raise ModelError(f"a member is called {name!r}; use letters, digits, - and _, for it names a folder too")
        tasks = [models.task_of(m) for m in (reference, model)]
        if tasks[0] != tasks[1]:
            raise ModelError(f"the {first} was made for {tasks[0]}, the {name} for {tasks[1]}; both must do one task")
        models.check_labels(*(models.label_names(m.config) for m in (model, reference)), f"the {name}", f"the {first}")
        if not tokenizer.is_fast:
            raise ModelError(f"the {name}'s tokenizer cannot tell which piece belongs to which word; use a fast one")
        if len(tokenizer) > model.config.vocab_size:
            raise ModelError(
                f"the {name}'s tokenizer has {len(tokenizer)} word pieces, the model knows {model.config.vocab_size}; "
                "give each model its own tokenizer"
            )
