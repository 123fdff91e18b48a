"""Teachers, students, the maps between their layers, and what a model holds while it runs. Taught in lesson 03."""

from tinykd.models.hooks import FeatureHooks, Layers, of_words, projections
from tinykd.models.inference import logits, signals
from tinykd.models.loading import load, save, teacher
from tinykd.models.precision import best_precision
from tinykd.models.state import (
    adapted_by,
    check_labels,
    check_length,
    check_vocabulary,
    is_fine_tuned,
    is_prepared,
    label_names,
    positions,
    refuse_adapted,
    task_of,
    was_fine_tuned,
    weights_digest,
)
from tinykd.models.students import layer_map, student, svd_embeddings, tokenizer_of
