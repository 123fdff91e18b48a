"""Two towers that share one body: a vector for every item, a vector for what somebody likes. Taught in lesson 13.

An item is read once, when it arrives. A user is the mean of what he liked, the latest counting most. Both are of length
1, and their product is the score: ten thousand items are one multiplication of a matrix by a vector. That is what a
cross-encoder, which reads history and candidate together, cannot do; so it is the teacher, and this is the student.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import losses
from tinykd.errors import DataError, RunError
from tinykd.files import new_folder, write_json
from tinykd.hardware import device, keep_memory, placed, prefers_bf16, short_attention, with_dropout
from tinykd.manifest import sha256
from tinykd.scenarios.recommend.likes import Lists
from tinykd.training import Settings

logger = logging.getLogger("tinykd")

MAX_LENGTH = 128  #: word pieces of an item that are read; the rest of a long text is kept, not read
HALF_LIFE = 20.0  #: so many likes later a like counts half
SCALE = 20.0  #: what a cosine is multiplied by to be a logit, as in sentence-transformers


def interest(vectors: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Return what somebody likes: the mean of the vectors of his history, a half less for each ``HALF_LIFE`` back.

    Args:
        vectors: (..., length, hidden), the latest first.
        kept: (..., length), false where the history is shorter.

    Returns:
        (..., hidden), of length 1.
    """
    weight = 0.5 ** (torch.arange(kept.shape[-1], device=kept.device) / HALF_LIFE) * kept
    return F.normalize((vectors * weight[..., None]).sum(-2), dim=-1)


def teach(
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    lists: Lists,
    teacher_scores: np.ndarray | None,
    settings: Settings,
    progress: bool = True,
) -> PreTrainedModel:
    """Train the two towers on lists: ``alpha · CE + (1 - alpha) · T² · KL``, over the candidates of each list.

    The loss is ``losses.mixture``, as everywhere in this package; here a class is a place in the list, and the label is
    0, because the item that was liked next stands first. Nothing in a tower sees where a candidate stands.

    Args:
        texts: of every item of the catalogue.
        teacher_scores: (lists, candidates); without them the labels alone teach.

    Raises:
        DataError: no lists.
        RunError: the loss is no longer a number.
    """
    if not len(lists.history):
        raise DataError("there are no lists to learn from")
    order = torch.Generator().manual_seed(settings.seed)
    torch.manual_seed(settings.seed)
    student.to(device())  # before the optimizer is made
    optimizer = torch.optim.AdamW(student.parameters(), settings.learning_rate, fused=True)
    batches = [
        part.numpy()  # NumPy takes a tensor of one number for that number
        for _ in range(settings.epochs)
        for part in torch.randperm(len(lists.history), generator=order).split(settings.batch_size)
    ]
    rise = 0.1 if len(batches) != 10 else 0.11  # OneCycleLR divides by rise * steps - 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, len(batches), pct_start=rise)
    keep_memory()
    student.train()
    for part in tqdm(batches, desc="student   ", unit="step", disable=not progress):
        history, candidates = lists.history[part], lists.candidates[part]
        # Each text of a batch is read once. A place that is -1 reads some text, too, and interest() leaves it out.
        every, places = np.unique(np.concatenate([history, candidates], 1), return_inverse=True)
        fast = torch.autocast(student.device.type, torch.bfloat16, enabled=prefers_bf16())
        with fast, short_attention(MAX_LENGTH), with_dropout(student, settings.dropout):
            vectors = pooled(student, tokenizer, [texts[item] for item in every])
        rows = vectors[torch.as_tensor(places).view(len(part), -1)]
        mine, theirs = rows.split([history.shape[1], candidates.shape[1]], 1)
        likes = interest(mine, torch.as_tensor(history >= 0, device=rows.device))
        logits = SCALE * (theirs @ likes[..., None]).squeeze(-1)
        labels = torch.zeros(len(part), dtype=torch.long, device=rows.device)
        if teacher_scores is None:
            loss = losses.cross_entropy(logits, labels)
        else:
            signal = torch.as_tensor(teacher_scores[part], dtype=torch.float32, device=rows.device)
            loss = losses.mixture(logits, signal, labels, settings.alpha, settings.temperature)
        if not torch.isfinite(loss):
            raise RunError(f"the loss is {loss.item()}; try a smaller learning rate than {settings.learning_rate:g}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return student.eval()


def pooled(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], batch_size: int = 32
) -> torch.Tensor:
    """Return (texts, hidden) float32 vectors of length 1: the mean over a text's word pieces, padding left out.

    Texts of like length are read together, so that there is little padding.
    """
    order, found = np.argsort([len(text) for text in texts], kind="stable"), []
    for start in range(0, len(order), batch_size):
        part = [texts[i] for i in order[start : start + batch_size]]
        batch = tokenizer(part, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        batch = batch.to(model.device)
        states, mask = model.base_model(**batch).last_hidden_state.float(), batch["attention_mask"][..., None]
        found.append(F.normalize((states * mask).sum(1) / mask.sum(1), dim=-1))
    return torch.cat(found)[torch.as_tensor(np.argsort(order))]


@torch.inference_mode()
def embed(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors of :func:`pooled` as numpy, without gradients."""
    return pooled(placed(model), tokenizer, texts).cpu().numpy()


def stored(
    folder: Path, weights: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> np.ndarray:
    """Return the vectors of all items from the disk, or make them and write them: every text is read once.

    Vectors of another model or other texts, and a file that is damaged, are made anew.

    Args:
        folder: where they are; it appears whole or not at all.
        weights: the file that the model was loaded from.
    """
    folder, note = Path(folder), {"model": sha256(weights), "items": fingerprint(texts)}
    try:
        facts = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
        if facts == note | {"vectors": sha256(folder / "vectors.npy")}:
            return np.load(folder / "vectors.npy")
        logger.info("%s: of another model, of other items, or damaged; made anew", folder)
    except (OSError, ValueError):
        pass  # none yet
    vectors = embed(model, tokenizer, texts)
    with new_folder(folder, "vectors.json", "vectors.npy") as unfinished:
        np.save(unfinished / "vectors.npy", vectors)
        write_json(unfinished / "vectors.json", note | {"vectors": sha256(unfinished / "vectors.npy")})
    return vectors


def fingerprint(texts: Sequence[str]) -> str:
    """Return the SHA-256 of texts and of how much of each is read."""
    return hashlib.sha256(json.dumps([MAX_LENGTH, *texts]).encode()).hexdigest()
