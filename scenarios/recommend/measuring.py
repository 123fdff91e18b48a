"""What recommendations are worth: NDCG, recall, diversity, coverage; for warm and for cold items. Lesson 15."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats
from sklearn.metrics import ndcg_score

from scenarios.recommend.items import Item, multi_hot
from scenarios.recommend.likes import Case, Likes, cases
from scenarios.recommend.ranking import allowed, seed_of, top
from scenarios.recommend.shop import Shop
from tinykd.errors import SettingError

K = 10
METRICS = ("ndcg", "recall", "diversity")
#: Takes a case, how many, and which items may be shown; returns places, best first
Rank = Callable[[Case, int, np.ndarray | None], np.ndarray]


def by_score(scores: Callable[[Case], np.ndarray]) -> Rank:
    """Turn scores of all items into a ranking; what the case's user liked already is left out.

    Equals are drawn for each history anew: one draw for all would be one list, and its luck would look like a result.
    """

    def rank(case: Case, k: int, among: np.ndarray | None = None) -> np.ndarray:
        found = scores(case)
        return top(found, allowed(len(found), case.history, among), k, seed_of(case.history))

    return rank


def by_shop(shop: Shop) -> Rank:
    """Return the shop's own ranking."""
    return lambda case, k, among=None: shop.rank(case.history, k, among)[0]


def shelves(shop: Shop) -> dict[str, np.ndarray | None]:
    """Return which items count: ``all``; ``warm``, those somebody liked before; ``cold``, those nobody liked yet."""
    return {"all": None, "warm": shop.popularity > 0, "cold": shop.popularity == 0}


def measure(rank: Rank, asked: Sequence[Case], items: Sequence[Item], among: np.ndarray | None = None) -> dict:
    """Measure a ranking on cases.

    Args:
        rank: shows each item once, at most; a list of fewer than ten is judged as if it went on with misses.
        among: (items,), the shelf: only its items are shown, and only its items are to be found.

    Returns:
        For each case an array of ``ndcg`` and ``recall`` (at 10, in [0, 1]) and ``diversity`` (the mean distance of the
        categories of two items shown, 1 minus cosine); nan where a case has nothing to find on this shelf. And one
        number, ``coverage``: the share of the shelf that was shown to anybody.
    """
    categories, shown = multi_hot(list(items)), set()
    found = {name: np.full(len(asked), np.nan) for name in METRICS}
    for row, case in enumerate(asked):
        targets = [i for i in case.targets if among is None or among[i]]
        if not targets:
            continue
        best = rank(case, K, among)
        shown |= set(best.tolist())
        if len(set(best.tolist())) < len(best):
            raise ValueError(f"an item is shown twice to user {case.user!r}")
        hits = np.zeros(K, bool)
        hits[: len(best)] = np.isin(best, targets)
        found["ndcg"][row] = ndcg(hits, len(targets))
        found["recall"][row] = hits.sum() / len(targets)
        found["diversity"][row] = diversity(categories[best])
    return found | {"coverage": len(shown) / (len(items) if among is None else max(1, int(among.sum())))}


def ndcg(hits: np.ndarray, targets: int) -> float:
    """Return the discounted gain of a list against that of the best list of its length.

    >>> round(ndcg(np.array([0, 1, 0]), 2), 4)
    0.3869
    """
    every = np.r_[hits, np.ones(targets - hits.sum()), 0]  # then what was missed, and a miss: the function wants two
    return float(ndcg_score([every], [-np.arange(len(every))], k=len(hits), ignore_ties=True))


def diversity(categories: np.ndarray) -> float:
    """Return the mean distance of two items of a list: 1 minus the cosine of their categories; nan for a single item.

    Args:
        categories: (items, categories), rows of length 1.
    """
    n = len(categories)
    if n < 2:
        return float("nan")
    same = categories @ categories.T
    return float(1 - (same.sum() - np.trace(same)) / (n * (n - 1)))


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval; of two methods give the difference, user by user.

    Users and trainings are both drawn: with other users, or another seed, it would have been another mean. What each
    adds is read off the two-way table (Searle, Casella and McCulloch 1992, chapter 4). Student's distribution, with the
    degrees of freedom of Satterthwaite (1946), makes up for how few seeds there are; a bootstrap, which draws the same
    three again and again, does not: where seeds decide, its 95 % hold three times in four.

    Args:
        values: (users,) or (seeds, users), one a user; nan where there is none.
    """
    values = np.atleast_2d(values)
    values = values[:, ~np.isnan(values).any(0)]
    (seeds, users), mean = values.shape, float(np.mean(values)) if values.size else float("nan")
    if users < 2:
        return mean, mean, mean
    squares = {"users": (seeds * values.mean(0).var(ddof=1), users - 1)}
    if seeds > 1:
        squares["seeds"] = (users * values.mean(1).var(ddof=1), seeds - 1)
        rest = values - values.mean(0) - values.mean(1, keepdims=True) + mean
        freedom = (seeds - 1) * (users - 1)
        squares["rest"] = (-np.square(rest).sum() / freedom, freedom)
    mean_squares = [square for square, _ in squares.values()]
    total = max(sum(mean_squares), *mean_squares)  # an estimate of what one of them adds may be negative
    if not total:
        return mean, mean, mean
    freedom = total**2 / sum(square**2 / degrees for square, degrees in squares.values())
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(total / values.size))
    return mean, mean - half, mean + half


def evaluate(shop: Shop, likes: Likes, start: float, end: float) -> dict:
    """Measure a shop on a stretch of time, beside popularity.

    Returns:
        ``users``; shelf → ``shop`` or ``popularity`` → metric → [mean, low, high], and ``coverage``.
    """
    then, asked = shop.at(start), cases(likes, start, end)
    report: dict = {"users": len(asked)}
    for shelf, among in shelves(then).items():
        ranks = {"shop": by_shop(then), "popularity": by_score(lambda case: then.popularity)}
        report[shelf] = {name: summary(measure(rank, asked, shop.items, among)) for name, rank in ranks.items()}
    return report


def summary(found: dict) -> dict:
    """Return mean, low and high in place of the values of each user; None where no user has one."""
    means = {name: None if np.isnan(found[name]).all() else list(interval(found[name])) for name in METRICS}
    return means | {"coverage": found["coverage"]}


def throughput(shop: Shop, size: int = 10_000, requests: int = 200, seed: int = 0) -> dict[str, float]:
    """Return requests per second over a catalogue of ``size`` items: ``ranked`` alone, ``with_reasons``; and ``items``.

    The catalogue is the shop's own, repeated as often as needed, each copy's vectors a little shaken. One thread, one
    request after the other, histories of users that there are.
    """
    if size < len(shop.items):
        raise SettingError(f"a catalogue of {size} items; the shop has {len(shop.items)}, which can only be repeated")
    random = np.random.default_rng(seed)
    place = np.arange(size) % len(shop.items)
    items = [shop.items[i]._replace(id=f"{n}") for n, i in enumerate(place)]
    vectors = shop.vectors[place] + 0.01 * random.normal(size=(size, shop.vectors.shape[1])).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    large = replace(shop, items=items, vectors=vectors)
    histories = list(shop.likes.histories().values())
    asked = [histories[i] for i in random.integers(len(histories), size=requests)]
    rates = {"items": float(size)}
    calls = {
        "ranked": lambda past: large.rank(past, K),
        "with_reasons": lambda past: large.recommend([items[i].id for i in past], K),
    }
    for name, call in calls.items():
        call(asked[0])
        start = time.perf_counter()
        for past in asked:
            call(past)
        rates[name] = requests / (time.perf_counter() - start)
    return rates
