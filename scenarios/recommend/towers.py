"""Two towers that share one body: a vector for every item, a vector for what somebody likes. Taught in lesson 15.

An item is read once, when it arrives. A user is the mean of what he liked, the latest counting most. Both are of length
1, and their product is the score: ten thousand items are one multiplication of a matrix by a vector. That is what a
cross-encoder, which reads history and candidate together, cannot do; so it is the teacher, and this is the student.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from scenarios.recommend.fitting import fit
from scenarios.recommend.likes import Lists
from scenarios.shared import encoder
from tinykd import losses, models
from tinykd.training import Settings

MAX_LENGTH = 128  #: subword tokens of an item that are read; the rest of a long text is kept, not read
HALF_LIFE = 20.0  #: so many likes later a like counts half
SCALE = 20.0  #: what a cosine is multiplied by to be a logit, as in sentence-transformers
PART = 32  #: texts that the body reads together


def interest(vectors: Tensor, kept: Tensor) -> Tensor:
    """Return what somebody likes: the mean of the vectors of his history, a half less for each ``HALF_LIFE`` back.

    Args:
        vectors: (..., length, hidden), the latest first.
        kept: (..., length), false where the history is shorter.

    Returns:
        (..., hidden), of length 1.
    """
    weight = 0.5 ** (torch.arange(kept.shape[-1], device=kept.device) / HALF_LIFE) * kept
    return F.normalize((vectors * weight[..., None]).sum(-2), dim=-1)


def student(kind: str, teacher: str, seed: int = 0) -> SentenceTransformer:
    """Return untrained towers: a student of the model that the teacher is made of. Both names are as in ``models``."""
    base, tokenizer = models.teacher(teacher, ["no", "yes"], "classification", seed)
    small = models.student(kind, base, seed)
    with tempfile.TemporaryDirectory() as folder:
        models.save(small, models.tokenizer_of(small, tokenizer), Path(folder) / "student")
        return encoder(Path(folder) / "student", MAX_LENGTH)


class ListwiseLoss(nn.Module):
    """``losses.kd_loss`` over the candidates of each list: here a class is a place in the list.

    The label is 0, because the item that was liked next stands first. Nothing in a tower sees where a candidate stands.
    """

    def __init__(self, model: SentenceTransformer, settings: Settings):
        super().__init__()
        self.model, self.alpha, self.temperature = model, settings.alpha, settings.temperature

    def forward(self, features: list[dict], batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of a batch that :class:`Collator` put together."""
        vectors = torch.cat([self.model(part)["sentence_embedding"].float() for part in features])
        rows = vectors[batch["places"]]
        past, candidates = rows.split([batch["kept"].shape[1], batch["scores"].shape[1]], 1)
        logits = SCALE * (candidates * interest(past, batch["kept"])[:, None]).sum(-1)  # no autocast, as of a matmul
        first = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        return losses.kd_loss(logits, batch["scores"], first, self.alpha, self.temperature)


class Collator:
    """Puts lists together to a batch in which each text stands once, in parts of like length."""

    valid_label_columns = ()  # sentence-transformers asks for it

    def __init__(self, model: SentenceTransformer, texts: Sequence[str]):
        self.model, self.texts = model, texts

    def __call__(self, rows: list[dict]) -> dict:
        """Return the parts as tensors, and as the label which texts stand where: ``places`` in all parts together.

        Where a history is shorter, its places are those of the first candidate, and ``kept`` is false.
        """
        history, candidates, scores = (np.array([row[name] for row in rows]) for name in rows[0])
        past = np.where(history < 0, candidates[:, :1], history)
        every, places = np.unique(np.concatenate([past, candidates], 1), return_inverse=True)
        order = np.argsort([len(self.texts[i]) for i in every], kind="stable")
        batch = {}
        for start in range(0, len(order), PART):
            part = self.model.preprocess([self.texts[i] for i in every[order[start : start + PART]]])
            batch |= {f"part{start}_{name}": value for name, value in part.items()}
        places = torch.from_numpy(np.argsort(order)[places].reshape(len(rows), -1))
        label = {"places": places, "kept": torch.from_numpy(history >= 0), "scores": torch.from_numpy(scores).float()}
        return batch | {"label": label}


def teach(
    model: SentenceTransformer,
    texts: Sequence[str],
    lists: Lists,
    teacher_scores: np.ndarray | None,
    settings: Settings,
) -> None:
    """Train the two towers on lists: ``alpha · CE + (1 - alpha) · T² · KL``, over the candidates of each list.

    Args:
        texts: of every item of the catalogue.
        teacher_scores: (lists, candidates); without them the labels alone teach.

    Raises:
        as :func:`scenarios.recommend.fitting.fit`.
    """
    loss = ListwiseLoss(model, settings)
    if teacher_scores is None:
        teacher_scores, loss.alpha = np.zeros(lists.candidates.shape), 1.0
    rows = {"history": lists.history, "candidates": lists.candidates, "scores": teacher_scores}
    fit(model, Dataset.from_dict(rows), loss, settings, data_collator=Collator(model, texts))


def embed(model: SentenceTransformer, texts: Sequence[str]) -> np.ndarray:
    """Return (texts, hidden) float32 vectors of length 1."""
    return model.encode(list(texts), show_progress_bar=False)
