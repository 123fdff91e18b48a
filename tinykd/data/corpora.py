"""Named corpora and folders, as ``datasets.DatasetDict`` with the splits train, valid and test. Taught in lesson 07."""

import hashlib
import json
import logging
import os
import re
from collections import Counter
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value, concatenate_datasets, load_dataset

from tinykd.data.readers import FURTHER, SUFFIXES, read_file, read_text
from tinykd.errors import DataError, SettingError
from tinykd.text import words

logger = logging.getLogger("tinykd")

EMBEDDED = Path(__file__).parent.parent / "corpora"
EMBEDDED_NAMES = sorted(folder.name for folder in EMBEDDED.iterdir() if folder.is_dir())
SPLITS = ("train", "valid", "test")
TRANSFER = "transfer"  #: the split of unlabelled text for the teacher to label; only *newswire* has one
#: Hub data sets that are stored as Parquet: (repository, column of the words, column of the tags)
HUB = {"conll2003": ("lhoestq/conll2003", "tokens", "ner_tags")}
CHUNK = 10_000  #: rows that become columns at a time


def load(
    name: str, columns: list[str] | None = None, max_train: int | None = None, seed: int = 0, strict: bool = False
) -> DatasetDict:
    """Load a corpus by name or folder, and log where it was found.

    Args:
        name: ``"newswire"``, ``"conll2003"``, or the path of a folder with ``train``, ``valid`` and ``test`` files. The
            order is: inside the package, a folder of that path, the folder ``$TINYKD_DATA/<name>``, the Hub.
        columns, strict: as for :func:`tinykd.data.read_file`.
        max_train: keep only so many training rows, drawn with ``seed``.
        seed: of that draw alone. Where a corpus has no ``valid``, the same tenth of train is always set aside for it.

    Returns:
        For tagging the columns ``tokens`` (list of str) and ``labels`` (list of ClassLabel, ``O`` first); for
        classification ``text`` and ``label``. Inline corpora add ``kind`` and ``story``, *finance* ``topic`` and
        ``entity``.

    Raises:
        DataError: no such corpus, a missing split, or a fault in a file (named with its line).
        SettingError: a ``max_train`` below one.
    """
    if max_train is not None and max_train < 1:
        raise SettingError(f"max_train is {max_train}; a corpus needs at least one training row")
    folder = _find(name)
    corpus = _from_folder(folder, columns, strict) if folder else _from_hub(name)
    if max_train is not None and max_train < len(corpus["train"]):
        corpus["train"] = corpus["train"].shuffle(seed=seed).select(range(max_train)).flatten_indices()
    return corpus


def task(corpus: DatasetDict | Dataset) -> str:
    """Return ``"tagging"`` or ``"classification"``, by the columns."""
    return "tagging" if "tokens" in _part(corpus).column_names else "classification"


def label_names(corpus: DatasetDict | Dataset) -> list[str]:
    """Return the labels in the order of their ids; a DataError if there are none, or numbers without names."""
    features = _part(corpus).features
    feature = features.get("labels", features.get("label"))
    if feature is None:
        raise DataError(f"no labels here, neither a column labels (per word) nor label; it has {', '.join(features)}")
    feature = getattr(feature, "feature", feature)
    if not isinstance(feature, ClassLabel):
        raise DataError("the labels are numbers without names; make their column a datasets.ClassLabel")
    return list(feature.names)


def _part(corpus: DatasetDict | Dataset) -> Dataset:
    """Return the split whose columns are those of all: train, if there is one."""
    if not isinstance(corpus, DatasetDict):
        return corpus
    return corpus.get("train", next(iter(corpus.values())))


def digest(rows: Dataset | DatasetDict) -> str:
    """Return a short SHA-256 of the texts and, if any, the labels with their names; without names, a DataError."""
    has_labels = {"labels", "label"} & set(_part(rows).column_names)
    sha = hashlib.sha256(json.dumps(label_names(rows) if has_labels else []).encode())
    for split, part in sorted(rows.items()) if isinstance(rows, DatasetDict) else [("", rows)]:
        names = ("tokens", "labels") if task(part) == "tagging" else ("text", "label")
        columns = [name for name in names if name in part.column_names]
        sha.update(split.encode())
        for chunk in part.with_format(None).select_columns(columns).iter(CHUNK):
            for row in zip(*(chunk[name] for name in columns), strict=True):
                sha.update(json.dumps(row, ensure_ascii=False).encode())
    return sha.hexdigest()[:16]


def split_of(corpus: DatasetDict, split: str, name: str) -> Dataset:
    """Return one split of the corpus called ``name``; if it has no such split, a DataError names those it has."""
    if split not in corpus:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(corpus)}")
    return corpus[split]


def texts(source: str, corpus: DatasetDict) -> Dataset:
    """Return unlabelled texts as what a teacher of ``corpus`` reads: a column ``tokens`` or ``text``. Lesson 04.

    Args:
        source: a file with one text per line; or ``"transfer"``, the corpus's split of that name.
        corpus: with or without labels. A warning counts the texts that stand in its test split, if it has one.

    Raises:
        DataError: a file that cannot be read, no such split, not UTF-8, or an empty line; names the line.
    """
    column = "tokens" if task(corpus) == "tagging" else "text"
    if source == TRANSFER and not Path(source).is_file():
        rows = split_of(corpus, TRANSFER, "the corpus").select_columns(column)
    else:
        lines = read_text(Path(source)).removesuffix("\n").split("\n")
        if empty := next((number for number, line in enumerate(lines, 1) if not line.strip()), None):
            raise DataError(f"{source}:{empty}: the text is empty; the file holds one text per line")
        rows = Dataset.from_dict({column: [[w.text for w in words(x)] for x in lines] if column == "tokens" else lines})
    tested = {json.dumps(text) for text in corpus["test"][column]} if "test" in corpus else set()
    if known := sum(json.dumps(text) in tested for text in rows[column]):
        logger.warning("%s: %d of its %d texts stand in the test split; scores will flatter", source, known, len(rows))
    return rows


def _find(name: str) -> Path | None:
    root = os.environ.get("TINYKD_DATA")
    places = {"the corpus inside the package": EMBEDDED / name if name in EMBEDDED_NAMES else None}
    places |= {"a local folder": Path(name), "the folder in $TINYKD_DATA": Path(root) / name if root else None}
    for what, folder in places.items():
        if folder and folder.is_dir():
            logger.info("%s: %s", name, what)
            return folder
    return None


def _from_folder(folder: Path, columns: list[str] | None, strict: bool) -> DatasetDict:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{folder}: cannot be read (permission denied)")
    files = {split: path for split in (*SPLITS, TRANSFER) if (path := _split_file(folder, split))}
    for split in ("train", "test"):
        if split not in files:
            raise DataError(f"{folder}: no {split} split; expected one of {', '.join(split + s for s in SUFFIXES)}")
    rows = {split: read_file(path, columns, strict) for split, path in files.items()}
    kinds = {split: "tags" in part[0] for split, part in rows.items()}
    if len(set(kinds.values())) > 1:
        raise DataError(f"{folder}: some splits hold tags and some labels: {kinds}")
    names = _names_of(rows["train"])
    if nameless := next((name for name in names if re.fullmatch(r"LABEL_\d+", name)), None):
        reason = "as transformers calls labels without names"
        raise DataError(f"{folder}: a label is called {nameless}, {reason}. Give the labels other names")
    for split, part in rows.items():
        _check_labels(files[split], part, set(names))
    corpus = DatasetDict({split: _dataset(part, names) for split, part in rows.items()})
    if "valid" not in corpus:
        _set_valid_aside(folder, corpus)
    return DatasetDict({split: corpus[split] for split in (*SPLITS, TRANSFER) if split in corpus})


def _dataset(rows: list[dict], names: list[str]) -> Dataset:
    if "tags" in rows[0]:
        features = {"tokens": List(Value("string")), "labels": List(ClassLabel(names=names))}
    else:
        features = {"text": Value("string"), "label": ClassLabel(names=names)}
    features |= {name: Value("string") for name in FURTHER if name in rows[0]}
    parts = []
    for first in range(0, len(rows), CHUNK):  # the conversion takes many times what it leaves
        part = rows[first : first + CHUNK]
        columns = {name: [row.get("tags" if name == "labels" else name) for row in part] for name in features}
        parts.append(Dataset.from_dict(columns, features=Features(features)))
    return concatenate_datasets(parts)


def _split_file(folder: Path, split: str) -> Path | None:
    files = [path for suffix in SUFFIXES if (path := folder / (split + suffix)).is_file()]
    if len(files) > 1:
        raise DataError(f"{folder}: more than one {split} split: {', '.join(f.name for f in files)}; keep one")
    return files[0] if files else None


def _names_of(rows: list[dict]) -> list[str]:
    if "tags" not in rows[0]:
        return sorted({row["label"] for row in rows})
    types = sorted({tag[2:] for row in rows for tag in row["tags"] if tag != "O"})
    return ["O"] + [f"{prefix}-{type_}" for type_ in types for prefix in "BI"]


def _check_labels(path: Path, rows: list[dict], known: set[str]) -> None:
    for row in rows:
        for i, label in enumerate(row.get("tags") or [row["label"]]):
            if label not in known:
                in_columns = "tags" in row and path.suffix in (".txt", ".conll") and "kind" not in row
                line = row["line"] + (i if in_columns else 0)
                raise DataError(f"{path}:{line}: label {label!r} never occurs in train, so no model can learn it")


def _set_valid_aside(folder: Path, corpus: DatasetDict) -> None:
    named = [f"{name}{suffix}" for name in ("dev", "validation") for suffix in SUFFIXES]
    if other := next((name for name in named if (folder / name).is_file()), None):
        raise DataError(f"{folder}: no valid split, but there is {other}; rename it to valid{Path(other).suffix}")
    train = corpus["train"]
    if len(train) < 10:
        raise DataError(f"{folder}: no valid split, and {len(train)} training rows are too few to set a tenth aside")
    by = None
    if task(train) == "classification" and min(Counter(train["label"]).values()) >= 2:
        by = "label" if len(label_names(train)) <= len(train) // 10 else None
    parts = train.train_test_split(test_size=0.1, seed=0, stratify_by_column=by)
    corpus["train"], corpus["valid"] = parts["train"].flatten_indices(), parts["test"].flatten_indices()
    logger.info("%s: no valid split; %d rows, a tenth of train, are set aside", folder.name, len(corpus["valid"]))


def _from_hub(name: str) -> DatasetDict:
    if name not in HUB:
        places = f"not inside the package ({', '.join(EMBEDDED_NAMES)}), not a folder, not in $TINYKD_DATA"
        root = os.environ.get("TINYKD_DATA") or "not set"
        raise DataError(f"no corpus {name!r}: {places} ({root}), not known on the Hub ({', '.join(HUB)})")
    repository, tokens, tags = HUB[name]
    try:
        raw = load_dataset(repository)
    except Exception as error:  # whatever the network, the Hub or the disk may say
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        hub = f"the Hub did not give {repository} ({reason}). The embedded corpus 'newswire' needs no network"
        raise DataError(f"no corpus {name!r}: $TINYKD_DATA/{name} is not there, and {hub}") from error
    logger.info("%s: %s from the Hub", name, repository)
    theirs = raw["train"].features[tags].feature.names
    names = _names_of([{"tags": theirs}])
    parts = {}
    for split, part in zip(SPLITS, (raw["train"], raw["validation"], raw["test"]), strict=True):
        rows = zip(part[tokens], part[tags], strict=True)
        parts[split] = _dataset([{"tokens": row, "tags": [theirs[i] for i in ids]} for row, ids in rows], names)
    return DatasetDict(parts)
