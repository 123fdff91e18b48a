"""Recommendation: what to borrow next, by what the text says. Taught in lesson 13.

Every item is read once by a distilled student, into a vector. A user is what he liked, a vector too. The nearest items
and the most liked of late are put on a short list, and a learned ranker orders it. What nobody has liked yet has a text
all the same.
"""

from tinykd.scenarios.recommend.items import Item, catalogue, describe, read_rows
from tinykd.scenarios.recommend.likes import Case, Likes, Lists, cases, draw, likes_of, periods
from tinykd.scenarios.recommend.measuring import evaluate, interval, measure, pace, shelves
from tinykd.scenarios.recommend.shop import Shop, Suggestion, load_shop
from tinykd.scenarios.recommend.simulate import simulate
from tinykd.scenarios.recommend.work import Setup, embedded, open_shop, stretches_of, train

__all__ = [
    "Case",
    "Item",
    "Likes",
    "Lists",
    "Setup",
    "Shop",
    "Suggestion",
    "cases",
    "catalogue",
    "describe",
    "draw",
    "embedded",
    "evaluate",
    "interval",
    "likes_of",
    "load_shop",
    "measure",
    "open_shop",
    "pace",
    "periods",
    "read_rows",
    "shelves",
    "simulate",
    "stretches_of",
    "train",
]
