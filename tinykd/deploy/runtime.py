"""Run an exported model without torch: only numpy, tokenizers and ONNX Runtime. Taught in lesson 10.

It predicts what :class:`tinykd.deploy.plain.PlainPredictor` predicts, windows for long texts included.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinykd.artifacts import sealed
from tinykd.deploy.predictor import Predictor, Rows
from tinykd.errors import DamagedError, ModelError, SettingError, is_whole
from tinykd.text import Window, by_word, cut, words

NOTE = "export.json"  #: what the runtime must know, and the SHA-256 of every other file
MODEL = "onnx/model.onnx"  #: where transformers.js looks, as for the next
QUANTIZED = "onnx/model_quantized.onnx"
CHUNK = 1024  #: texts that are in memory at a time


def load(
    folder: str | Path, quantized: bool | None = None, threads: int | None = None, max_length: int | None = None
) -> "Runtime":
    """Load an exported model; every file is checked against its SHA-256 first.

    Args:
        folder: made by ``export.to_onnx`` or a function of ``deploy.int8``.
        quantized: the int8 model or the float32 one, where the folder holds both; by default int8 if it is there.
        threads: of one operation; by default ``OMP_NUM_THREADS``, as for torch, or one per core.
        max_length: subword tokens in a window; by default that of the export.

    Raises:
        ModelError: not an exported model, a file that is missing, cut short or altered, or no such precision.
        SettingError: a ``max_length`` that the model cannot take.
    """
    return Runtime(Path(folder), quantized, threads, max_length)


def facts_of(folder: str | Path) -> dict:
    """Return the facts of an exported folder, after a check of every file; errors as :func:`load`."""
    try:
        return sealed(Path(folder), NOTE)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{folder}: not an exported model (no {NOTE}); make one with export.to_onnx") from None
    except DamagedError as error:
        raise ModelError(f"{error}; export the model again") from None


class Runtime(Predictor):
    """An exported model and its tokenizer, made by :func:`load`; ``path`` is the ONNX file.

    ``positions`` is the longest row that the model can take, in subword tokens.
    """

    def __init__(self, folder: Path, quantized: bool | None, threads: int | None, max_length: int | None):
        from tokenizers import Tokenizer

        facts = facts_of(folder)
        self.task, self.labels, self.positions = facts["task"], facts["labels"], facts["positions"]
        self.max_length = facts["max_length"] if max_length is None else max_length
        self._pad, self._unknown = facts["pad_token_id"], facts["unk_token_id"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        example = self._tokenizer.encode("a")
        first = example.special_tokens_mask.index(0)
        last = len(example.ids) - example.special_tokens_mask[::-1].index(0)
        self._before, self._after = example.ids[:first], example.ids[last:]
        special = len(self._before) + len(self._after)
        if not special < self.max_length <= self.positions:
            takes = f"this export takes {special + 1} to {self.positions} subword tokens"
            raise SettingError(f"max_length is {self.max_length}; {takes}")
        wanted = {True: [QUANTIZED], False: [MODEL], None: [QUANTIZED, MODEL]}[quantized]
        if not (there := [name for name in wanted if name in facts["files"]]):
            raise ModelError(f"{folder}: no {'int8' if quantized else 'float32'} model inside; leave quantized out")
        self.path = folder / there[0]
        self._session = session(self.path, threads)

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Run the model on (batch, length) int64 arrays; a ModelError for rows longer than its positions.

        Returns float32 logits, (batch, length, classes), or (batch, classes) for classification.
        """
        if input_ids.shape[1] > self.positions:
            most = f"{self.path} takes at most {self.positions}: use predict or logits, which cut long texts"
            raise ModelError(f"a row of {input_ids.shape[1]} subword tokens; {most}")
        return self._session.run(["logits"], {"input_ids": input_ids, "attention_mask": attention_mask})[0]

    def logits(self, rows: Rows, batch_size: int = 32) -> Iterator[np.ndarray]:
        """Yield float32 logits per row: (words, classes), or (1, classes) for classification.

        Dynamic int8 measures the range of its activations per batch: its last digits depend on ``batch_size``.
        """
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            parts: list[dict[int, np.ndarray]] = [{} for _ in chunk]  # of each row, by the first word of the window
            for feeds, lines in self.batches(chunk, batch_size):
                for (row, window), values in zip(lines, self.run(**feeds), strict=True):
                    owned = values[None] if self.task == "classification" else values[window.first_subwords]
                    parts[row][window.first_word] = owned
            for part in parts:
                yield np.concatenate([part[first] for first in sorted(part)])

    def batches(
        self, rows: Rows, batch_size: int = 32
    ) -> Iterator[tuple[dict[str, np.ndarray], list[tuple[int, Window]]]]:
        """Yield the model's inputs, ``input_ids`` and ``attention_mask``, (batch, length), the longest first.

        With each batch comes a list of the row and the window of each of its lines. A ``batch_size`` below 1 is a
        SettingError.
        """
        if not is_whole(batch_size, 1):
            raise SettingError(f"batch_size is {batch_size}; it must be a whole number, at least 1")
        lines = [(i, window) for i, of_row in enumerate(self._windows(rows)) for window in of_row]
        lines.sort(key=lambda line: -len(line[1].ids))  # little padding, and memory fails early
        for start in range(0, len(lines), batch_size):
            part = lines[start : start + batch_size]
            ids = np.full((len(part), len(part[0][1].ids)), self._pad, np.int64)
            mask = np.zeros_like(ids)
            for line, (_, window) in enumerate(part):
                ids[line, : len(window.ids)] = window.ids
                mask[line, : len(window.ids)] = 1
            yield {"input_ids": ids, "attention_mask": mask}, part

    def _windows(self, rows: Rows) -> list[list[Window]]:
        if self.task == "classification":
            room = self.max_length - len(self._before) - len(self._after)
            encodings = self._tokenizer.encode_batch(list(rows), add_special_tokens=False)
            return [[Window(self._before + one.ids[:room] + self._after, [], 0)] for one in encodings]
        documents = [[word.text for word in words(row)] if isinstance(row, str) else row for row in rows]
        encodings = self._tokenizer.encode_batch(documents, is_pretokenized=True, add_special_tokens=False)
        subwords = by_word(documents, encodings, self._unknown)
        return [cut(of_one, self._before, self._after, self.max_length) for of_one in subwords]


def session(path: Path, threads: int | None = None):
    """Open an ONNX file on the processor; a ModelError if ONNX Runtime is missing or cannot read the file."""
    try:
        import onnxruntime
    except ImportError:
        raise ModelError("ONNX Runtime is not installed; run: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS", "0").partition(",")[0])
    options.log_severity_level = 3
    slower = ["SkipLayerNormFusion"]  # than the operations that it replaces: lesson 10
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"], disabled_optimizers=slower)
    except Exception as error:  # its classes have no common base of their own
        raise ModelError(f"{path}: ONNX Runtime cannot read it ({str(error).splitlines()[0]})") from error
