"""The plain words of a model's vocabulary, and their neighbours in its input embedding. Taught in lesson 04."""

from collections import Counter
from functools import cached_property

import torch
from torch.nn.functional import normalize
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.data.encode import subwords_of_words
from tinykd.errors import ModelError

MAX_LENGTH = 128  #: subword tokens of a text that are looked at; the words after them stay


class PlainWords:
    """The words that are one whole subword token, with more than three letters and nothing else.

    "minister" and "Minister" are plain; "trawler" is split into ``tr ##aw ##ler``. Words of grammar are left out: the
    short by their length, the longer by scikit-learn's list of English stop words.

    Args:
        count: how many neighbours each word has.
        forbidden: lower-case words that are no word's neighbour.

    Raises:
        ModelError: the vocabulary holds too few plain words to propose ``count`` others for each.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        count: int = 10,
        forbidden: set[str] = frozenset(),
    ):
        self.model, self.tokenizer, self.count = model, tokenizer, count
        vocabulary = sorted(tokenizer.get_vocab().items())
        spelling = [token.lstrip("Ġ▁") for token, _ in vocabulary]  # how GPT-2 and SentencePiece mark a new word
        split = subwords_of_words([spelling], tokenizer)[0]
        every = zip(spelling, vocabulary, split, strict=True)
        plain = {word: i for word, (_, i), ids in every if ids == [i] and _is_plain(word)}
        self.words, self.ids = list(plain), torch.tensor(list(plain.values()))
        self.number = {word: i for i, word in enumerate(plain)}
        self.forbidden = torch.tensor([word in forbidden for word in plain], dtype=torch.bool)
        if (most := len(plain) - int(self.forbidden.sum()) - 1) < count:
            most = max(0, most)
            raise ModelError(f"this vocabulary has {most} plain words to propose for another; {count} are needed")
        self._near: dict[int, list[str]] = {}

    def places(self, texts: list[list[str]]) -> list[list[int]]:
        """Return which words of each text are plain, by their number."""
        most = min(MAX_LENGTH, models.positions(self.model) or MAX_LENGTH)
        encoding = self.tokenizer(texts, is_split_into_words=True, truncation=True, max_length=most)
        plain = []
        for i, text in enumerate(texts):
            seen = Counter(encoding.word_ids(i))
            plain.append([w for w, word in enumerate(text) if seen[w] == 1 and word.lower() in self.number])
        return plain

    @torch.no_grad()
    def nearest(self, word: str) -> list[str]:
        """Return the words nearest to a plain word, by cosine in the model's input embedding."""
        number = self.number[word.lower()]
        if number not in self._near:
            scores = self._embedding @ self._embedding[number]  # (plain words,)
            scores[self.forbidden] = -torch.inf
            scores[number] = -torch.inf
            self._near[number] = [self.words[i] for i in scores.topk(self.count).indices.tolist()]
        return self._near[number]

    @cached_property
    def _embedding(self) -> torch.Tensor:
        return normalize(self.model.get_input_embeddings().weight.cpu()[self.ids].float())  # (plain words, hidden)


def _is_plain(word: str) -> bool:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # two seconds, at the first word only

    return len(word) > 3 and word.isalpha() and word.islower() and word not in ENGLISH_STOP_WORDS
