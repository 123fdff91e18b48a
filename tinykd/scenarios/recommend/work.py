"""From texts and likes to a shop: teacher, its scores, student, vectors, ranker. Taught in lesson 13."""

import json
import logging
import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, models
from tinykd.errors import ModelError
from tinykd.files import claim
from tinykd.scenarios.recommend import teacher, towers
from tinykd.scenarios.recommend.items import Item, catalogue, describe
from tinykd.scenarios.recommend.likes import Likes, Lists, draw, likes_of, periods
from tinykd.scenarios.recommend.ranking import fit
from tinykd.scenarios.recommend.shop import Shop, load_shop
from tinykd.scenarios.recommend.simulate import TEST_FROM, VALID_FROM, simulate
from tinykd.training import Settings, fine_tune

logger = logging.getLogger("tinykd")


@dataclass(frozen=True)
class Setup:
    """How a shop is trained; of each list the teacher learns what was liked, and ``others`` that were not."""

    teacher: str = "minilm"
    student: str = "cut:3"
    lists: int = 512
    others: int = 2
    teacher_epochs: int = 1
    epochs: int = 3
    learning_rate: float = 2e-4
    batch_size: int = 128  # lists a step of the student: in a small catalogue they share most of their items
    alpha: float = 0.5
    temperature: float = 2.0
    dropout: float | None = None  # of both models while they train; None leaves them their own
    rounds: int = 100
    hidden: float = 0.3
    seed: int = 0

    def __post_init__(self):
        for name in ("lists", "others", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.hidden <= 1:
            raise ValueError(f"hidden is {self.hidden}; a share lies in [0, 1]")
        self.settings()  # refuses what is impossible, before any work

    def settings(self) -> tuple[Settings, Settings]:
        """Return those of the teacher and of the student."""
        both = {"learning_rate": self.learning_rate, "dropout": self.dropout, "seed": self.seed}
        return (
            Settings(epochs=self.teacher_epochs, batch_size=16, max_length=teacher.MAX_LENGTH, **both),
            Settings(
                epochs=self.epochs,
                batch_size=self.batch_size,
                max_length=towers.MAX_LENGTH,
                alpha=self.alpha,
                temperature=self.temperature,
                **both,
            ),
        )


def embedded(users: int = 600, seed: int = 0) -> tuple[list[Item], Likes, dict[str, tuple[float, float]]]:
    """Return the embedded catalogue, the likes of its simulated users, and the stretches of time."""
    rows = data.load("recommend")["items"]
    items = catalogue(rows)
    found = likes_of(simulate(rows, users, seed), items, "the simulated users")
    return items, found, periods(found, *(_day(day) for day in (VALID_FROM, TEST_FROM)))


def train(
    out: Path,
    items: list[Item],
    found: Likes,
    stretches: dict[str, tuple[float, float]],
    setup: Setup = Setup(),
    progress: bool = True,
) -> Shop:
    """Train a shop: ``out`` then holds ``teacher``, ``signals.json``, ``student``, ``vectors`` and ``shop``.

    Interrupted, the same call goes on with the step where it stopped; finished, it only opens the shop.

    Args:
        found: all likes; only those of the stretches ``towers`` and ``ranker`` are learnt from.

    Raises:
        RunError: ``out`` was made with other settings, items or likes.
    """
    out = Path(out)
    texts = [describe(item) for item in items]
    read = {"items": towers.fingerprint(texts), "likes": found.fingerprint()}
    begin = {name: start for name, (start, _) in stretches.items() if start > -math.inf}
    end = {name: end for name, (_, end) in stretches.items() if end < math.inf}
    ids = towers.fingerprint([item.id for item in items])
    claim(out / "setup.json", asdict(setup) | read | {"ids": ids, "begin": begin, "end": end})
    if (out / "shop" / "shop.json").exists():
        return open_shop(out)
    lists = draw(found.between(*stretches["towers"]), setup.lists, setup.seed)
    large, tokenizer = train_teacher(out / "teacher", items, lists, setup, progress)
    weights = out / "teacher" / "model.safetensors"
    scores = teacher.stored_scores(out / "signals.json", weights, large, tokenizer, items, lists, progress)
    train_student(out / "student", items, lists, scores, setup, progress)
    shop = open_student(out / "student", out / "vectors", items, found)
    start, end = stretches["ranker"]
    ranker = fit(shop, found, start, end, setup.seed, setup.rounds, setup.hidden)
    Shop(items, shop.vectors, found, ranker).save(out / "shop")
    return open_shop(out)


def train_teacher(
    out: Path, items: list[Item], lists: Lists, setup: Setup, progress: bool = True
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Fine-tune the cross-encoder on the pairs of the lists; a finished one is loaded."""
    model, tokenizer = models.teacher(setup.teacher, teacher.LABELS, "classification", setup.seed)
    models.student(setup.student, model, setup.seed)  # one that cannot be is refused now, not after the training
    rows = teacher.pairs(items, lists, setup.others)
    return fine_tune(model, tokenizer, rows, out, setup.settings()[0], "teacher", progress), tokenizer


def train_student(
    out: Path, items: list[Item], lists: Lists, scores: np.ndarray | None, setup: Setup, progress: bool = True
) -> None:
    """Cut a student from the model that the teacher was made of, and train its two towers; a finished one is kept.

    It owes the teacher its scores and nothing else. An interrupted call begins anew: it takes minutes.

    Args:
        scores: of the teacher; without them the student learns from the labels alone.
    """
    if (Path(out) / "model.safetensors").exists():
        logger.info("%s: already finished", out)
        return
    base, tokenizer = models.teacher(setup.teacher, teacher.LABELS, "classification", setup.seed)
    student = models.student(setup.student, base, setup.seed)
    own = models.tokenizer_of(student, tokenizer)
    texts = [describe(item) for item in items]
    models.save(towers.teach(student, own, texts, lists, scores, setup.settings()[1], progress), own, out)


def open_student(student: Path, vectors: Path, items: list[Item], found: Likes) -> Shop:
    """Return a shop without a ranker: the vectors of a student, read from the disk or made now."""
    model, tokenizer = models.load(student)
    texts = [describe(item) for item in items]
    made = towers.stored(vectors, Path(student) / "model.safetensors", model, tokenizer, texts)
    return Shop(items, made, found, embed=partial(towers.embed, model, tokenizer))


def open_shop(out: Path) -> Shop:
    """Open a trained shop; its student is loaded when a new item comes.

    Raises:
        ModelError: there is none, or a file of it is damaged.
    """

    def embed(texts: list[str]) -> np.ndarray:
        return towers.embed(*models.load(Path(out) / "student"), texts)

    return load_shop(Path(out) / "shop", embed)


def stretches_of(out: Path) -> dict[str, tuple[float, float]]:
    """Return the stretches of time that a shop was trained with.

    Raises:
        ModelError: there is none.
    """
    try:
        note = json.loads((Path(out) / "setup.json").read_text(encoding="utf-8"))
        begin, end = dict(note["begin"]), dict(note["end"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"{out}: no shop; `tinykd recommend train` makes one") from None
    names = ["towers", *(name for name in begin if name != "towers")]
    return {name: (begin.get(name, -math.inf), end.get(name, math.inf)) for name in names}


def _day(day) -> float:
    return float((day - type(day)(1970, 1, 1)).days)
