"""Recommendation: what to borrow next, by what the text says. Taught in lesson 15.

Every item is read once by a distilled student, into a vector. A user is what he liked, a vector too. The nearest items
and those most liked recently are put on a short list, and a learned ranker orders it. What nobody has liked yet has a
text all the same.
"""

from scenarios.recommend.items import Item, catalogue, describe, read_rows
from scenarios.recommend.likes import Case, Likes, Lists, cases, draw, likes_of, periods
from scenarios.recommend.measuring import evaluate, interval, measure, shelves, throughput
from scenarios.recommend.shop import Shop, Suggestion, load_shop
from scenarios.recommend.simulate import simulate
from scenarios.recommend.work import Setup, embedded, open_shop, stretches_of, train
