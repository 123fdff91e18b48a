"""Search a knowledge base by its words, by its meaning, and by both. Taught in lesson 13.

Words: BM25 (Robertson and Zaragoza 2009), by bm25s. Meaning: the cosine of mean-pooled vectors (Reimers and Gurevych
2019), by sentence-transformers. Both, by rank: reciprocal rank fusion (Cormack, Clarke and Buettcher 2009), which needs
no common scale and trusts both alike. Both, by score: a weighted sum, which can trust one of them more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sentence_transformers import SentenceTransformer

from scenarios.support.files import Article, Question
from tinykd.errors import DataError, SettingError

SMOOTHING = 60  #: k of Cormack et al.: how little the first places count more than the next
#: What a point of BM25 is worth beside the cosine: chosen on the valid questions, where 0.02 to 0.05 do about as well
WORDS = 0.03
METHODS = ("words", "dense", "ranks", "fused")


class Found(NamedTuple):
    """An article, and the cosine between question and article, which says how near it really is."""

    article: Article
    cosine: float


class KnowledgeBase:
    """Articles, ready to be searched. Title and text are one document."""

    def __init__(self, articles: Sequence[Article], encoder: SentenceTransformer):
        """Index the articles.

        Args:
            articles: at least one.
            encoder: gives vectors of length 1.

        Raises:
            DataError: no article, or none with a word that is no stop word.
        """
        import bm25s

        if not articles:
            raise DataError("a knowledge base needs at least one article")
        self.articles, self.encoder = list(articles), encoder
        documents = [f"{article.title}. {article.text}" for article in articles]
        words = _words(documents)
        if not any(words):
            raise DataError("no article has a word that could be searched for")
        self._index = bm25s.BM25()
        self._index.index(words, show_progress=False)
        self._vectors = encoder.encode(documents, show_progress_bar=False)

    def scores(self, questions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the BM25 scores and the cosines of every article: two arrays (questions, articles)."""
        words = np.zeros((len(questions), len(self.articles)), np.float32)
        for row, tokens in zip(words, _words(questions), strict=True):
            if tokens:  # a question of stop words alone, or of no words, matches nothing
                row[:] = self._index.get_scores(tokens)
        return words, self.encoder.encode(list(questions), show_progress_bar=False) @ self._vectors.T

    def search(self, question: str, limit: int = 5, method: str = "fused") -> list[Found]:
        """Return the best articles, best first.

        Args:
            method: ``"words"``, ``"dense"``, ``"ranks"`` (both, by rank) or ``"fused"`` (both, by score).
        """
        words, cosines = self.scores([question])
        order = ranking(words, cosines, method)[0][:limit]
        return [Found(self.articles[i], float(cosines[0, i])) for i in order]


def reciprocal_rank(*scores: np.ndarray) -> np.ndarray:
    """Fuse rankings: the sum over them of 1 / (60 + rank), best rank 1. Where a score is equal, the rank is shared.

    Args:
        scores: arrays (questions, articles), higher is better, each on a scale of its own.
    """
    return sum(1 / (SMOOTHING + (one[:, None, :] > one[:, :, None]).sum(-1) + 1) for one in scores)


def ranking(words: np.ndarray, cosines: np.ndarray, method: str = "fused") -> np.ndarray:
    """Return the numbers of the articles, best first: (questions, articles).

    Raises:
        SettingError: an unknown ``method``.
    """
    if method not in METHODS:
        raise SettingError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    scores = {
        "words": words,
        "dense": cosines,
        "ranks": reciprocal_rank(words, cosines),
        "fused": cosines + WORDS * words,
    }
    return np.argsort(-scores[method], axis=-1, kind="stable")


def recall(
    base: KnowledgeBase, questions: Sequence[Question], limits: Sequence[int] = (1, 5)
) -> dict[str, dict[str, float]]:
    """Return, by method and number of articles shown, the share of questions whose article is among them.

    Raises:
        DataError: a question to an article that the base has not.
    """
    ids = [article.id for article in base.articles]
    if strange := {question.article for question in questions} - set(ids):
        raise DataError(f"the knowledge base has no article {min(strange)!r}")
    right = np.array([ids.index(question.article) for question in questions])
    words, cosines = base.scores([question.text for question in questions])
    places = {method: (ranking(words, cosines, method) == right[:, None]).argmax(-1) for method in METHODS}
    return {method: {str(k): float(np.mean(place < k)) for k in limits} for method, place in places.items()}


def _words(texts: Sequence[str]) -> list[list[str]]:
    import bm25s

    return bm25s.tokenize(list(texts), stopwords="english", return_ids=False, show_progress=False)
