"""The student predicts; rows that it is not sure of are deferred to the teacher. Taught in lesson 11."""

import logging
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from tinykd.deploy.predictor import Rows
from tinykd.errors import SettingError
from tinykd.fusion.calibration import calibrated
from tinykd.fusion.cost import Member, row_macs
from tinykd.fusion.curve import check_confidence, choose, confidence_of_row, confidence_of_words, curve
from tinykd.fusion.members import Fusion

logger = logging.getLogger("tinykd")


@dataclass(frozen=True, eq=False)
class Cascade(Fusion):
    """A cascade: a row whose confidence is below ``threshold`` is deferred to the teacher.

    Args:
        threshold: 0 never defers, anything above 1 always does.
        confidence: how confidence is measured, see :func:`tinykd.fusion.confidence_of_row`. The teacher's predictions
            replace those of the whole row; with ``"word"`` only of the words whose own probability is below the
            threshold. The teacher reads the whole row in any case: ``"word"`` costs what ``"lowest"`` costs.
        temperatures: of ``"teacher"`` and ``"student"``, from :func:`tinykd.fusion.fit_temperature`; 1 by default.
        max_length: subword tokens in a window.
    """

    teacher: Member
    student: Member
    threshold: float
    confidence: str = "entropy"
    temperatures: dict[str, float] | None = None
    max_length: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        check_confidence(self.confidence)
        if not self.threshold >= 0:
            raise SettingError(f"threshold is {self.threshold}; it must be at least 0")

    @classmethod
    def fit(
        cls,
        teacher: Member,
        student: Member,
        valid: Dataset,
        budget: float | None = None,
        target: float | None = None,
        **how,
    ) -> "Cascade":
        """Calibrate both members on ``valid`` and choose the threshold there: see :func:`tinykd.fusion.choose`.

        ``how`` are ``confidence`` and ``max_length`` of the cascade. A ModelError if the members do not fit each other
        or the corpus.
        """
        members, max_length = {"teacher": teacher, "student": student}, how.get("max_length", 128)
        rows, temperatures = calibrated(members, valid, max_length)
        teacher_cost, student_cost = (row_macs(member, valid, max_length) for member in members.values())
        share = student_cost.sum() / teacher_cost.sum()
        confidence = how.get("confidence", "entropy")
        points = curve(rows["student"], rows["teacher"], valid, share, teacher_cost, confidence)
        chosen = choose(points, budget, target)
        logger.info(
            "cascade on %d rows: %.1f %% go to the teacher, at %.3f of its cost; score %.4f, the teacher's %.4f",
            *(len(valid), 100 * chosen.deferral_rate, chosen.cost, chosen.score, points.scores[-1]),
        )
        return cls(teacher, student, chosen.threshold, temperatures=temperatures, **how)

    @property
    def members(self) -> dict[str, Member]:
        """Teacher and student, by name."""
        return {"teacher": self.teacher, "student": self.student}

    def route(self, rows: Rows) -> tuple[list[np.ndarray], np.ndarray]:
        """Predict every row, and tell which rows were deferred to the teacher.

        The deferred rows make full batches of their own: no other row is computed twice.

        Returns:
            ``(logits, deferred)``: one array per row, (words, classes) or (1, classes); and a mask, (rows,).
        """
        fused = self.logits_of("student", rows)
        deferred = np.array([confidence_of_row(row, self.confidence) < self.threshold for row in fused], bool)
        uncertain = np.flatnonzero(deferred)
        for i, row in zip(uncertain, self.logits_of("teacher", [rows[i] for i in uncertain]), strict=True):
            unsure = confidence_of_words(fused[i]) < (self.threshold if self.confidence == "word" else np.inf)
            fused[i] = np.where(unsure[:, None], row, fused[i])
        return fused, deferred

    def logits(self, rows: Rows) -> list[np.ndarray]:
        """Return the first part of :meth:`route`."""
        return self.route(rows)[0]

    def cost(self, rows: Rows, deferred: np.ndarray) -> float:
        """Return what predicting ``rows`` cost, where 1 is the teacher alone; ``deferred`` is from :meth:`route`."""
        teacher, student = self.row_costs(rows)
        return float((student.sum() + teacher[deferred].sum()) / teacher.sum())
