"""Corpora in, batches out: named corpora, readers, word alignment. Taught in lesson 07."""

from tinykd.data.corpora import digest, label_names, load, split_of, task, texts
from tinykd.data.encode import IGNORE, collate, encode, encode_rows
from tinykd.data.readers import read_file
from tinykd.text import Word, windows, words
