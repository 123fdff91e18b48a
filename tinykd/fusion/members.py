"""What every fusion shares: members whose labels are matched by name, temperatures, one folder. Taught in lesson 11."""

from dataclasses import fields
from pathlib import Path

import numpy as np
from datasets import Dataset

from tinykd import data, evaluation, models
from tinykd.artifacts import new_folder, seal
from tinykd.deploy.plain import columns_of
from tinykd.deploy.predictor import Predictor, Rows
from tinykd.errors import ModelError, SettingError
from tinykd.fusion.cost import Member, row_macs

NOTE = "fusion.json"  #: kind, settings and labels of a saved fusion, beside its members' folders


class Fusion(Predictor):
    """Several models that predict as one. Its ``members`` stay plain models; the first gives task and label order.

    ``temperatures``, by member, divide its logits.

    Raises:
        ModelError: members with other labels or another task, a tokenizer that cannot work.
        SettingError: an impossible setting.
    """

    members: dict[str, Member]
    temperatures: dict[str, float] | None
    roles = ("teacher", "student")  #: fields of a cascade that are members, not settings

    def __post_init__(self) -> None:
        check_members(self.members)
        if self.temperatures is None:
            object.__setattr__(self, "temperatures", dict.fromkeys(self.members, 1.0))
        self.check_names("temperatures", self.temperatures)
        if not all(temperature > 0 for temperature in self.temperatures.values()):
            raise SettingError(f"temperatures are {self.temperatures}; they must be above 0")

    @property
    def task(self) -> str:
        """``"tagging"`` or ``"classification"``."""
        return models.task_of(next(iter(self.members.values()))[0])

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the columns of :meth:`logits`."""
        return models.label_names(next(iter(self.members.values()))[0].config)

    def logits_of(self, name: str, rows: Rows) -> list[np.ndarray]:
        """Return one member's logits, divided by its temperature, with the columns in the order of ``labels``."""
        columns = columns_of(rows, self.task)
        of_rows = logits_by_name(self.members[name], self.labels, columns, self.max_length)
        return [row / self.temperatures[name] for row in of_rows]

    def row_costs(self, rows: Rows) -> list[np.ndarray]:
        """Return the multiply-accumulate operations of each row, (rows,), for every member."""
        dataset = Dataset.from_dict(columns_of(rows[:], self.task))
        return [row_macs(member, dataset, self.max_length) for member in self.members.values()]

    def check_names(self, what: str, values: dict[str, float]) -> None:
        """Raise a SettingError for values that are not one per member."""
        if set(values) != set(self.members):
            raise SettingError(f"{what} are for {', '.join(values)}; the members are {', '.join(self.members)}")

    def save(self, folder: Path) -> None:
        """Write one folder per member, and ``fusion.json``; a RunError if ``folder`` holds something else."""
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("members", *self.roles)}
        facts = {"kind": type(self).__name__.lower(), "members": list(self.members), "settings": settings}
        with new_folder(folder, NOTE) as unfinished:
            for name, (model, tokenizer) in self.members.items():
                models.save(model, tokenizer, unfinished / name)
            seal(unfinished, NOTE, facts | {"task": self.task, "labels": self.labels})


def logits_by_name(
    member: Member, labels: list[str], dataset: Dataset | dict[str, list], max_length: int = 128
) -> list[np.ndarray]:
    """Return ``models.logits`` with the columns in the order of ``labels``; a ModelError if the model has others."""
    there = models.label_names(member[0].config)
    models.check_labels(there, labels, "the model", "the corpus")
    order = [there.index(label) for label in labels]
    return [row[:, order] for row in models.logits(*member, dataset, max_length)]


def score_logits(rows: list[np.ndarray], dataset: Dataset) -> float:
    """Return the entity F1 or accuracy, in [0, 1], of one array of logits per row, in the corpus's label order."""
    predicted = [evaluation.decoded(row, data.label_names(dataset)) for row in rows]
    scores = evaluation.scores(data.task(dataset), evaluation.gold(dataset), predicted)
    return scores[evaluation.main_score(scores)]


def check_members(members: dict[str, Member]) -> None:
    """Raise a ModelError for models of other labels or tasks. Tokenizers may differ, for predictions are per word."""
    if not members:
        raise ModelError("a fusion needs at least one member")
    (first, (reference, _)), *_ = members.items()
    for name, (model, tokenizer) in members.items():
        if not name.replace("-", "_").isidentifier():
            raise ModelError(f"a member is called {name!r}; use letters, digits, - and _, for it names a folder too")
        task, other = models.task_of(reference), models.task_of(model)
        if task != other:
            raise ModelError(f"the {first} was made for {task}, the {name} for {other}; both must do one task")
        models.check_labels(*(models.label_names(m.config) for m in (model, reference)), f"the {name}", f"the {first}")
        models.check_vocabulary(model, tokenizer)
