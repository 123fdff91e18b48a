"""Transfer sets: a corpus split with what the teacher says of each word. Taught in lesson 04.

A teacher signal is a column of the ``Dataset``, kept a *word* and not a piece, so teacher and student may have
different tokenizers. It is computed once and stored as 16-bit floats: the trainer only reads it.
"""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, List, Value, concatenate_datasets, load_from_disk
from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.files import new_folder, write_json
from tinykd.inference import logits
from tinykd.models import sha256

logger = logging.getLogger("tinykd")


def with_teacher(
    dataset: Dataset,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    store: Path,
    max_length: int = 128,
    progress: str | None = None,
) -> Dataset:
    """Add the column ``teacher_logits`` to a corpus split.

    Args:
        store: folder of the stored signal. Reused if it was made by the same teacher, tokenizer, texts and
            ``max_length`` and is undamaged; made anew otherwise.

    Returns:
        ``dataset`` with ``teacher_logits``: (words, classes) float16 a row, (1, classes) for classification.

    Raises:
        RunError: no space for the store; nothing half-written is left.
    """
    store = Path(store)
    key = _fingerprint(dataset, teacher, tokenizer, max_length)
    if not _is_sound(store, key):
        rows = logits(teacher, tokenizer, dataset, max_length, progress=progress)
        features = Features({"teacher_logits": List(List(Value("float16")))})
        signal = Dataset.from_dict({"teacher_logits": [row.astype(np.float16) for row in rows]}, features=features)
        with new_folder(store) as unfinished, _no_bars():
            signal.save_to_disk(unfinished)
            write_json(unfinished / "signal.json", {"fingerprint": key, "files": _digests(unfinished)})
    return concatenate_datasets([dataset, load_from_disk(store)], axis=1)


def _fingerprint(
    dataset: Dataset, teacher: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> str:
    sha = hashlib.sha256(f"{type(teacher).__name__} {max_length}".encode())
    for name, tensor in teacher.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    sha.update(tokenizer.backend_tokenizer.to_str().encode())
    for text in dataset["tokens" if "tokens" in dataset.column_names else "text"]:
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
    return {file.name: sha256(file) for file in sorted(store.glob("*")) if file.name != "signal.json"}


class _no_bars:
    """datasets draws a bar for every small save; ours already shows the work."""

    def __enter__(self) -> None:
        self.enabled = is_progress_bar_enabled()
        disable_progress_bar()

    def __exit__(self, *exc: object) -> None:
        if self.enabled:
            enable_progress_bar()
