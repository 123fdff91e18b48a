"""Run an exported model without torch: only numpy, tokenizers and ONNX Runtime. Taught in lesson 08.

The answers are those of :mod:`tinykd.inference`, windows for long texts included; both go through :mod:`tinykd.text`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tinykd import manifest
from tinykd.errors import ModelError, is_whole
from tinykd.text import Window, classified, cut, tagged, words

MODEL = "onnx/model.onnx"  #: where transformers.js looks, as for the next
QUANTIZED = "onnx/model_quantized.onnx"
OPENVINO = "openvino/model_quantized.xml"
CHUNK = 1024  #: texts that are in memory at a time


def load(folder: str | Path, quantized: bool | None = None, threads: int | None = None) -> "Runtime":
    """Load an exported model; every file is checked against its SHA-256 first.

    Args:
        folder: made by ``export.to_onnx`` or one of ``quantization``.
        quantized: the int8 model or the float32 one, where the folder holds both; by default int8 if it is there.
        threads: of one operation; by default one a core.

    Raises:
        ModelError: not an exported model, a file that is missing, cut short or altered, or no such precision.
    """
    return Runtime(Path(folder), quantized, threads)


class Runtime:
    """An exported model, its tokenizer and its ``labels``; made by :func:`load`. ``max_length`` is its window."""

    def __init__(self, folder: Path, quantized: bool | None = None, threads: int | None = None):
        from tokenizers import Tokenizer

        facts = manifest.read(folder)
        told = {"task", "labels", "max_length", "positions", "pad_token_id", "unk_token_id", "files"}
        if lacking := sorted(told - facts.keys()):
            raise ModelError(f"{folder / manifest.NAME}: says nothing of {lacking[0]}; export the model again")
        self.task, self.labels, self.max_length = facts["task"], facts["labels"], facts["max_length"]
        self.positions: int = facts["positions"]  # the longest row that the model can take
        self._pad, self._unknown = facts["pad_token_id"], facts["unk_token_id"]
        wanted = {True: (OPENVINO, QUANTIZED), False: (MODEL,), None: (OPENVINO, QUANTIZED, MODEL)}[quantized]
        self.path = next((folder / name for name in wanted if name in facts["files"]), None)
        if self.path is None:
            raise ModelError(f"{folder}: no {'int8' if quantized else 'float32'} model inside; leave quantized out")
        self._session = _openvino(self.path, threads) if self.path.suffix == ".xml" else session(self.path, threads)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        example = self._tokenizer.encode("a")
        first = example.special_tokens_mask.index(0)
        last = len(example.ids) - example.special_tokens_mask[::-1].index(0)
        self._before, self._after = example.ids[:first], example.ids[last:]

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Run the model once on (batch, length) int64 arrays.

        Returns:
            float32 logits, (batch, length, classes), or (batch, classes) for classification.

        Raises:
            ModelError: more pieces a row than the model has positions.
        """
        if input_ids.shape[1] > self.positions:
            raise ModelError(
                f"a row of {input_ids.shape[1]} word pieces; {self.path} takes at most {self.positions}: "
                "use predict or logits, which cut long texts"
            )
        return self._session.run(["logits"], {"input_ids": input_ids, "attention_mask": attention_mask})[0]

    def logits(
        self, rows: Sequence[str] | Sequence[list[str]], batch_size: int = 32, max_length: int | None = None
    ) -> list[np.ndarray]:
        """Return what the model says of every row: float32, (words, classes), or (1, classes) for classification.

        Dynamic int8 finds the range of its activations anew in every batch, padding and neighbours included: its last
        digits depend on ``batch_size``.

        Args:
            rows: texts, or lists of words for tagging.
            max_length: word pieces in a window; by default that of the export.

        Raises:
            ModelError: a ``max_length`` that the model cannot take.
            ValueError: a ``batch_size`` that is no whole number.
        """
        return list(self._logits(rows, batch_size, max_length))

    def predict(self, texts: list[str], batch_size: int = 32, max_length: int | None = None) -> Iterator[dict]:
        """Yield one dict a text, in order, as ``tinykd.inference.predict`` does.

        Raises:
            ValueError: an empty text.
            ModelError: a ``max_length`` that the model cannot take.
        """
        for i, text in enumerate(texts):
            if not text.strip():
                raise ValueError(f"text {i + 1} is empty")
        for text, row in zip(texts, self._logits(texts, batch_size, max_length), strict=True):
            if self.task == "classification":
                yield classified(text, row, self.labels)
            else:
                yield tagged(text, words(text), row, self.labels)

    def batches(
        self, rows: Sequence[str] | Sequence[list[str]], batch_size: int = 32, max_length: int | None = None
    ) -> Iterator[tuple[dict[str, np.ndarray], list[tuple[int, Window]]]]:
        """Yield what the model is fed, the longest first: ``input_ids`` and ``attention_mask``, (batch, length).

        With each batch comes a list that tells the row and the window of its every line.
        """
        if not is_whole(batch_size, 1):
            raise ValueError(f"batch_size is {batch_size}; it must be a whole number, at least 1")
        windows = [(i, window) for i, found in enumerate(self._windows(rows, max_length)) for window in found]
        windows.sort(key=lambda pair: -len(pair[1].ids))  # little padding, and memory fails early
        for start in range(0, len(windows), batch_size):
            part = windows[start : start + batch_size]
            ids = np.full((len(part), len(part[0][1].ids)), self._pad, np.int64)
            mask = np.zeros_like(ids)
            for line, (_, window) in enumerate(part):
                ids[line, : len(window.ids)] = window.ids
                mask[line, : len(window.ids)] = 1
            yield {"input_ids": ids, "attention_mask": mask}, part

    def _logits(self, rows, batch_size: int, max_length: int | None) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            parts: list[list[tuple[int, np.ndarray]]] = [[] for _ in chunk]
            for feeds, lines in self.batches(chunk, batch_size, max_length):
                for (row, window), values in zip(lines, self.run(**feeds), strict=True):
                    owned = values[None] if self.task == "classification" else values[window.word_starts]
                    parts[row].append((window.first_word, owned))
            for part in parts:
                yield np.concatenate([values for _, values in sorted(part, key=lambda found: found[0])])

    def _windows(self, rows, max_length: int | None) -> list[list[Window]]:
        max_length = self.max_length if max_length is None else max_length
        special = len(self._before) + len(self._after)
        if not special < max_length <= self.positions:
            raise ModelError(
                f"max_length is {max_length}; this export takes {special + 1} to {self.positions} word pieces"
            )
        if self.task == "classification":
            pieces = [encoding.ids for encoding in self._encode(rows, is_pretokenized=False)]
            return [[Window(self._before + i[: max_length - special] + self._after, [], 0)] for i in pieces]
        documents = [[word.text for word in words(row)] if isinstance(row, str) else row for row in rows]
        found = []
        for document, encoding in zip(documents, self._encode(documents, is_pretokenized=True), strict=True):
            of_words: list[list[int]] = [[] for _ in document]
            for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
                of_words[word].append(piece)
            of_words = [ids or [self._unknown] for ids in of_words]  # a word that vanishes in the tokenizer
            found.append(cut(of_words, self._before, self._after, max_length))
        return found

    def _encode(self, rows, is_pretokenized: bool) -> list:
        return self._tokenizer.encode_batch(list(rows), is_pretokenized=is_pretokenized, add_special_tokens=False)


def session(path: Path, threads: int | None = None):
    """Open an ONNX file with ONNX Runtime, on the processor.

    Raises:
        ModelError: ONNX Runtime is not installed, or cannot read the file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ModelError("ONNX Runtime is not installed; run: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    slow = ["SkipLayerNormFusion"]  # its one operation takes longer than those that it replaces: lesson 08
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=slow
        )
    except Exception as error:  # its classes have no common base of their own
        raise ModelError(f"{path}: ONNX Runtime cannot read it ({str(error).splitlines()[0]})") from error


def _openvino(path: Path, threads: int | None):
    try:
        import openvino
    except ImportError:
        raise ModelError(f"{path} needs OpenVINO; run: pip install openvino") from None
    options = {"INFERENCE_NUM_THREADS": threads} if threads else {}
    compiled = openvino.Core().compile_model(path, "CPU", options)

    class Session:
        """OpenVINO behind ONNX Runtime's one method."""

        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            answer = compiled(feeds)
            return [answer[name] for name in names]

    return Session()
