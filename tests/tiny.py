"""A model and a corpus so small that real training takes a second."""

import shutil
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

from tinykd.artifacts import sha256
from tinykd.data import read_file
from tinykd.data.corpora import EMBEDDED
from tinykd.models import loading

TYPES = ["LOC", "MISC", "ORG", "PER"]
LABELS = ["O"] + [f"{prefix}-{type_}" for type_ in TYPES for prefix in "BI"]


def base_model(folder: Path, layers: int = 2, seed: int = 0, dropout: float = 0.1) -> Path:
    """Save an untrained BERT, 16 wide, with the embedded teacher's tokenizer."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(loading.folder_of("minilm"))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        pad_token_id=0,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def corpus(folder: Path, train: int = 48, rest: int = 16) -> Path:
    """Write the first sentences of *newswire* as a CoNLL folder."""
    folder.mkdir(parents=True)
    for split, size in (("train", train), ("valid", rest), ("test", rest)):
        rows = read_file(EMBEDDED / "newswire" / f"{split}.txt")[:size]
        sentences = ["\n".join(f"{w} {t}" for w, t in zip(r["tokens"], r["tags"], strict=True)) for r in rows]
        (folder / f"{split}.conll").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    return folder


def another_tokenizer(tokens: list[list[str]], size: int = 300):
    """Return a WordPiece tokenizer of its own small vocabulary, learnt from these words."""
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator((" ".join(words) for words in tokens), vocab_size=size, show_progress=False)
    return BertTokenizerFast(tokenizer_object=tokenizer._tokenizer)


def same_weights(one: Path, other: Path) -> bool:
    """Whether two saved models are equal to the bit."""
    return sha256(one / "model.safetensors") == sha256(other / "model.safetensors")


def with_words_of_its_own(folder: Path) -> Path:
    """Change one piece of a model's vocabulary, and return its folder."""
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(text.replace('"washington"', '"washingtan"'), encoding="utf-8")
    return folder


def copy(folder: Path, target: Path) -> Path:
    """Copy a run, to damage the copy."""
    shutil.copytree(folder, target)
    return target
