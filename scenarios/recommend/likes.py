"""Who liked what and when; cut by time, never by chance. Taught in lesson 15.

Past and future are parted for everybody at the same moment. A split by user would let a model learn from what others
liked after the moment at which it is asked, and no item would ever be new.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from scenarios.recommend.items import Item
from tinykd import artifacts
from tinykd.errors import DataError

DAY = 86400
FAR = 1e9  #: days; more is no time
LIKED = 4.0  #: stars from which on a rating is a like; the rest is not used


@dataclass(frozen=True, eq=False)
class Likes:
    """Three columns in order of time: user ids, places of the items in the catalogue, days."""

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray

    def __len__(self) -> int:
        return len(self.item)

    def between(self, start: float = -math.inf, end: float = math.inf) -> "Likes":
        """Return the likes with ``start <= time < end``."""
        kept = (self.time >= start) & (self.time < end)
        return Likes(self.user[kept], self.item[kept], self.time[kept])

    def fingerprint(self) -> str:
        """Return the SHA-256 of all three columns."""
        return artifacts.fingerprint(self.user.tolist(), self.item.tolist(), self.time.tolist())

    def histories(self) -> dict[str, list[int]]:
        """Return user → items, the oldest first."""
        histories: dict[str, list[int]] = {}
        for user, item in zip(self.user.tolist(), self.item.tolist(), strict=True):
            histories.setdefault(user, []).append(item)
        return histories


class Case(NamedTuple):
    """A question with a known answer: what somebody liked so far, and what he liked next."""

    user: str
    history: list[int]
    targets: list[int]


def likes_of(rows: Iterable[dict], items: Sequence[Item], where: str = "the likes") -> Likes:
    """Check likes and put them in order of time; of two likes of one item by one user the first counts.

    Args:
        rows: ``user``, ``item``, ``time``: a number of days, or text such as ``2031-03-01T09:15``. Where there is a
            ``rating``, only those of ``LIKED`` and more are likes.
        where: what to call their source in an error.

    Raises:
        DataError: no user, an item that is not in the catalogue, a time that is none; the row is named.
    """
    places = {item.id: place for place, item in enumerate(items)}
    found: dict[tuple[str, int], float] = {}
    for number, row in enumerate(rows, 1):
        line = f"{where}:{row.get('line', number)}"
        user, item = row.get("user"), row.get("item")
        if not isinstance(user, str) or not user:
            raise DataError(f"{line}: user must be text, at least one character; found {user!r}")
        if not isinstance(item, str) or item not in places:
            raise DataError(f"{line}: item {item!r} is not in the catalogue")
        rating = row.get("rating", LIKED)
        if isinstance(rating, bool) or not isinstance(rating, int | float):
            raise DataError(f"{line}: rating must be a number, not {rating!r}")
        if not rating >= LIKED:
            continue
        key, time = (user, places[item]), _days(row.get("time"), line)
        found[key] = min(time, found.get(key, math.inf))
    order = sorted(found, key=found.__getitem__)
    return Likes(
        np.array([user for user, _ in order], dtype=object),
        np.array([item for _, item in order], dtype=np.int64),
        np.array([found[key] for key in order], dtype=np.float64),
    )


def periods(likes: Likes, valid: float | None = None, test: float | None = None) -> dict[str, tuple[float, float]]:
    """Return what each stretch of time is for, as (start, end): ``towers``, ``ranker``, ``valid``, ``test``.

    Args:
        valid, test: the days on which these begin; without them they hold 10 % and 15 % of the likes.

    Raises:
        DataError: too few likes, too few different times, or days that leave nothing to a stretch.
    """
    if len(likes) < 40:
        raise DataError(f"{len(likes)} likes are too few to cut in four stretches of time")
    valid, test = (
        float(np.quantile(likes.time, share)) if day is None else day for day, share in ((valid, 0.75), (test, 0.85))
    )
    before = likes.between(end=valid).time
    ranker = float(np.quantile(before, 0.7)) if len(before) else valid
    found = list(itertools.pairwise([-math.inf, ranker, valid, test, math.inf]))
    if any(not len(likes.between(*stretch)) for stretch in found):
        raise DataError(
            f"the likes have too few different times to cut them in four stretches: "
            f"at {ranker:g}, {valid:g} and {test:g} days one of these is left empty"
        )
    return dict(zip(("towers", "ranker", "valid", "test"), found, strict=True))


def cases(likes: Likes, start: float, end: float = math.inf, least: int = 3) -> list[Case]:
    """Return one case for each user of a stretch of time.

    The first half of what a user likes in it is history, with all that came before; the second half is to be guessed.
    Many users of MovieLens come on one day and never again. Without this half they would have no history at all.

    Args:
        least: likes that a history must have.
    """
    before, found = likes.between(end=start).histories(), []
    for user, items in likes.between(start, end).histories().items():
        middle = len(items) // 2
        history = before.get(user, []) + items[:middle]
        if len(history) >= least:
            found.append(Case(user, history, items[middle:]))
    return found


class Lists(NamedTuple):
    """What a teacher scores and a student learns from: histories and candidates, as places in the catalogue.

    ``history`` is (lists, length), the latest first, -1 where it is shorter; ``candidates`` is (lists, candidates): the
    item that was liked next, then others.
    """

    history: np.ndarray
    candidates: np.ndarray


def draw(likes: Likes, size: int, seed: int = 0, length: int = 10, others: int = 5, least: int = 2) -> Lists:
    """Draw moments in the lives of users: what they had liked, what they liked next, what they never liked.

    A person who liked over half of all items has hardly one left to dislike: their others are any but the answer.
    Every user is drawn as often as any other. Of the others the first, the third, … are drawn from all likes, so that
    popularity alone does not give the answer away; the rest from all items that anybody liked.

    Raises:
        DataError: nobody liked enough.
    """
    random = np.random.default_rng(seed)
    histories = [items for items in likes.histories().values() if len(items) > least]
    if not histories:
        raise DataError(f"nobody liked more than {least} items; there is nothing to learn from")
    known = np.unique(likes.item)
    if len(known) < 2:
        raise DataError("all likes are of one item; there is nothing to tell apart")
    history = np.full((size, length), -1)
    candidates = np.zeros((size, 1 + others), np.int64)
    for row in range(size):
        items = histories[random.integers(len(histories))]
        place = int(random.integers(least, len(items)))
        past = items[max(0, place - length) : place][::-1]
        history[row, : len(past)] = past
        liked, chosen = set(items), [items[place]]
        while len(chosen) < 1 + others:
            pool = likes.item if len(chosen) % 2 else known
            other = int(pool[random.integers(len(pool))])
            if other not in liked or (len(liked) > len(known) // 2 and other != items[place]):
                chosen.append(other)
        candidates[row] = chosen
    return Lists(history, candidates)


def _days(time: object, where: str) -> float:
    if isinstance(time, str):
        try:
            moment = datetime.fromisoformat(time)
        except ValueError:
            raise DataError(f"{where}: time {time!r}: write it as 2031-03-01T09:15, or as a number of days") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.timestamp() / DAY
    if isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) < FAR:
        raise DataError(f"{where}: time must be a number of days or text such as 2031-03-01T09:15, not {time!r}")
    return float(time)
