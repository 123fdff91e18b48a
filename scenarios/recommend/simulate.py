"""Simulated users of the library *recommend*: who borrowed what, when, and how they liked it. Lesson 15.

Nobody here is real. A user has tastes, for and against, in the categories that everybody can read and in the themes
that only the descriptions carry: a few strong ones and many weak ones, partly those of a type of reader, partly his
own. On each visit he takes one item that he has not had. His taste draws him, what everybody takes draws him, so does
the table of new arrivals, and chance has its part. The rating depends on taste and chance alone: fame makes an item
taken, not liked. Tastes drift. Some items arrive late, and nobody can have borrowed them before: the cold ones.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from scipy.special import softmax
from scipy.stats import norm

from scenarios.recommend import library
from scenarios.recommend.items import Item
from tinykd.errors import DataError

START, END = date(2030, 1, 1), date(2031, 6, 30)
TEST_FROM = END - timedelta(weeks=8)  #: a fifth of the items arrives after it
VALID_FROM = TEST_FROM - timedelta(weeks=8)  #: a tenth arrives between it and TEST_FROM
NEW_DAYS = 28  #: so long a late item lies on the table of new arrivals
LIKED = 4  #: the least rating that says "more of this", as is usual with MovieLens

TYPES, TYPICAL = 12, 0.6  # types of reader, and the share of a taste's variance that is the type's
THEMES = 0.6  # of a taste's variance, the share that is about themes; the rest is about categories
DRIFT = 0.3  # the share of tastes that are others on the last day than on the first
TASTE, FAME, NEWS = 2.0, 1.2, 0.8  # how much each pulls, against chance (a Gumbel's, with a deviation of 1.28)
MIDDLE, WARMTH, MOOD = 3.1, 0.8, 0.7  # a rating: where it lies without taste, what a unit of taste adds, chance


class World(NamedTuple):
    """What is hidden from a recommender. A day is counted from START; a trait is a category or a theme."""

    about: np.ndarray  #: [items, traits]
    first: np.ndarray  #: [users, traits], tastes on the first day
    last: np.ndarray  #: [users, traits], tastes on the last day
    fame: np.ndarray  #: [items], drawn; nothing in an item explains it
    arrival: np.ndarray  #: [items], day

    def taste(self, day: int, user: int | slice = slice(None)) -> np.ndarray:
        """Return how an item suits a user on a day, about 0 with a deviation of about 1: [items] or [users, items]."""
        passed = day / _day(END)
        return ((1 - passed) * self.first[user] + passed * self.last[user]) @ self.about.T

    def pull(self, day: int, user: int | slice = slice(None)) -> np.ndarray:
        """Return what draws a user to an item on a day, -inf before it arrives: [items] or [users, items]."""
        since = day - self.arrival
        new = (self.arrival > 0) & (since < NEW_DAYS)
        return np.where(since >= 0, TASTE * self.taste(day, user) + FAME * self.fame + NEWS * new, -np.inf)


def world(items: list[Item], users: int = 600, seed: int = 0, themes: dict[str, list[str]] | None = None) -> World:
    """Draw the users' tastes and the items' fame and arrival.

    Args:
        items: a catalogue.
        users: how many.
        seed: one seed, one world.
        themes: item → themes; None takes those of the embedded library.

    Raises:
        DataError: an item whose themes are not known, or no user.
    """
    themes = {row["item"]: row["themes"] for row in library.read()} if themes is None else themes
    unknown = [item.id for item in items if item.id not in themes]
    if unknown:
        raise DataError(f"the themes of item {unknown[0]!r} are not known, so nobody can be simulated to like it")
    if users < 1:
        raise DataError(f"users is {users}; a simulation needs at least one")
    draw = np.random.default_rng(seed)
    categories, found = _rows([item.categories for item in items]), _rows([themes[item.id] for item in items])
    about = np.hstack([np.sqrt(1 - THEMES) * categories, np.sqrt(THEMES) * found])
    types = _tastes(draw, TYPES, about.shape[1])
    first, other = (
        np.sqrt(TYPICAL) * types[draw.integers(TYPES, size=users)]
        + np.sqrt(1 - TYPICAL) * _tastes(draw, users, about.shape[1])
        for _ in range(2)
    )
    last = np.where(draw.random(first.shape) < DRIFT, other, first)
    arrival, order, tenth = np.zeros(len(items), int), draw.permutation(len(items)), len(items) // 10
    for late, opening in ((order[: 2 * tenth], TEST_FROM), (order[2 * tenth : 3 * tenth], VALID_FROM)):
        arrival[late] = _day(opening) + draw.integers(NEW_DAYS, size=len(late))
    return World(about, first, last, draw.normal(size=len(items)), arrival)


def simulate(
    items: list[Item], users: int = 600, seed: int = 0, themes: dict[str, list[str]] | None = None
) -> list[dict]:
    """Let the users borrow; the arguments and errors are those of :func:`world`.

    Returns:
        A row per loan, in order of time: ``user`` (as "u017"), ``item``, ``time`` (ISO date), ``rating`` (1 to 5). Half
        of the users are there on the first day, the others join within a year. Everybody comes more than ten times and
        takes no item twice.
    """
    hidden = world(items, users, seed, themes)
    draw = np.random.default_rng([seed, 1])
    joined = np.where(draw.random(users) < 0.5, 0, draw.integers(365, size=users))
    visits = 10 + draw.geometric(1 / 20, size=users)
    days = ((int(day), user) for user in range(users) for day in draw.integers(joined[user], _day(END), visits[user]))
    had = np.zeros((users, len(items)), bool)
    loans = []
    for day, user in sorted(days):
        wish = np.where(had[user], -np.inf, hidden.pull(day, user) + draw.gumbel(size=len(items)))
        item = int(wish.argmax())
        if wish[item] == -np.inf:
            continue  # a small catalogue: this user has had everything
        had[user, item] = True
        rating = MIDDLE + WARMTH * hidden.taste(day, user)[item] + MOOD * draw.normal()
        loan = {"user": f"u{user + 1:03d}", "item": items[item].id, "time": (START + timedelta(day)).isoformat()}
        loans.append(loan | {"rating": round(min(max(rating, 1), 5))})
    return loans


def oracle(
    items: list[Item], users: int = 600, seed: int = 0, themes: dict[str, list[str]] | None = None
) -> np.ndarray:
    """Return the scores of one who knows all tastes and fames, everything but chance: [users, items], the ceiling.

    A score is the chance that the user takes the item on a visit in the middle of the test weeks, times the chance that
    he then likes it. The rows are u001, u002, …; the arguments and errors are those of :func:`world`.
    """
    hidden = world(items, users, seed, themes)
    day = (_day(TEST_FROM) + _day(END)) // 2
    pull = hidden.pull(day)
    taken = softmax(pull, axis=1)
    return taken * norm.sf(LIKED - 0.5, MIDDLE + WARMTH * hidden.taste(day), MOOD)


def _tastes(draw: np.random.Generator, rows: int, traits: int) -> np.ndarray:
    """Draw tastes with variance 1, most of them near 0 and a few far from it."""
    normal = draw.normal(size=(rows, traits))
    return normal * np.abs(normal) / np.sqrt(3)


def _rows(tags: list[Sequence[str]]) -> np.ndarray:
    """Return a row of length 1 per item, over all the tags that occur; zeros where an item has none."""
    names = sorted({tag for row in tags for tag in row})
    found = np.array([[tag in row for tag in names] for row in tags], float)
    return found / np.sqrt(np.maximum(found.sum(1, keepdims=True), 1))


def _day(when: date) -> int:
    return (when - START).days
