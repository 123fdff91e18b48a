"""The plain words of a model's vocabulary, and their neighbours in its input embedding. Taught in lesson 04."""

from collections import Counter

import torch
from torch.nn.functional import normalize
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.data.encode import subwords_of_words
from tinykd.errors import ModelError

MAX_LENGTH = 128  #: subword tokens of a text that are looked at; the words after them stay


class PlainWords:
    """The words that are one whole subword token, with more than three letters and nothing else.

    "Minister" is plain; "trawler" is split into ``tr ##aw ##ler``. English stop words (scikit-learn's list) are not.

    Args:
        count: how many neighbours each word has.
        forbidden: lower-case words that are no word's neighbour.

    Raises:
        ModelError: the vocabulary has fewer than ``count`` neighbours for each.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        count: int = 10,
        forbidden: set[str] = frozenset(),
    ):
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # two seconds

        self.tokenizer, self.count = tokenizer, count
        self.length = min(MAX_LENGTH, models.positions(model) or MAX_LENGTH)
        vocabulary = sorted(tokenizer.get_vocab().items())
        spelling = [token.lstrip("Ġ▁") for token, _ in vocabulary]  # how GPT-2 and SentencePiece mark a new word
        split = subwords_of_words([spelling], tokenizer)[0]
        whole = {word: i for word, (_, i), ids in zip(spelling, vocabulary, split, strict=True) if ids == [i]}
        names = {word for word in whole if len(word) > 3 and word.isalpha() and word.islower()} - ENGLISH_STOP_WORDS
        plain = {word: i for word, i in whole.items() if word in names}
        self.words = list(plain)
        matrix = model.get_input_embeddings().weight.detach().cpu()
        self.embedding = normalize(matrix[list(plain.values())].float())  # (plain words, hidden)
        self.number = {word: i for i, word in enumerate(plain)}
        self.forbidden = torch.tensor([word in forbidden for word in plain], dtype=torch.bool)
        if (most := max(0, len(plain) - int(self.forbidden.sum()) - 1)) < count:
            raise ModelError(f"this vocabulary has {most} plain words to propose for another; {count} are needed")
        self._near: dict[int, list[str]] = {}

    def places(self, texts: list[list[str]]) -> list[list[int]]:
        """Return which words of each text are plain, by their number."""
        encoding = self.tokenizer(texts, is_split_into_words=True, truncation=True, max_length=self.length)
        plain = []
        for i, text in enumerate(texts):
            seen = Counter(encoding.word_ids(i))
            plain.append([w for w, word in enumerate(text) if seen[w] == 1 and word.lower() in self.number])
        return plain

    def nearest(self, word: str) -> list[str]:
        """Return the words nearest to a plain word, by cosine in the model's input embedding."""
        number = self.number[word.lower()]
        if number not in self._near:
            scores = self.embedding @ self.embedding[number]  # (plain words,)
            scores[self.forbidden] = -torch.inf
            scores[number] = -torch.inf
            self._near[number] = [self.words[i] for i in scores.topk(self.count).indices.tolist()]
        return self._near[number]
