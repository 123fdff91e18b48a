"""The last step: a learned ranker joins what the text says with what the crowd does. Taught in lesson 15.

LambdaMART (Burges 2010), as LightGBM's ``lambdarank``: boosted trees whose gradients are weighted by what a swap of two
items would do to NDCG.
"""

import itertools
import zlib
from collections.abc import Sequence

import numpy as np

from scenarios.recommend.likes import Likes, cases
from tinykd.errors import DataError

#: What the ranker sees of a candidate; see :meth:`Shop.features`
FEATURES = ("text", "nearest", "together", "popularity", "recent", "match", "age")
CROWD = [FEATURES.index(name) for name in ("together", "popularity", "recent")]
FOLDS = 4
HIDDEN = 0.3  #: the share of items that the ranker meets as if nobody had liked them yet
PARAMETERS = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [10],
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "num_threads": 1,  # a request is small: threads would cost more than they save
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def fit(shop, likes: Likes, stretch: tuple[float, float], seed: int = 0, rounds: int = 100, hidden: float = HIDDEN):
    """Fit the ranker on what users of a stretch of time liked next, and return it, a ``lightgbm.Booster``.

    The stretch is cut in ``FOLDS``; at the beginning of each the shop knows what it would have known then. Of a share
    ``hidden`` of the items it is told that nobody liked them. Otherwise it would learn from old items that what nobody
    likes is bad, and bury every new one (DropoutNet, Volkovs et al. 2017, has the same idea).

    Args:
        shop: a :class:`Shop`; its ranker, if it has one, is not asked.
        likes: all likes.

    Raises:
        DataError: nobody of that time has a history and liked something that was on the short list.
    """
    import lightgbm

    random, times = np.random.default_rng(seed), likes.between(*stretch).time
    borders = [*np.quantile(times, np.linspace(0, 1, FOLDS + 1)[:-1]), stretch[1]] if len(times) else []
    rows, labels = [], []
    for first, last in itertools.pairwise(borders):
        then = shop.at(float(first))
        for case in cases(likes, float(first), float(last)):
            places = then.shortlist(case.history)
            liked = np.isin(places, case.targets)
            if not liked.any():
                continue
            features = then.features(case.history, places)
            features[np.ix_(random.random(len(places)) < hidden, CROWD)] = 0
            rows.append(features)
            labels.append(liked)
    if not rows:
        raise DataError("nobody liked an item of his short list: there is nothing to learn a ranking from")
    how = {"group": [len(row) for row in rows], "feature_name": list(FEATURES), "free_raw_data": False}
    data = lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels), **how)
    return lightgbm.train(PARAMETERS | {"seed": seed}, data, rounds)


def importance(ranker) -> dict[str, float]:
    """Return the share of the ranker's gain that each feature brought."""
    gain = ranker.feature_importance("gain")
    return dict(zip(FEATURES, (gain / max(gain.sum(), 1e-9)).tolist(), strict=True))


def top(scores: np.ndarray, among: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """Return the ``k`` best of the items that are true in ``among``, best first; equals as ``seed`` draws.

    The order of a catalogue must not decide: it follows shelves, ids, years.
    """
    places = np.flatnonzero(among)
    places = places[np.random.default_rng(seed).permutation(len(places))]
    k = min(k, len(places))
    if k == 0:
        return places[:0]
    best = np.argpartition(-scores[places], k - 1)[:k]
    return places[best[np.lexsort((best, -scores[places[best]]))]]


def seed_of(history: Sequence[int]) -> int:
    """Return the seed by which equals are drawn for a history: the same list for the same, and not one for all."""
    return zlib.crc32(np.asarray(history, np.int64).tobytes())


def allowed(items: int, history: Sequence[int], among: np.ndarray | None) -> np.ndarray:
    """Return which items may be shown: those of ``among`` (all by default) that are not in the history."""
    may = np.ones(items, bool) if among is None else np.array(among)
    may[list(history)] = False
    return may
