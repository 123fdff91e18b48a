"""What text must beat: popularity, item-kNN, BPR. They know who liked what, and read nothing. Taught in lesson 15.

A baseline is a function of a case that returns a score for every item. Item-kNN (Sarwar et al. 2001) and BPR (Rendle et
al. 2009) come from the library ``implicit``.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from scenarios.recommend.likes import Case, Likes
from scenarios.recommend.shop import Shop

Scores = Callable[[Case], np.ndarray]


def popularity(shop: Shop) -> Scores:
    """Score an item by the number of those who liked it."""
    return lambda case: shop.popularity


def chance(shop: Shop) -> Scores:
    """Score all items alike: ties are broken by chance, so this is what knowing nothing gives."""
    zeros = np.zeros(len(shop.items))
    return lambda case: zeros


def recent(shop: Shop) -> Scores:
    """Score an item by the number of those who liked it recently."""
    return lambda case: shop.recent


def by_text(shop: Shop) -> Scores:
    """Score an item by the cosine of its text with the interest: the shop without its ranker."""
    return lambda case: shop.vectors @ shop.interest(case.history)


def item_knn(shop: Shop, neighbours: int = 50) -> Scores:
    """Score an item by its likeness to those of the history: the cosine of who liked them, of the nearest items."""
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=neighbours, num_threads=1)
    with warnings.catch_warnings():  # of a matrix that implicit itself makes, in a form that it does not like
        warnings.simplefilter("ignore")
        model.fit(_matrix(shop.likes, len(shop.items))[0], show_progress=False)
    similarity = csr_matrix(model.similarity)
    return lambda case: np.asarray(similarity[case.history].sum(0)).ravel()


def bpr(shop: Shop, asked: Sequence[Case], factors: int = 32, rounds: int = 100, seed: int = 0) -> Scores:
    """Score by factors of users and items, trained so that what was liked ranks above what was not.

    BPR knows only users that it was trained with, so it is trained with the histories of those who will be asked, too:
    with what was warm of them, for an item that is new to the others must be new to it.
    """
    from implicit.bpr import BayesianPersonalizedRanking

    more = {case.user: [item for item in case.history if shop.popularity[item]] for case in asked}
    pairs = dict.fromkeys(zip(shop.likes.user.tolist(), shop.likes.item.tolist(), strict=True))
    pairs |= dict.fromkeys((user, item) for user, history in more.items() for item in history)
    users, items = (
        np.array(column, dtype=kind) for column, kind in zip(zip(*pairs, strict=True), (object, int), strict=True)
    )
    matrix, places = _matrix(Likes(users, items, np.zeros(len(items))), len(shop.items))
    model = BayesianPersonalizedRanking(
        factors=factors, learning_rate=0.05, iterations=rounds, random_state=seed, num_threads=1
    )
    model.fit(matrix, show_progress=False)
    factors_of = {user: model.user_factors[place] for user, place in places.items()}
    nobody = np.zeros(model.user_factors.shape[1], np.float32)  # liked cold items alone
    return lambda case: model.item_factors @ factors_of.get(case.user, nobody)


def _matrix(likes: Likes, items: int) -> tuple[csr_matrix, dict[str, int]]:
    places = {user: place for place, user in enumerate(dict.fromkeys(likes.user.tolist()))}
    rows = [places[user] for user in likes.user]
    ones = np.ones(len(likes), np.float32)
    return csr_matrix((ones, (rows, likes.item)), shape=(len(places), items)), places
