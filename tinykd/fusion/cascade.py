"""The student answers; where it is not sure, the teacher takes over. Taught in lesson 09."""

import logging
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from tinykd import data
from tinykd.fusion.calibration import by_word, fit_temperature
from tinykd.fusion.confidence import check_by, confidence_of_row, confidence_of_words
from tinykd.fusion.cost import row_macs
from tinykd.fusion.curve import choose, curve
from tinykd.fusion.members import Fusion, Member, check_members, logits_by_name

logger = logging.getLogger("tinykd")


@dataclass(frozen=True, eq=False)
class Cascade(Fusion):
    """A cascade: a row whose confidence is below ``threshold`` goes to the teacher.

    Args:
        threshold: 0 asks the teacher never, anything above 1 always.
        by: what confidence is, see :func:`tinykd.fusion.confidence_of_row`. The teacher answers the whole sentence;
            with ``"word"`` only the words whose own probability is below the threshold, and the student keeps the
            others. It must read the whole sentence all the same: ``"word"`` costs what ``"lowest"`` costs.
        teacher_temperature, student_temperature: divide the logits; from :func:`tinykd.fusion.fit_temperature`.

    Raises:
        ModelError: members with other labels or another task, a tokenizer that cannot work.
        ValueError: an impossible setting.
    """

    teacher: Member
    student: Member
    threshold: float
    by: str = "entropy"
    teacher_temperature: float = 1.0
    student_temperature: float = 1.0

    def __post_init__(self) -> None:
        check_members(self.members)
        check_by(self.by)
        if not self.threshold >= 0:
            raise ValueError(f"threshold is {self.threshold}; it must be at least 0")
        for name in ("teacher_temperature", "student_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")

    @classmethod
    def fit(
        cls,
        teacher: Member,
        student: Member,
        valid: Dataset,
        budget: float | None = None,
        target: float | None = None,
        by: str = "entropy",
        max_length: int = 128,
        batch_size: int = 32,
    ) -> "Cascade":
        """Calibrate both members on ``valid`` and choose the threshold there, by ``budget`` or ``target``.

        Raises:
            ModelError: members that do not fit each other or the corpus.
            ValueError: see :func:`tinykd.fusion.choose`.
        """
        check_members({"teacher": teacher, "student": student})
        rows, temperatures = [], []
        for member in (teacher, student):
            logits = logits_by_name(member, data.label_names(valid), valid, max_length, batch_size)
            temperatures.append(fit_temperature(*by_word(logits, valid)))
            rows.append([row / temperatures[-1] for row in logits])
        teacher_cost, student_cost = (row_macs(member, valid, max_length) for member in (teacher, student))
        share = student_cost.sum() / teacher_cost.sum()
        points = curve(rows[1], rows[0], valid, share, teacher_cost, by)
        chosen = choose(points, budget, target)
        logger.info(
            "cascade on %d rows: %.1f %% go to the teacher, at %.3f of its cost; score %.4f, the teacher's %.4f",
            *(len(valid), 100 * chosen.asked, chosen.cost, chosen.score, points.scores[-1]),
        )
        return cls(teacher, student, chosen.threshold, by, *temperatures)

    @property
    def members(self) -> dict[str, Member]:
        """Teacher and student, by name."""
        return {"teacher": self.teacher, "student": self.student}

    def ask(self, dataset: Dataset, max_length: int = 128, batch_size: int = 32) -> tuple[list[np.ndarray], np.ndarray]:
        """Answer every row, and tell which rows the teacher was asked about.

        The uncertain rows are gathered first and make full batches of their own: no sure row is computed twice, and the
        answers are the same at any batch size.

        Returns:
            ``(logits, asked)``: one array a row, (words, classes) or (1, classes); and a mask, (rows,).
        """
        rows = [row / self.student_temperature for row in self._logits("student", dataset, max_length, batch_size)]
        asked = np.array([confidence_of_row(row, self.by) < self.threshold for row in rows], bool)
        uncertain = np.flatnonzero(asked)
        said = self._logits("teacher", dataset.select(uncertain), max_length, batch_size)
        for i, row in zip(uncertain, said, strict=True):
            row = row / self.teacher_temperature
            if self.by == "word":
                unsure = confidence_of_words(rows[i]) < self.threshold
                row = np.where(unsure[:, None], row, rows[i])
            rows[i] = row
        return rows, asked

    def logits(self, dataset: Dataset, max_length: int = 128, batch_size: int = 32) -> list[np.ndarray]:
        """Return the first part of :meth:`ask`."""
        return self.ask(dataset, max_length, batch_size)[0]

    def cost(self, dataset: Dataset, asked: np.ndarray, max_length: int = 128) -> float:
        """Return what answering ``dataset`` cost, where 1 is the teacher alone; ``asked`` is from :meth:`ask`."""
        teacher, student = (row_macs(member, dataset, max_length) for member in self.members.values())
        return float((student.sum() + teacher[asked].sum()) / teacher.sum())

    def _logits(self, who: str, dataset: Dataset, max_length: int, batch_size: int) -> list[np.ndarray]:
        return logits_by_name(self.members[who], self.labels, dataset, max_length, batch_size)
