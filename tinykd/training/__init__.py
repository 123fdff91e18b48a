"""Training: settings, objective, methods, one short Trainer and two verbs, ``fine_tune`` and ``distill``. Lesson 01."""

from tinykd.training.methods import METHODS, distill_by, stages, teacher_layers
from tinykd.training.objective import Objective, Weights
from tinykd.training.runs import distill, fine_tune
from tinykd.training.settings import Settings
from tinykd.training.trainer import DistillationTrainer
