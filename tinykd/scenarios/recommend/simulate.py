"""Simulated users of the library *recommend*: who borrowed what, when, and how they liked it. Lesson 13.

Nobody here is real. A user has tastes, positive and negative, for the categories that everybody can read and for the
themes that only the descriptions carry. At each visit the user takes one item that is new to him or her: often one to
the taste, often one that everybody takes, sometimes one from the table of new arrivals, and sometimes any. The rating
depends on the taste alone: fame makes an item taken, not liked. Tastes drift. Some items arrive late, and nobody can
have borrowed them before: they are the cold ones.
"""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from datasets import Dataset
from scipy.stats import norm

from tinykd.data import items as catalogues
from tinykd.data.corpora import EMBEDDED
from tinykd.errors import DataError

START, END = date(2030, 1, 1), date(2031, 6, 30)
TEST_FROM = END - timedelta(weeks=8)  #: a fifth of the items arrives after it
VALID_FROM = TEST_FROM - timedelta(weeks=8)  #: a tenth arrives between it and TEST_FROM
LIKED = 4  #: the least rating that says "more of this", as is usual with MovieLens

TASTE, FAME, NEWS = 1.1, 0.8, 0.8  # how much each pulls at a visit, against a noise of 1.28 (a Gumbel's)
DRIFT = 0.3  # the share of tastes that change from the first day to the last
MEAN_RATING, WARMTH, MOOD = 3.4, 0.8, 0.7  # of a rating: its middle, what a unit of taste adds, the noise
NEW_DAYS = 28  # so long an item lies on the table of new arrivals


class World(NamedTuple):
    """What is hidden from a recommender. A day is counted from START; a trait is a category or a theme."""

    about: np.ndarray  #: [items, traits]
    first: np.ndarray  #: [users, traits], the tastes on the first day
    last: np.ndarray  #: [users, traits], the tastes on the last day
    fame: np.ndarray  #: [items], what neither categories nor text explain
    arrival: np.ndarray  #: [items], day

    def taste(self, day: int) -> np.ndarray:
        """Return how well each user likes each item on a day: [users, items], about 0 with deviation 1."""
        share = day / _day(END)
        return ((1 - share) * self.first + share * self.last) @ self.about.T

    def pull(self, day: int) -> np.ndarray:
        """Return what draws each user to each item on a day, -inf before it arrives: [users, items]."""
        since = day - self.arrival
        new = (self.arrival > 0) & (since < NEW_DAYS)
        return np.where(since >= 0, TASTE * self.taste(day) + FAME * self.fame + NEWS * new, -np.inf)


def world(items: Dataset, users: int = 600, seed: int = 0, themes: dict[str, list[str]] | None = None) -> World:
    """Draw users and fates of items.

    Args:
        items: a catalogue, as in ``data.load("recommend")["items"]``.
        users: how many.
        seed: the same seed gives the same world and the same loans.
        themes: item → themes; None reads those of the embedded catalogue.

    Raises:
        DataError: an item without known themes, or fewer than one user.
    """
    themes = catalogues.themes(EMBEDDED / "recommend") if themes is None else themes
    unknown = [item for item in items["item"] if item not in themes]
    if unknown:
        raise DataError(f"no themes are known for the item {unknown[0]!r}, so nobody can be simulated to like it")
    if users < 1:
        raise DataError(f"users is {users}; a simulation needs at least one")
    draw = np.random.default_rng(seed)
    about = np.hstack([_shares(items["categories"][:]), _shares([themes[item] for item in items["item"]])])
    about /= np.sqrt(2)  # categories and themes count alike
    first, changed = draw.laplace(scale=1 / np.sqrt(2), size=(2, users, about.shape[1]))
    last = np.where(draw.random(first.shape) < DRIFT, changed, first)
    fame = draw.normal(size=len(items))
    arrival = np.zeros(len(items), int)
    order, tenth = draw.permutation(len(items)), len(items) // 10
    for late, opening in ((order[: 2 * tenth], TEST_FROM), (order[2 * tenth : 3 * tenth], VALID_FROM)):
        arrival[late] = _day(opening) + draw.integers(NEW_DAYS, size=len(late))
    return World(about, first, last, fame, arrival)


def simulate(items: Dataset, users: int = 600, seed: int = 0, themes: dict[str, list[str]] | None = None) -> Dataset:
    """Let the users borrow, and return the loans in order of time.

    Returns:
        A row a loan: ``user`` (as in "u017"), ``item``, ``time`` (ISO date) and ``rating`` (1 to 5). Half of the users
        are there on the first day, the others join within a year. A user borrows 10 items or more, no item twice.

    Raises:
        DataError: see :func:`world`.
    """
    hidden = world(items, users, seed, themes)
    draw = np.random.default_rng([seed, 1])
    names, loans = items["item"][:], []
    free = np.ones((users, len(items)), bool)
    joined = np.where(draw.random(users) < 0.5, 0, draw.integers(365, size=users))
    visits = 10 + draw.geometric(1 / 20, size=users)
    days = sorted(
        (day, user) for user in range(users) for day in draw.integers(joined[user], _day(END) + 1, visits[user])
    )
    today, pull, taste = -1, None, None
    for day, user in days:
        if day != today:
            today, pull, taste = day, hidden.pull(day), hidden.taste(day)
        wish = np.where(free[user], pull[user] + draw.gumbel(size=len(items)), -np.inf)
        item = int(wish.argmax())
        if wish[item] == -np.inf:
            continue  # this user has borrowed everything there is
        free[user, item] = False
        rating = MEAN_RATING + WARMTH * taste[user, item] + MOOD * draw.normal()
        loans.append((f"u{user + 1:03d}", names[item], (START + timedelta(int(day))).isoformat(), _round(rating)))
    return Dataset.from_dict(
        dict(zip(("user", "item", "time", "rating"), map(list, zip(*loans, strict=True)), strict=True))
    )


def oracle(items: Dataset, users: int = 600, seed: int = 0, themes: dict[str, list[str]] | None = None) -> np.ndarray:
    """Return the scores of a recommender that knows everything but chance, the ceiling for all: [users, items].

    A score is the chance that the user takes the item at a visit in the middle of the test weeks, times the chance
    that it is liked.
    """
    hidden = world(items, users, seed, themes)
    day = (_day(TEST_FROM) + _day(END)) // 2
    taken = np.exp(hidden.pull(day))
    liked = norm.sf(LIKED - 0.5, MEAN_RATING + WARMTH * hidden.taste(day), MOOD)
    return taken * liked


def _shares(tags: list[list[str]]) -> np.ndarray:
    """Return a row an item over all tags that occur, of length 1, or of zeros where there is no tag."""
    names = sorted({tag for row in tags for tag in row})
    found = np.array([[tag in row for tag in names] for row in tags], float)
    return found / np.sqrt(np.maximum(found.sum(1, keepdims=True), 1))


def _day(when: date) -> int:
    return (when - START).days


def _round(rating: float) -> int:
    return int(min(max(round(rating), 1), 5))
