"""The Financial PhraseBank: real sentences with a sentiment, where a reader has them. Lesson 12.

Malo et al. (2014) let five to eight people judge each sentence. ``AllAgree`` are those on which all said the same,
``50Agree`` those on which at least half did. The corpus is not part of this package (CC BY-NC-SA 3.0).
"""

import os
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tinykd.errors import DataError

AGREEMENTS = ("50Agree", "66Agree", "75Agree", "AllAgree")
SENTIMENTS = ("negative", "neutral", "positive")


def phrasebank(agreement: str) -> list[tuple[str, str]]:
    """Return (sentence, sentiment) from ``$TINYKD_DATA/financial_phrasebank``, each sentence once, in the file's order.

    Args:
        agreement: one of :data:`AGREEMENTS`.

    Raises:
        DataError: the file is not there, or a line of it ends in no sentiment (named).
    """
    path = Path(os.environ.get("TINYKD_DATA", "")) / "financial_phrasebank" / f"Sentences_{agreement}.txt"
    if not path.is_file():
        raise DataError(f"{path}: not there; set TINYKD_DATA to the folder that holds financial_phrasebank/")
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        if not line.strip():
            continue
        text, _, sentiment = line.rpartition("@")
        if sentiment not in SENTIMENTS:
            raise DataError(f"{path}:{number}: expected 'sentence@sentiment' with one of {', '.join(SENTIMENTS)}")
        found.setdefault(text.strip(), sentiment)
    return list(found.items())


def split(rows: list[tuple[str, str]], seed: int) -> DatasetDict:
    """Return train, valid and test, 72, 8 and 20 %, drawn with ``seed`` and with each sentiment's share kept."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(SENTIMENTS))})
    columns = {"text": [text for text, _ in rows], "label": [sentiment for _, sentiment in rows]}
    whole = Dataset.from_dict(columns, features=features)
    outer = whole.train_test_split(test_size=0.2, seed=seed, stratify_by_column="label")
    inner = outer["train"].train_test_split(test_size=0.1, seed=seed, stratify_by_column="label")
    parts = {"train": inner["train"], "valid": inner["test"], "test": outer["test"]}
    return DatasetDict({name: part.flatten_indices() for name, part in parts.items()})
