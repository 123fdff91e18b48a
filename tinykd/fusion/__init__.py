"""Student and teacher together: cascade and parallel, calibration, and what each fusion costs. Taught in lesson 11."""

from tinykd.fusion.calibration import by_word, expected_calibration_error, fit_temperature, reliability
from tinykd.fusion.cascade import Cascade
from tinykd.fusion.cost import macs, row_macs
from tinykd.fusion.curve import Curve, Point, choose, confidence_of_row, confidence_of_words, curve, pareto
from tinykd.fusion.folder import load
from tinykd.fusion.members import Fusion, Member, logits_by_name, score_logits
from tinykd.fusion.parallel import Parallel
