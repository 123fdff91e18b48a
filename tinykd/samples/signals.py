"""What the teacher predicts for each word: computed once, stored, and read a batch at a time. Taught in lesson 04.

A signal has one vector per *word* (at its first subword token), so teacher and student may have different tokenizers.
"""

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from datasets import Array2D, Array3D, Dataset, Features, concatenate_datasets
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import _compat, artifacts, data, models
from tinykd.errors import DamagedError, RunError
from tinykd.models import FeatureHooks, Layers
from tinykd.models.precision import autocast, placed
from tinykd.samples.streaming import flat, without_teacher

logger = logging.getLogger("tinykd")
NOTE, FILE = "signal.json", "signals.arrow"
AS_SIGNALS = {"max_length": 128, "precision": "fp32"}  #: the defaults of ``models.signals``


def with_teacher(
    dataset: Dataset,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    store: Path,
    layers: Layers = Layers(),
    **how: int | str,
) -> Dataset:
    """Add what the teacher predicts to a corpus split; its columns ``teacher_…`` are replaced.

    Args:
        store: folder of the stored signals. Reused if it was made by the same teacher and tokenizer, for the same
            texts, ``layers`` and ``how``, and is undamaged; made anew otherwise. Of several processes one makes it.
        layers: what to keep beside the logits; ``Weights.teacher_layers`` tells what a set of losses needs.
        how: ``max_length`` and ``precision``, as for :func:`tinykd.models.signals`.

    Returns:
        ``dataset`` with these columns, per row, in float16: ``teacher_logits`` (words, classes), (1, classes) for
        classification, the classes in the order of ``dataset``; and, if wanted, ``teacher_hidden_states``,
        ``teacher_queries``, ``teacher_keys`` and ``teacher_values``, each (words, layers, width).

    Raises:
        ModelError: teacher and ``dataset`` have other labels.
        RunError: no space for the store, or values that float16 cannot hold; nothing half-written is left.
    """
    store, theirs = Path(store), models.label_names(teacher.config)
    names = data.label_names(dataset) if {"labels", "label"} & set(dataset.column_names) else theirs
    models.check_labels(theirs, names, "the teacher", "the corpus")
    order = [theirs.index(name) for name in names]
    dataset = flat(without_teacher(dataset))
    key = _fingerprint(dataset, teacher, tokenizer, (layers, order, sorted((AS_SIGNALS | how).items())))
    with artifacts.clear_disk_errors(store), artifacts.alone(store.with_name(f"{store.name}.teacher")):
        if not _is_sound(store, key):
            rows = models.signals(teacher, tokenizer, dataset, layers, **how)
            with artifacts.new_folder(store, NOTE) as unfinished:
                _write(rows, _features(teacher, layers), order, unfinished / FILE)
                artifacts.seal(unfinished, NOTE, {"fingerprint": key})
        stored = Dataset.from_file(str(store / FILE))  # mapped before another teacher may replace it
    return concatenate_datasets([dataset, stored], axis=1)


def online(collate: Callable, teacher: PreTrainedModel, layers: Layers = Layers(), precision: str = "fp32") -> Callable:
    """Wrap a collate function so that the teacher predicts every batch anew; the batch is that of stored signals.

    Teacher and student must share one tokenizer, and the teacher's labels must have the corpus's order.
    """
    hooks = FeatureHooks(placed(teacher), layers)

    def with_signals(rows: list[dict]) -> dict[str, Tensor]:
        batch = collate(rows)
        inputs = {name: batch[name].to(teacher.device) for name in ("input_ids", "attention_mask", "first_subwords")}
        with torch.no_grad(), autocast(precision):
            features = hooks(**inputs)
        return batch | {f"teacher_{name}": value.float() for name, value in features.items()}

    return with_signals


def _features(teacher: PreTrainedModel, layers: Layers) -> Features:
    features = {"teacher_logits": Array2D((None, teacher.config.num_labels), "float16")}
    if layers.hidden_states:
        shape = (None, len(layers.hidden_states), teacher.config.hidden_size)
        features["teacher_hidden_states"] = Array3D(shape, "float16")
    if layers.attention:
        shape = (None, len(layers.attention), FeatureHooks(teacher, layers).width)
        features |= {f"teacher_{name}": Array3D(shape, "float16") for name in ("queries", "keys", "values")}
    return Features(features)


def _write(rows: Iterable[dict], features: Features, order: list[int], path: Path) -> None:
    wrong = "values that are no number or larger than a 16-bit float can hold"
    with _compat.arrow_writer(path, features) as writer:
        for number, row in enumerate(rows):
            row["logits"] = row["logits"][:, order]
            signals = {f"teacher_{name}": values.astype(np.float16) for name, values in row.items()}
            if bad := next((name for name, values in signals.items() if not np.isfinite(values).all()), None):
                raise RunError(f"row {number}: {bad} holds {wrong}; is the teacher trained?")
            writer.write(signals)
        writer.finalize()


#: of a teacher's configuration: what does not change its predictions
_WITHOUT_EFFECT = {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "transformers_version"}


def _fingerprint(
    dataset: Dataset, teacher: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: tuple
) -> str:
    shape = {name: value for name, value in teacher.config.to_dict().items() if name not in _WITHOUT_EFFECT}
    vocabulary = json.loads(tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
    texts = data.digest(dataset.select_columns("tokens" if data.task(dataset) == "tagging" else "text"))
    return artifacts.fingerprint(models.weights_digest(teacher), shape, vocabulary, texts, repr(settings))


def _is_sound(store: Path, key: str) -> bool:
    try:
        if artifacts.sealed(store, NOTE)["fingerprint"] == key:
            return True
        logger.info("%s: made by another teacher or for other texts; made anew", store)
    except FileNotFoundError:
        pass
    except (DamagedError, KeyError):
        logger.warning("%s: the stored signal is damaged; made anew", store)
    return False
