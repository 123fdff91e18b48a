"""The plain words of a model's vocabulary, and which of them could stand in a word's place. Taught in lesson 04."""

from collections import Counter
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import normalize
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.data.encode import subwords_of_words
from tinykd.errors import ModelError
from tinykd.models.precision import placed

MAX_LENGTH = 128  #: subword tokens of a text that are looked at; the words after them stay


class PlainWords:
    """The words that are one whole subword token, with more than three letters and nothing else.

    "minister" is one, and so is "Minister"; "trawler" is none, because it is split into ``tr ##aw ##ler``. Words of
    grammar are left out, the short by their length, the longer by scikit-learn's list of English stop words.

    Args:
        model: gives the input embedding and, for :meth:`likeliest`, the masked-language head.
        count: how many words each method proposes for a place.
        forbidden: lower-case words that are never proposed.

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
            raise ModelError(
                f"this vocabulary has {max(0, most)} plain words to propose for another; {count} are needed"
            )
        self._near: dict[int, list[str]] = {}

    def places(self, texts: list[list[str]]) -> list[list[int]]:
        """Return which words of each text are plain, by their number."""
        encoding, plain = self._encoded(texts), []
        for i, text in enumerate(texts):
            seen = Counter(encoding.word_ids(i))
            plain.append([w for w, word in enumerate(text) if seen[w] == 1 and word.lower() in self.number])
        return plain

    def similar(self, texts: list[list[str]], places: list[list[int]]) -> list[dict[int, list[str]]]:
        """Return per text and place :meth:`likeliest` if the model fills masks, else :meth:`nearest`."""
        fills_masks = self.model.get_output_embeddings() is not None
        return (self.likeliest if fills_masks else self.nearest)(texts, places)

    @torch.no_grad()
    def nearest(self, texts: list[list[str]], places: list[list[int]]) -> list[dict[int, list[str]]]:
        """Return per text and place the words nearest to that word, by cosine in the model's input embedding."""
        numbers = [{w: self.number[text[w].lower()] for w in of} for text, of in zip(texts, places, strict=True)]
        if new := sorted({n for of_text in numbers for n in of_text.values()} - set(self._near)):  # words repeat
            best = self._best(self._embedding[new] @ self._embedding.T, new)  # of scores (new, plain words)
            self._near.update(zip(new, best, strict=True))
        return [{w: self._near[n] for w, n in of_text.items()} for of_text in numbers]

    @torch.no_grad()
    def likeliest(self, texts: list[list[str]], places: list[list[int]]) -> list[dict[int, list[str]]]:
        """Mask all places, and return for each the words that the masked-language head finds likeliest there.

        Raises:
            ModelError: the tokenizer has no mask, as that of a model which writes text from left to right.
        """
        if self.tokenizer.mask_token_id is None:
            raise ModelError(f"a {type(self.model).__name__} fills no masks; load a model with masked_language_model")
        if not any(places):
            return [{} for _ in texts]
        encoding = self._encoded(texts).convert_to_tensors("pt")
        masked = [(i, w) for i, of_text in enumerate(places) for w in of_text]
        at = tuple(np.transpose([(i, encoding.word_ids(i).index(w)) for i, w in masked]))
        encoding["input_ids"][at] = self.tokenizer.mask_token_id
        scores = placed(self.model)(**encoding.to(self.model.device)).logits[at].float().cpu()  # (masked, vocabulary)
        best = iter(self._best(scores[:, self.ids], [self.number[texts[i][w].lower()] for i, w in masked]))
        return [{w: next(best) for w in of_text} for of_text in places]

    @cached_property
    def _embedding(self) -> torch.Tensor:
        return normalize(self.model.get_input_embeddings().weight.cpu()[self.ids].float())  # (plain words, hidden)

    def _encoded(self, texts: list[list[str]]) -> BatchEncoding:
        most = min(MAX_LENGTH, models.positions(self.model) or MAX_LENGTH)
        return self.tokenizer(texts, is_split_into_words=True, padding=True, truncation=True, max_length=most)

    def _best(self, scores: torch.Tensor, numbers: list[int]) -> list[list[str]]:
        """Return the words of the highest scores (numbers, plain words): no forbidden one, and not the word itself."""
        scores[:, self.forbidden] = -torch.inf
        scores[range(len(scores)), numbers] = -torch.inf
        return [[self.words[i] for i in row] for row in scores.topk(self.count).indices.tolist()]


def _is_plain(word: str) -> bool:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # two seconds, at the first word only

    return len(word) > 3 and word.isalpha() and word.islower() and word not in ENGLISH_STOP_WORDS
