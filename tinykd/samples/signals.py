"""What the teacher says of each word: computed once, stored, and read a batch at a time. Taught in lesson 04.

A teacher signal is a column of the ``Dataset``, kept a *word* and not a piece, so teacher and student may have
different tokenizers. It is written as 16-bit floats, chunk by chunk, into one Arrow file that is mapped into memory:
neither writing nor reading it takes more memory for a larger corpus.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from datasets import Array2D, Array3D, Dataset, Features, concatenate_datasets
from datasets.arrow_writer import ArrowWriter
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import inference, models
from tinykd.data import label_names
from tinykd.errors import DataError, RunError
from tinykd.files import clear_disk_errors, new_folder, waiting, write_json
from tinykd.hardware import placed, prefers_bf16
from tinykd.internals import Layers, Watched
from tinykd.manifest import sha256
from tinykd.samples.streaming import flat, without_teacher

logger = logging.getLogger("tinykd")
NONE = Layers()


def with_teacher(
    dataset: Dataset,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    store: Path,
    max_length: int = 128,
    progress: str | None = None,
    layers: Layers = NONE,
    bf16: bool = False,
) -> Dataset:
    """Add what the teacher says to a corpus split.

    Args:
        dataset: may hold what a teacher said before; that is left out.
        store: folder of the stored signals. Reused if it was made by the same teacher, tokenizer, texts, ``max_length``
            and ``layers`` and is undamaged; made anew otherwise. Of several processes one makes it, the others wait.
        layers: what to keep beside the logits; ``Weights.teacher_layers`` tells what a set of losses needs.
        bf16: let the teacher compute as training does, in bfloat16 where the processor is faster with it. Its logits
            move by some thousandths, a hundredth of what another seed of the teacher moves them by.

    Returns:
        ``dataset`` with, a row, in float16: ``teacher_logits`` (words, classes), (1, classes) for classification, the
        classes in the order of ``dataset``; and, if asked for, ``teacher_hidden_states``, ``teacher_queries``,
        ``teacher_keys`` and ``teacher_values``, each (words, layers, hidden).

    Raises:
        DataError: texts without labels.
        ModelError: teacher and ``dataset`` have other labels.
        RunError: no space for the store, or values that float16 cannot hold; nothing half-written is left.
    """
    if not {"labels", "label"} & set(dataset.column_names):
        raise DataError("these texts have no labels; let a teacher write them first: samples.labelled_by")
    store, names = Path(store), label_names(dataset)
    theirs = models.label_names(teacher.config)
    models.check_labels(theirs, names, "the teacher", "the corpus")
    order = [theirs.index(name) for name in names]
    dataset = flat(without_teacher(dataset))
    bf16 = bf16 and prefers_bf16()
    key = _fingerprint(dataset, teacher, tokenizer, max_length, layers, order, bf16)
    lock = store.with_name(f".{store.name}.lock")
    with clear_disk_errors(store), waiting(lock, f"another process asks the teacher for {store}"):
        if not _is_sound(store, key):
            with new_folder(store, "signal.json", "signals.arrow") as unfinished:
                rows = inference.signals(teacher, tokenizer, dataset, layers, max_length, progress=progress, bf16=bf16)
                _write(rows, _features(teacher, layers), order, unfinished / "signals.arrow")
                write_json(unfinished / "signal.json", {"fingerprint": key, "files": _digests(unfinished)})
        stored = Dataset.from_file(str(store / "signals.arrow"))  # mapped before another teacher may replace it
    return concatenate_datasets([dataset, stored], axis=1)


def online(collate: Callable, teacher: PreTrainedModel, layers: Layers = NONE) -> Callable:
    """Wrap a collate function so that the teacher is asked at every batch, instead of once and for all.

    The batch is the same as with stored signals, and costs a teacher's forward pass each time: needed where the text is
    new each time, and the baseline that stored signals are measured against. Teacher and student share one tokenizer,
    and the teacher's labels stand in the corpus's order: nothing here puts them into it.
    """
    watched = Watched(placed(teacher), layers)

    def ask(rows: list[dict]) -> dict[str, Tensor]:
        batch = collate(rows)
        asked = {name: batch[name].to(teacher.device) for name in ("input_ids", "attention_mask", "word_starts")}
        with torch.no_grad():
            return batch | {f"teacher_{name}": value.float() for name, value in watched(**asked).items()}

    return ask


def _features(teacher: PreTrainedModel, layers: Layers) -> Features:
    hidden = teacher.config.hidden_size
    features = {"teacher_logits": Array2D((None, teacher.config.num_labels), "float16")}
    if layers.hidden_states:
        features["teacher_hidden_states"] = Array3D((None, len(layers.hidden_states), hidden), "float16")
    if layers.attention:
        for name in ("queries", "keys", "values"):
            features[f"teacher_{name}"] = Array3D((None, len(layers.attention), hidden), "float16")
    return Features(features)


def _write(rows, features: Features, order: list[int], path: Path) -> None:
    with ArrowWriter(path=str(path), features=features, writer_batch_size=256) as writer:
        for number, row in enumerate(rows):
            row["logits"] = row["logits"][:, order]
            signals = {f"teacher_{name}": values.astype(np.float16) for name, values in row.items()}
            for name, values in signals.items():
                if not np.isfinite(values).all():
                    raise RunError(
                        f"row {number}: {name} holds values that are no number or larger than a 16-bit float can hold; "
                        "is the teacher trained?"
                    )
            writer.write(signals)
        writer.finalize()


#: of a teacher's configuration: what does not change its answers, or a file may lack
_SAYS_NOTHING = {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "transformers_version"}


def _fingerprint(
    dataset: Dataset, teacher: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *settings: object
) -> str:
    sha = hashlib.sha256(f"{models.weights_digest(teacher)} {settings}".encode())
    shape = {key: value for key, value in teacher.config.to_dict().items() if key not in _SAYS_NOTHING}
    sha.update(json.dumps(shape, sort_keys=True, default=str).encode())  # other heads answer otherwise
    pieces = json.loads(tokenizer.backend_tokenizer.to_str())
    pieces |= {"truncation": None, "padding": None}  # left over from its last call
    sha.update(json.dumps(pieces).encode())
    column = "tokens" if "tokens" in dataset.column_names else "text"
    for rows in dataset.with_format(None).select_columns([column]).iter(1000):
        for text in rows[column]:
            sha.update(json.dumps(text).encode())
    return sha.hexdigest()


def _is_sound(store: Path, key: str) -> bool:
    try:
        note = json.loads((store / "signal.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if note.get("fingerprint") != key:
        logger.info("%s: made by another teacher or for other texts; made anew", store)
        return False
    if note.get("files") != _digests(store):
        logger.warning("%s: the stored signal is damaged; made anew", store)
        return False
    return True


def _digests(store: Path) -> dict[str, str]:
    # Only our own file: ``Dataset.map`` and ``filter`` keep their results beside it.
    return {file.name: sha256(file) for file in store.glob("signals.arrow")}
