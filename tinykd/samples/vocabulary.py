"""The plain words of a model's vocabulary, and which of them could stand in a word's place. Taught in lesson 04."""

from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from tinykd import loading
from tinykd.data.encode import pieces_of_words, special_tokens
from tinykd.errors import ModelError
from tinykd.hardware import placed


class PlainWords:
    """The words that are one whole piece of the vocabulary, with more than three letters and nothing else.

    "minister" is one, and so is "Minister"; "trawler" is none, because it is split into ``tr ##aw ##ler``. Words of
    grammar are left out, the short by their length, the longer by scikit-learn's list of English stop words.

    Args:
        model: gives the embedding, and for :meth:`likeliest` the masked-language head.
        forbidden: lower-case words that are never proposed.
        max_length: pieces that the model sees of a text; no word behind them is found.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        forbidden: set[str] = frozenset(),
        max_length: int = 128,
    ):
        self.model, self.tokenizer = model, tokenizer
        vocabulary = sorted(tokenizer.get_vocab().items())
        spelling = [piece.lstrip("Ġ▁") for piece, _ in vocabulary]  # how GPT-2 and SentencePiece mark a new word
        found = zip(spelling, vocabulary, pieces_of_words([spelling], tokenizer)[0], strict=True)
        plain = {w: i for w, (_, i), ids in found if ids == [i] and _is_plain(w)}
        self.words, self.ids = list(plain), torch.tensor(list(plain.values()))
        self.number = {word: i for i, word in enumerate(plain)}
        self.forbidden = torch.tensor([word in forbidden for word in plain], dtype=torch.bool)
        self.before, self.after = special_tokens(tokenizer)
        self.room = max_length - len(self.before) - len(self.after)
        self._near: dict[tuple[int, int], list[str]] = {}

    def places(self, texts: list[list[str]]) -> list[list[int]]:
        """Return which words of each text are plain."""
        found = []
        for text, pieces in zip(texts, pieces_of_words(texts, self.tokenizer), strict=True):
            ends = np.cumsum([len(ids) for ids in pieces])
            seen = [len(ids) == 1 and end <= self.room for ids, end in zip(pieces, ends, strict=True)]
            found.append([w for w, word in enumerate(text) if seen[w] and word.lower() in self.number])
        return found

    @torch.no_grad()
    def nearest(self, texts: list[list[str]], places: list[list[int]], neighbours: int) -> list[list[str]]:
        """Return for every place the words nearest to its word, by cosine in the model's input embedding."""
        numbers = self._numbers(texts, places)
        if new := sorted({n for n in numbers if (n, neighbours) not in self._near}):  # a corpus repeats its words
            best = self._best(self._table[new] @ self._table.T, new, neighbours)  # of scores (new, plain words)
            self._near.update(zip([(n, neighbours) for n in new], best, strict=True))
        return [self._near[n, neighbours] for n in numbers]

    @torch.no_grad()
    def likeliest(self, texts: list[list[str]], places: list[list[int]], neighbours: int) -> list[list[str]]:
        """Mask all places, and return for each the words that the masked-language head finds likeliest there.

        Raises:
            ModelError: the model has no such head, or its tokenizer no mask.
        """
        if self.model.get_output_embeddings() is None or self.tokenizer.mask_token_id is None:
            raise ModelError(f"a {type(self.model).__name__} fills no masks; load a model with masked_language_model")
        placed(self.model)
        mask, rows, at = self.tokenizer.mask_token_id, [], []
        for pieces, masked in zip(pieces_of_words(texts, self.tokenizer), places, strict=True):
            starts = len(self.before) + np.cumsum([0, *(len(ids) for ids in pieces)])
            row = torch.tensor([*self.before, *list(chain(*pieces))[: self.room], *self.after])
            row[starts[masked]] = mask
            at += [(len(rows), start) for start in starts[masked]]
            rows.append(row)
        inputs = {
            "input_ids": pad_sequence(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        }
        logits = self.model(**{name: value.to(self.model.device) for name, value in inputs.items()}).logits
        scores = logits[tuple(np.transpose(at))].float().cpu()  # (places, vocabulary)
        return self._best(scores[:, self.ids], self._numbers(texts, places), neighbours)

    @cached_property
    def _table(self) -> torch.Tensor:
        return normalize(self.model.get_input_embeddings().weight.cpu()[self.ids].float())  # (plain words, hidden)

    def _numbers(self, texts: list[list[str]], places: list[list[int]]) -> list[int]:
        return [self.number[text[w].lower()] for text, of_text in zip(texts, places, strict=True) for w in of_text]

    def _best(self, scores: torch.Tensor, numbers: list[int], neighbours: int) -> list[list[str]]:
        """The words of the highest scores (numbers, plain words); never a forbidden one, never the word itself."""
        scores[:, self.forbidden] = -torch.inf
        scores[range(len(scores)), numbers] = -torch.inf
        return [[self.words[i] for i in row] for row in scores.topk(neighbours).indices.tolist()]


def _is_plain(word: str) -> bool:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # two seconds, at the first word only

    return len(word) > 3 and word.isalpha() and word.islower() and word not in ENGLISH_STOP_WORDS


def masked_language_model(folder_or_name: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model that fills masks, and its tokenizer. Taught in lesson 04.

    Raises:
        ModelError: no model is there, or one that lost its masked-language head, as sentence encoders have.
    """
    folder = loading.folder_of(folder_or_name)
    model, found = loading.from_folder(AutoModelForMaskedLM, folder, output_loading_info=True, use_safetensors=True)
    if found["missing_keys"]:
        raise ModelError(f"{folder_or_name}: no masked-language head; {min(found['missing_keys'])} is missing")
    return model.eval(), loading.tokenizer(folder)
