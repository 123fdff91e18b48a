"""From texts and likes to a shop: teacher, its scores, student, vectors, ranker. Taught in lesson 15."""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from scenarios.recommend import library, teacher, towers
from scenarios.recommend.fitting import save
from scenarios.recommend.items import Item, catalogue, describe
from scenarios.recommend.likes import Likes, Lists, draw, likes_of, periods
from scenarios.recommend.ranking import fit
from scenarios.recommend.shop import NOTE, Shop, load_shop
from scenarios.recommend.simulate import TEST_FROM, VALID_FROM, simulate
from scenarios.shared import SETUP, encoder, made
from tinykd.artifacts import claim, fingerprint, read_json, sealed, sha256
from tinykd.errors import DamagedError, ModelError, SettingError, is_whole
from tinykd.training import Settings


@dataclass(frozen=True)
class Setup:
    """How a shop is trained; of each list the teacher learns what was liked, and ``others`` that were not.

    ``rounds`` and ``hidden`` are those of :func:`scenarios.recommend.ranking.fit`, the rest is of ``Settings``.
    """

    teacher: str = "minilm"
    student: str = "cut:3"
    lists: int = 512
    others: int = 2
    teacher_epochs: int = 1
    epochs: int = 3
    learning_rate: float = 2e-4
    batch_size: int = 128  # lists in a step of the student: in a small catalogue they share most of their items
    alpha: float = 0.5
    temperature: float = 2.0
    dropout: float | None = None
    precision: str = "fp32"
    rounds: int = 100
    hidden: float = 0.3
    seed: int = 0

    def __post_init__(self):
        for name in ("lists", "others", "rounds"):
            if not is_whole(getattr(self, name), 1):
                raise SettingError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.hidden <= 1:
            raise SettingError(f"hidden is {self.hidden}; a share lies in [0, 1]")
        self.settings()  # refuses what is impossible, before any work

    def settings(self) -> tuple[Settings, Settings]:
        """Return those of the teacher and of the student."""
        names = ("learning_rate", "dropout", "precision", "seed")
        both = {"max_grad_norm": 1.0} | {name: getattr(self, name) for name in names}
        soft = {"alpha": self.alpha, "temperature": self.temperature}
        return (
            Settings(epochs=self.teacher_epochs, batch_size=16, max_length=teacher.MAX_LENGTH, **both),
            Settings(epochs=self.epochs, batch_size=self.batch_size, max_length=towers.MAX_LENGTH, **both, **soft),
        )


def embedded(users: int = 600, seed: int = 0) -> tuple[list[Item], Likes, dict[str, tuple[float, float]]]:
    """Return the embedded library, the likes of its simulated users, and the stretches of time."""
    items = catalogue(library.read())
    likes = likes_of(simulate(items, users, seed), items, "the simulated users")
    return items, likes, periods(likes, *(_day(day) for day in (VALID_FROM, TEST_FROM)))


def train(
    out: Path, items: list[Item], likes: Likes, stretches: dict[str, tuple[float, float]], setup: Setup = Setup()
) -> Shop:
    """Train a shop: ``out`` then holds ``teacher``, ``signals``, ``student``, ``vectors`` and ``shop``.

    Interrupted, the same call goes on with the step where it stopped; finished, it only opens the shop.

    Args:
        likes: all likes; only those of the stretches ``towers`` and ``ranker`` are learnt from.

    Raises:
        RunError: ``out`` was made with other settings, items or likes.
    """
    out = Path(out)
    read = {"items": fingerprint(items), "likes": likes.fingerprint(), "stretches": stretches}
    with claim(out, SETUP, asdict(setup) | read):
        if not (out / "shop" / NOTE).exists():
            towers.student(setup.student, setup.teacher)  # one that cannot be is refused before the teacher is trained
            lists = draw(likes.between(*stretches["towers"]), setup.lists, setup.seed)
            scores = train_teacher(out, items, lists, setup)
            train_student(out / "student", items, lists, scores, setup)
            shop = open_student(out / "student", out / "vectors", items, likes)
            ranker = fit(shop, likes, stretches["ranker"], setup.seed, setup.rounds, setup.hidden)
            Shop(items, shop.vectors, likes, ranker).save(out / "shop")
    return open_shop(out)


def train_teacher(out: Path, items: list[Item], lists: Lists, setup: Setup) -> np.ndarray:
    """Train the cross-encoder, ``out/teacher``, and return its scores of the lists, which ``out/signals`` keeps."""
    facts = asdict(setup) | {"pairs": fingerprint(teacher.pairs(items, lists))}

    def make(folder: Path) -> None:
        model = teacher.load(setup.teacher, setup.seed)
        teacher.train(model, items, lists, setup.others, setup.settings()[0])
        save(model, folder)

    def score(folder: Path) -> None:
        np.save(folder / "scores.npy", teacher.scores(teacher.load(out / "teacher"), items, lists))

    made(out / "teacher", "teacher.json", facts, make)
    facts |= {"teacher": sha256(out / "teacher" / "model.safetensors")}
    return np.load(made(out / "signals", "signals.json", facts, score) / "scores.npy")


def train_student(out: Path, items: list[Item], lists: Lists, scores: np.ndarray | None, setup: Setup) -> None:
    """Cut a student from the model that the teacher was made of, and train its two towers; a finished one is kept.

    It owes the teacher its scores and nothing else. An interrupted call begins anew: it takes minutes.

    Args:
        scores: of the teacher; without them the student learns from the labels alone.
    """
    texts = [describe(item) for item in items]
    told = None if scores is None else scores.tolist()
    facts = asdict(setup) | {"lists": fingerprint(texts, *(column.tolist() for column in lists), told)}

    def make(folder: Path) -> None:
        student = towers.student(setup.student, setup.teacher, setup.seed)
        towers.teach(student, texts, lists, scores, setup.settings()[1])
        save(student, folder)

    made(Path(out), "student.json", facts, make)


def open_student(student: Path, vectors: Path, items: list[Item], likes: Likes) -> Shop:
    """Return a shop without a ranker: the vectors of a student, read from the disk or made now."""
    texts, embed = [describe(item) for item in items], reader(student)
    facts = {"model": sha256(Path(student) / "model.safetensors"), "items": fingerprint(towers.MAX_LENGTH, texts)}
    made(Path(vectors), "vectors.json", facts, lambda folder: np.save(folder / "vectors.npy", embed(texts)))
    return Shop(items, np.load(Path(vectors) / "vectors.npy"), likes, embed=embed)


def reader(student: Path) -> Callable[[list[str]], np.ndarray]:
    """Return what reads texts: a trained student, opened when it is first needed.

    Raises:
        ModelError: when it is needed; a student that is not there, or a file of it is damaged.
    """

    @functools.cache
    def opened() -> SentenceTransformer:
        try:
            sealed(Path(student), "student.json")
        except (FileNotFoundError, NotADirectoryError, DamagedError) as error:
            raise ModelError(f"{student}: no whole student ({error}); train it again") from None
        return encoder(student, towers.MAX_LENGTH)

    return lambda texts: towers.embed(opened(), texts)


def open_shop(out: Path) -> Shop:
    """Open a trained shop; its student is loaded when a new item comes.

    Raises:
        ModelError: there is none, or a file of it is damaged.
    """
    return load_shop(Path(out) / "shop", reader(Path(out) / "student"))


def stretches_of(out: Path) -> dict[str, tuple[float, float]]:
    """Return the stretches of time that a shop was trained with.

    Raises:
        ModelError: there is none.
    """
    try:
        return {name: tuple(span) for name, span in read_json(Path(out) / SETUP)["stretches"].items()}
    except (OSError, KeyError, DamagedError):
        raise ModelError(f"{out}: no shop; `python -m scenarios recommend train` makes one") from None


def _day(day) -> float:
    return float((day - type(day)(1970, 1, 1)).days)
