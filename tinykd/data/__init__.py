"""Corpora in, batches out: named corpora, readers, word alignment. Taught in lesson 06."""

from tinykd.data.corpora import digest, label_names, load, split_of, task, texts, texts_digest
from tinykd.data.encode import IGNORE, collate, encode
from tinykd.data.readers import read_file
from tinykd.text import Word, windows, words

__all__ = [
    "IGNORE",
    "Word",
    "collate",
    "digest",
    "encode",
    "label_names",
    "load",
    "read_file",
    "split_of",
    "task",
    "texts",
    "texts_digest",
    "windows",
    "words",
]
