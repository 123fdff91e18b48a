"""The shop: who asks gets items, and for each the reasons that moved it up. Taught in lesson 15."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, diags

from scenarios.recommend.items import Item, catalogue, describe, multi_hot
from scenarios.recommend.likes import Likes
from scenarios.recommend.ranking import FEATURES, allowed, seed_of, top
from scenarios.recommend.towers import HALF_LIFE
from tinykd.artifacts import new_folder, seal, sealed
from tinykd.errors import DamagedError, DataError, ModelError, SettingError, is_whole

NOTE = "shop.json"  #: seals the folder of a shop
LATEST = 30  #: so many of the last likes make up an interest; the one before them would weigh a third of the last
RECENT = 30.0  #: days after which a like counts half among the recent ones
SHORTLIST = {"text": 150, "together": 100, "recent": 50}  #: how many candidates come from where
LEFT = "nothing lifts it; the rest of the short list ranks lower"
EMPTY = "nothing is known of you yet: this is what others like now"


@dataclass(frozen=True)
class Suggestion:
    """An item, what the ranker gives it, and why."""

    item: str
    title: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shop:
    """A catalogue, its vectors, what was liked until now, and a ranker. Without one the cosine alone decides.

    A ranker puts a short list in order, of ``SHORTLIST`` items; nobody gets more than that from it.

    Args:
        vectors: (items, hidden), of length 1.
        embed: reads texts that come later; needed by :meth:`with_items` alone.
        now: the day of the request; the day of the last like by default.
    """

    items: list[Item]
    vectors: np.ndarray
    likes: Likes
    ranker: object | None = None
    embed: Callable[[list[str]], np.ndarray] | None = field(default=None, compare=False)
    now: float | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if not self.items:
            raise DataError("the catalogue is empty: there is nothing to recommend")
        if len(self.vectors) != len(self.items):
            raise DataError(f"{len(self.items)} items and {len(self.vectors)} vectors: they do not belong together")

    def recommend(self, who: str | Sequence[str], k: int = 10) -> list[Suggestion]:
        """Return the ``k`` best items for a user or for a history, best first; nothing that is in the history.

        Args:
            who: the id of a user, or the ids of items that somebody liked, the oldest first. With none of them the
                most liked recently are returned, and the reason says so.

        Raises:
            DataError: a user or an item that the shop does not know.
        """
        if not is_whole(k, 1):
            raise SettingError(f"k is {k}; it must be at least 1")
        history = self.history(who)
        found, scores = self.rank(history, k)
        reasons = self._reasons(history, found)
        return [
            Suggestion(self.items[i].id, self.items[i].title, round(float(score), 4), why)
            for i, score, why in zip(found, scores, reasons, strict=True)
        ]

    def history(self, who: str | Sequence[str]) -> list[int]:
        """Return the places of the items that a user, or a list of ids, stands for.

        Raises:
            DataError: a user or an item that the shop does not know.
        """
        if isinstance(who, str):
            if who not in self._histories:
                raise DataError(
                    f"no user {who!r} is known; a list of the items that somebody liked will do, even an empty one"
                )
            return list(self._histories[who])
        unknown = [item for item in who if item not in self._places]
        if unknown:
            raise DataError(f"item {unknown[0]!r} is not in the catalogue of {len(self.items):,} items")
        return list(dict.fromkeys(self._places[item] for item in who))

    def rank(self, history: Sequence[int], k: int, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of the best items and their scores.

        Args:
            history: places of items, the oldest first.
            among: (items,), which items may be shown; all by default.
        """
        if self.ranker is None or not len(history):
            scores = self.vectors @ self.interest(history) if len(history) else self.recent
            found = top(scores, allowed(len(self.items), history, among), k, seed_of(history))
            return found, scores[found]
        found = self.shortlist(history, among)
        if not len(found):
            return found, np.zeros(0)
        scores = self.ranker.predict(self.features(history, found))
        best = np.argsort(-scores, kind="stable")[:k]
        return found[best], scores[best]

    def shortlist(self, history: Sequence[int], among: np.ndarray | None = None) -> np.ndarray:
        """Return the places of what the ranker looks at: nearest by text, liked by the same people, liked recently.

        Where nobody has liked anything yet, all are equals in the last two, and each history draws its own.
        """
        may, found, seed = allowed(len(self.items), history, among), [], seed_of(history)
        scores = {
            "text": self.vectors @ self.interest(history),
            "together": self._beside(history),
            "recent": self.recent,
        }
        for name, count in SHORTLIST.items():
            found.append(top(scores[name], may, count, seed))
            may[found[-1]] = False
        return np.concatenate(found)

    def features(self, history: Sequence[int], candidates: np.ndarray) -> np.ndarray:
        """Return (candidates, features): what ``ranking.FEATURES`` names.

        ``text`` is the cosine with the interest, ``nearest`` that with the nearest of the history; ``together`` says
        how often the same people liked it and the history; ``popularity`` and ``recent`` are logarithms of counts of
        likes; ``match`` says how alike the categories are; ``age`` is in years (unknown where an item has no year).
        """
        vectors, past = self.vectors[candidates], list(history)[-LATEST:]
        columns = {
            "text": vectors @ self.interest(history),
            "nearest": (vectors @ self.vectors[past].T).max(-1),
            "together": self._beside(history)[candidates],
            "popularity": np.log1p(self.popularity[candidates]),
            "recent": np.log1p(self.recent[candidates]),
            "match": self._categories[candidates] @ self._categories[past].mean(0),
            "age": self._ages[candidates],
        }
        return np.stack([columns[name] for name in FEATURES], axis=1)

    def interest(self, history: Sequence[int]) -> np.ndarray:
        """Return the vector of what somebody likes: the sum of ``towers.interest`` over the latest, without torch."""
        past = list(history)[-LATEST:][::-1]
        mean = 0.5 ** (np.arange(len(past)) / HALF_LIFE) @ self.vectors[past]
        return mean / max(float(np.linalg.norm(mean)), 1e-9)

    @cached_property
    def popularity(self) -> np.ndarray:
        """(items,), how many liked each."""
        return np.bincount(self.likes.item, minlength=len(self.items)).astype(np.float64)

    @cached_property
    def recent(self) -> np.ndarray:
        """(items,), the same, a like from ``RECENT`` days ago counting half."""
        weights = 0.5 ** ((self._now - self.likes.time) / RECENT)
        return np.bincount(self.likes.item, weights, minlength=len(self.items))

    @cached_property
    def together(self) -> csr_matrix:
        """(items, items), how often the same people liked both: the cosine of two columns of who liked what."""
        _, rows = np.unique(self.likes.user.astype(str), return_inverse=True)
        ones = np.ones(len(self.likes), np.float32)
        liked = csr_matrix((ones, (rows, self.likes.item)), shape=(int(rows.max(initial=0)) + 1, len(self.items)))
        scale = diags(1 / np.sqrt(np.maximum(self.popularity, 1)))
        both = (scale @ (liked.T @ liked) @ scale).tolil()
        both.setdiag(0)
        return both.tocsr()

    def at(self, time: float) -> "Shop":
        """Return the shop as it was on that day: it knows the likes before."""
        return replace(self, likes=self.likes.between(end=time), now=time)

    def with_items(self, more: Sequence[Item]) -> "Shop":
        """Return the shop with new items: their texts are read now, and they can be recommended at once.

        Raises:
            DataError: an id that is there already.
        """
        if self.embed is None:
            raise ModelError("this shop was opened without its student; nobody can read a new item")
        if not more:
            return self
        every = catalogue([{**item._asdict(), "item": item.id} for item in [*self.items, *more]])
        vectors = self.embed([describe(item) for item in every[len(self.items) :]])
        return replace(self, items=every, vectors=np.concatenate([self.vectors, vectors]))

    def save(self, folder: Path) -> None:
        """Write catalogue, vectors, likes and ranker; the folder appears whole or not at all."""
        with new_folder(folder, NOTE) as unfinished:
            (unfinished / "items.json").write_text(json.dumps([item._asdict() for item in self.items]), "utf-8")
            columns = {"user": self.likes.user.astype(str), "item": self.likes.item, "time": self.likes.time}
            np.savez(unfinished / "shop.npz", vectors=self.vectors, now=np.array(self._now), **columns)
            if self.ranker is not None:
                self.ranker.save_model(unfinished / "ranker.txt")
            seal(unfinished, NOTE, {})

    def _reasons(self, history: Sequence[int], found: np.ndarray) -> list[tuple[str, ...]]:
        """Say what moved each item up: the features whose part in its score is above 0, the largest first."""
        if not len(history):
            return [(EMPTY, self._crowd(i)) for i in found]
        if not len(found):
            return []
        features = self.features(history, found)
        if self.ranker is None:
            parts = np.eye(1, len(FEATURES)).repeat(len(found), 0)
        else:
            parts = self.ranker.predict(features, pred_contrib=True)[:, :-1]
        return [
            self._why(history, i, dict(zip(FEATURES, part, strict=True))) for i, part in zip(found, parts, strict=True)
        ]

    def _why(self, history: Sequence[int], item: int, part: dict[str, float]) -> tuple[str, ...]:
        past = list(history)[-LATEST:]
        near = past[int((self.vectors[past] @ self.vectors[item]).argmax())]
        often = self.together[past, item].toarray().ravel()
        beside = past[int(often.argmax())]
        mine = {name for i in past for name in self.items[i].categories}
        shared = [name for name in self.items[item].categories if name in mine]
        said = {
            f"its text is near to {self.items[near].title!r}, which you liked": part["text"] + part["nearest"],
            f"those who liked {self.items[beside].title!r} liked it, too": part["together"] if often.any() else 0,
            self._crowd(item): part["popularity"] + part["recent"],
            f"{', '.join(shared)}, as in what you liked": part["match"] if shared else 0,
            f"of {self.items[item].year}": part["age"] if self.items[item].year else 0,
        }
        told = tuple(why for why, weight in sorted(said.items(), key=lambda pair: -pair[1]) if weight > 0)
        if not self.popularity[item] and self._crowd(item) not in told:
            told += (self._crowd(item),)
        return told or (LEFT,)

    def _beside(self, history: Sequence[int]) -> np.ndarray:
        return np.asarray(self.together[list(history)[-LATEST:]].sum(0)).ravel()

    def _crowd(self, item: int) -> str:
        count = int(self.popularity[item])
        return f"liked by {count}" if count else "new here: nobody has liked it yet"

    @cached_property
    def _now(self) -> float:
        return self.now if self.now is not None else float(self.likes.time.max() if len(self.likes) else 0)

    @cached_property
    def _categories(self) -> np.ndarray:
        return multi_hot(self.items)

    @cached_property
    def _ages(self) -> np.ndarray:
        years = np.array([np.nan if item.year is None else item.year for item in self.items], float)
        return 1970 + self._now / 365.25 - years

    @cached_property
    def _places(self) -> dict[str, int]:
        return {item.id: place for place, item in enumerate(self.items)}

    @cached_property
    def _histories(self) -> dict[str, list[int]]:
        return self.likes.histories()


def load_shop(folder: Path, embed: Callable[[list[str]], np.ndarray] | None = None) -> Shop:
    """Read what :meth:`Shop.save` wrote; it recommends the same.

    Raises:
        ModelError: no shop, or a file that is missing, cut short or altered.
    """
    import lightgbm

    folder = Path(folder)
    try:
        files = sealed(folder, NOTE)["files"]
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{folder}: no shop; `python -m scenarios recommend train` makes one") from None
    except DamagedError as error:
        raise ModelError(f"{error}; delete the shop and train again") from None
    rows = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    items = [Item(**row | {"categories": tuple(row["categories"])}) for row in rows]
    arrays = np.load(folder / "shop.npz")
    likes = Likes(arrays["user"].astype(object), arrays["item"], arrays["time"])
    ranker = lightgbm.Booster(model_file=folder / "ranker.txt") if "ranker.txt" in files else None
    return Shop(items, arrays["vectors"], likes, ranker, embed, float(arrays["now"]))
