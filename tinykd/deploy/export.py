"""Export a model as an ONNX graph with its tokenizer and labels, and compare it with torch. Taught in lesson 10.

The folder runs without torch (:mod:`tinykd.deploy.runtime`). Its layout is that of ``transformers.js``, for a browser;
``export.json`` holds the runtime's settings and the SHA-256 of every file.
"""

import contextlib
import copy
import inspect
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from onnxscript.ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.artifacts import new_folder, seal, write_json
from tinykd.deploy.runtime import MODEL, NOTE, session
from tinykd.errors import ModelError, SettingError
from tinykd.models.loading import quiet

TOLERANCE = 1e-4  #: how far a logit may be from torch's; a share of the largest one where that is above 1


def to_onnx(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path, max_length: int = 128
) -> Path:
    """Export a tagger or a classifier in float32; the folder appears whole, and checked, or not at all.

    The graph takes ``input_ids`` and ``attention_mask``, (batch, length), both axes free, and returns ``logits``. These
    are compared with torch's on batches of 1 x 5, 3 x 17 and 1 x the longest row that the model can take.

    Args:
        max_length: subword tokens in a window, for ``tinykd.deploy.runtime``.

    Raises:
        SettingError: ``max_length`` above the positions of the model.
        ModelError: a tokenizer of more subword tokens than the model knows, a model prepared for quantization, a graph
            that predicts something else than torch.
        RunError: the place cannot be written.
    """
    folder, positions = Path(folder), _positions(model, tokenizer, max_length)
    reference = copy.deepcopy(model).float().cpu().eval()
    with new_folder(folder, NOTE) as unfinished, silent(), quiet():
        (unfinished / MODEL).parent.mkdir()
        _export(_Logits(copy.deepcopy(reference)), _examples(model.config.vocab_size, positions), unfinished / MODEL)
        _check(reference, unfinished / MODEL, positions)
        write_json(unfinished / "config.json", _config(model))
        _save_tokenizer(tokenizer, unfinished, positions)
        facts = {"precision": "fp32", "task": models.task_of(model), "labels": models.label_names(model.config)}
        facts |= {"max_length": max_length, "positions": positions}
        facts |= {"pad_token_id": tokenizer.pad_token_id, "unk_token_id": tokenizer.unk_token_id}
        seal(unfinished, NOTE, facts)
    return folder


def _positions(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int) -> int:
    """Return how many subword tokens the model takes; refuse what cannot be exported."""
    positions, shortest = models.positions(model), tokenizer.num_special_tokens_to_add() + 1
    if positions is None:
        raise ModelError(f"{type(model).__name__}: where it keeps its positions is not known to tinykd")
    if models.is_prepared(model):
        raise ModelError("this model still rounds while it runs; quantization.finish it first, then export")
    models.check_vocabulary(model, tokenizer)
    if not shortest <= max_length <= positions:
        raise SettingError(f"max_length is {max_length}; this model takes {shortest} to {positions} subword tokens")
    return positions


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Silence the warnings of exporters and quantizers."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


class _Logits(nn.Module):
    """The model as a function of two tensors, with eager attention, which ONNX Runtime runs faster than sdpa's graph.

    Where the architecture takes a mask ready to be added, (batch, 1, 1, length), this saves twenty operations.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        model.set_attn_implementation("eager")
        self.model = model
        self.has_types = "token_type_ids" in inspect.signature(model.forward).parameters
        # This function of transformers accepts a ready mask; DeBERTa, without it, does not.
        self.takes_ready_mask = hasattr(inspect.getmodule(type(model.base_model)), "create_bidirectional_mask")

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        types = {"token_type_ids": torch.zeros_like(input_ids)} if self.has_types else {}
        if self.takes_ready_mask:
            attention_mask = (1.0 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits


def _examples(vocabulary: int, positions: int) -> tuple[Tensor, Tensor]:
    """Return two tensors: from the same object twice, the exporter silently makes one input (pytorch issue 139646)."""
    input_ids = torch.arange(18).reshape(2, 9)[:, :positions] % vocabulary
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, 2 * input_ids.shape[1] // 3 :] = 0
    return input_ids, attention_mask


def _export(module: nn.Module, examples: tuple[Tensor, Tensor], path: Path) -> None:
    axes = {0: "batch", 1: "length"}
    names = {"input_names": ["input_ids", "attention_mask"], "output_names": ["logits"]}
    program = torch.onnx.export(module, examples, dynamo=True, dynamic_shapes=(axes, axes), verbose=False, **names)
    # Without what the exporter notes of each node, stack traces among it: 200 KB that no runtime reads.
    ClearMetadataAndDocStringPass()(program.model)
    program.save(path, external_data=False)  # one file


@torch.inference_mode()
def _check(reference: PreTrainedModel, path: Path, positions: int) -> None:
    """Compare with torch; see :func:`to_onnx`. The examples' own shape is not among the batches."""
    opened = session(path, threads=1)
    random = torch.Generator().manual_seed(0)
    for batch, length in ((1, min(5, positions)), (3, min(17, positions)), (1, positions)):
        ids = torch.randint(reference.config.vocab_size, (batch, length), generator=random)
        mask = torch.ones_like(ids)
        mask[1:, length // 2 :] = 0
        torchs = reference(input_ids=ids, attention_mask=mask).logits.numpy()
        try:
            (exported,) = opened.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        except Exception as error:  # onnxruntime's classes have no common base of their own
            reason = str(error).splitlines()[0]
            raise ModelError(f"the exported graph fails on a batch of {batch} x {length} ({reason})") from error
        allowed = TOLERANCE * max(1.0, float(np.abs(torchs).max()))
        counted = mask.numpy() == 1 if torchs.ndim == 3 else slice(None)  # logits of padding are read by no one
        if exported.shape != torchs.shape or not np.abs(exported - torchs)[counted].max() <= allowed:
            raise ModelError(
                f"the exported graph predicts something else than torch on a batch of {batch} x {length} "
                f"(more than {allowed:.1e} apart); nothing was kept"
            )


def _config(model: PreTrainedModel) -> dict:
    """Return the configuration for transformers.js, which must read a pruned BERT as a plain one."""
    known = next(kind for kind in type(model).__mro__ if kind.__module__.startswith("transformers."))
    types = {"architectures": [known.__name__], "model_type": known.config_class.model_type}
    return json.loads(model.config.to_json_string(use_diff=False)) | types


def _save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path, positions: int) -> None:
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = positions
    tokenizer.backend_tokenizer.no_truncation()  # earlier calls to the tokenizer may have left one there
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder)
