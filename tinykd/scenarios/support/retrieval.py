"""Search a knowledge base by its words, by its meaning, and by both. Taught in lesson 11.

Words: BM25 (Robertson and Zaragoza 2009), by bm25s. Meaning: the cosine of mean-pooled vectors (Reimers and Gurevych
2019). Both, by rank: reciprocal rank fusion (Cormack, Clarke and Buettcher 2009), which needs no common scale and
trusts both alike. Both, by score: a weighted sum, which can trust one of them more.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from tinykd.errors import DataError
from tinykd.hardware import placed
from tinykd.scenarios.support.files import Article, Question

MAX_LENGTH = 512  #: word pieces; as many as a BERT can take, so that a message is read to its end
SMOOTHING = 60  #: k of Cormack et al.: how little the first places count more than the next
#: What a point of BM25 is worth beside the cosine: chosen on the valid questions, where 0.02 to 0.05 do about as well
WORDS = 0.03
BY = ("words", "dense", "ranks", "fused")


class Found(NamedTuple):
    """An article, and the cosine between question and article, which says how near it really is."""

    article: Article
    cosine: float


class KnowledgeBase:
    """Articles, ready to be searched. Title and text are one document."""

    def __init__(self, articles: Sequence[Article], encoder: tuple[PreTrainedModel, PreTrainedTokenizerBase]):
        """Index the articles.

        Args:
            articles: at least one.
            encoder: a model and its tokenizer; a head, if it has one, is not asked.

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
        self._vectors = embed(*encoder, documents)

    def scores(self, questions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the BM25 scores and the cosines of every article: two arrays (questions, articles)."""
        words = np.zeros((len(questions), len(self.articles)), np.float32)
        for row, tokens in zip(words, _words(questions), strict=True):
            if tokens:  # a question of stop words alone, or of no words, finds nothing
                row[:] = self._index.get_scores(tokens)
        return words, embed(*self.encoder, questions) @ self._vectors.T

    def search(self, question: str, limit: int = 5, by: str = "fused") -> list[Found]:
        """Return the best articles, best first.

        Args:
            by: ``"words"``, ``"dense"``, ``"ranks"`` (both, by rank) or ``"fused"`` (both, by score).
        """
        words, cosines = self.scores([question])
        order = ranking(words, cosines, by)[0][:limit]
        return [Found(self.articles[i], float(cosines[0, i])) for i in order]


@torch.inference_mode()
def embed(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> np.ndarray:
    """Return (texts, hidden) float32 vectors of length 1: the mean over a text's pieces, padding left out."""
    vectors = np.zeros((len(texts), model.config.hidden_size), np.float32)
    body = placed(model.base_model)
    for part, batch in batches(tokenizer, texts):
        batch = batch.to(body.device)
        states, mask = body(**batch).last_hidden_state, batch["attention_mask"][..., None]
        pooled = (states * mask).sum(1) / mask.sum(1)
        vectors[part] = torch.nn.functional.normalize(pooled, dim=-1).float().cpu().numpy()
    return vectors


def batches(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], batch_size: int = 32
) -> Iterator[tuple[np.ndarray, BatchEncoding]]:
    """Yield the numbers of some texts of like length, and these texts as padded tensors, (batch, at most 512)."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        chosen = [texts[i] for i in part]
        yield part, tokenizer(chosen, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")


def reciprocal_rank(*scores: np.ndarray) -> np.ndarray:
    """Fuse rankings: the sum over them of 1 / (60 + rank), best rank 1. Where a score is equal, the rank is shared.

    Args:
        scores: arrays (questions, articles), higher is better, each on a scale of its own.
    """
    return sum(1 / (SMOOTHING + (one[:, None, :] > one[:, :, None]).sum(-1) + 1) for one in scores)


def ranking(words: np.ndarray, cosines: np.ndarray, by: str = "fused") -> np.ndarray:
    """Return the numbers of the articles, best first: (questions, articles).

    Raises:
        ValueError: an unknown ``by``.
    """
    if by not in BY:
        raise ValueError(f"by is {by!r}; expected one of {', '.join(BY)}")
    scores = {
        "words": words,
        "dense": cosines,
        "ranks": reciprocal_rank(words, cosines),
        "fused": cosines + WORDS * words,
    }
    return np.argsort(-scores[by], axis=-1, kind="stable")


def recall(
    base: KnowledgeBase, questions: Sequence[Question], limits: Sequence[int] = (1, 5)
) -> dict[str, dict[str, float]]:
    """Return, by kind of search and number of articles shown, the share of questions whose article is among them.

    Raises:
        DataError: a question to an article that the base has not.
    """
    ids = [article.id for article in base.articles]
    if strange := {question.article for question in questions} - set(ids):
        raise DataError(f"the knowledge base has no article {min(strange)!r}")
    right = np.array([ids.index(question.article) for question in questions])
    words, cosines = base.scores([question.text for question in questions])
    places = {by: (ranking(words, cosines, by) == right[:, None]).argmax(-1) for by in BY}
    return {by: {str(k): float(np.mean(place < k)) for k in limits} for by, place in places.items()}


def _words(texts: Sequence[str]) -> list[list[str]]:
    import bm25s

    return bm25s.tokenize(list(texts), stopwords="english", return_ids=False, show_progress=False)
