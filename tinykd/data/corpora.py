"""Named corpora and folders, as ``datasets.DatasetDict`` with the splits train, valid and test. Taught in lesson 06."""

import hashlib
import json
import logging
import os
import re
from collections import Counter
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value, concatenate_datasets, load_dataset

from tinykd.data import blocks, items
from tinykd.data.readers import SUFFIXES, read_file, read_lines
from tinykd.errors import DataError
from tinykd.text import words

logger = logging.getLogger("tinykd")

EMBEDDED = Path(__file__).parent.parent / "corpora"
SPLITS = ("train", "valid", "test")
#: Text that nobody trains on unless asked: for the teacher to label. Only *newswire* has some
TRANSFER = "transfer"
#: Hub data sets that are stored as Parquet: (repository, column of the words, column of the tags)
HUB = {"conll2003": ("lhoestq/conll2003", "tokens", "ner_tags")}
#: The embedded corpus that stands in for a real one where neither folder nor Hub is there
STAND_IN = {"conll2003": "newswire"}
#: Columns that a corpus may have beside text and labels
MORE = ("kind", "story", "topic", "entity")
CHUNK = 10_000  #: rows that become columns at a time


def load(name: str, columns: list[str] | None = None, max_train: int | None = None, seed: int = 0) -> DatasetDict:
    """Load a corpus by name or folder.

    Looks, in this order, among the corpora inside the package, for a folder of that path, for a folder
    ``$TINYKD_DATA/<name>``, on the Hub; logs which one it used.

    Args:
        name: ``"newswire"``, ``"conll2003"``, or the path of a folder with ``train``, ``valid`` and ``test`` files.
        columns: names of a CoNLL file's columns, if they cannot be told by their values.
        max_train: keep only so many training rows, drawn with ``seed``.
        seed: of that draw alone. The tenth of train that becomes ``valid`` where a corpus has none is always the same,
            or what one command trains on would be what another chooses on.

    Returns:
        For tagging the columns ``tokens`` (list of str) and ``labels`` (list of ClassLabel, ``O`` first); for
        classification ``text`` and ``label``. Inline corpora add ``kind`` and ``story``, *finance* ``topic`` and
        ``entity``. A catalogue such as *recommend* has one split, ``items``: see :mod:`tinykd.data.items`.

    Raises:
        DataError: no such corpus, a missing split, or a fault in a file (named with its line).
    """
    folder = _find(name)
    corpus = _from_folder(folder, columns) if folder else _from_hub(name)
    if max_train is not None:
        if items.SPLIT in corpus:
            raise DataError(f"{name}: max_train is {max_train}, but a catalogue of items has no training rows")
        if max_train < 1:
            raise DataError(f"max_train is {max_train}; a corpus needs at least one training row")
        if max_train < len(corpus["train"]):
            corpus["train"] = corpus["train"].shuffle(seed=seed).select(range(max_train)).flatten_indices()
    return corpus


def task(corpus: DatasetDict | Dataset) -> str:
    """Return ``"tagging"`` or ``"classification"``, told by the columns."""
    return "tagging" if "tokens" in _part(corpus).column_names else "classification"


def label_names(corpus: DatasetDict | Dataset) -> list[str]:
    """Return the labels in the order of their ids.

    Raises:
        DataError: the labels are numbers without names, or there are none, as in a catalogue of items or unlabelled
            text.
    """
    features = _part(corpus).features
    if features.keys() >= items.FEATURES.keys():
        raise DataError("a catalogue of items has no labels to learn; it is for the recommendation scenario")
    if not {"labels", "label"} & features.keys():
        raise DataError(f"no labels here, neither a column labels (of words) nor label; found: {', '.join(features)}")
    feature = getattr(features["labels"], "feature", None) if "labels" in features else features["label"]
    if not isinstance(feature, ClassLabel):
        raise DataError("the labels are numbers without names; make their column a datasets.ClassLabel")
    return list(feature.names)


def _part(corpus: DatasetDict | Dataset) -> Dataset:
    """One split of a corpus, the train split if it has one: its columns are those of all."""
    if not isinstance(corpus, DatasetDict):
        return corpus
    if not corpus:
        raise DataError("a corpus without a split has no rows to learn from")
    return corpus.get("train", next(iter(corpus.values())))


def digest(corpus: DatasetDict) -> str:
    """Return a short SHA-256 of all texts and labels, or of all columns of a catalogue.

    Two corpora with one digest are the same corpus.
    """
    labels = list(items.FEATURES) if items.SPLIT in corpus else label_names(corpus)
    sha = hashlib.sha256(json.dumps(labels).encode())
    for split in sorted(corpus):
        part = corpus[split]
        if split == items.SPLIT:
            columns = labels
        else:
            columns = ("tokens", "labels") if task(part) == "tagging" else ("text", "label")
        sha.update(split.encode())
        for row in part.with_format(None).select_columns(list(columns)):
            sha.update(json.dumps([row[c] for c in columns], ensure_ascii=False).encode())
    return sha.hexdigest()[:16]


def split_of(corpus: DatasetDict, split: str, name: str) -> Dataset:
    """Return one split of the corpus that was asked for by ``name``.

    Raises:
        DataError: it has no such split; names those that it has.
    """
    if split not in corpus:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(corpus)}")
    return corpus[split]


def texts(source: str, corpus: DatasetDict) -> Dataset:
    """Return unlabelled texts as what a teacher of ``corpus`` reads: a column ``tokens`` or ``text``. Lesson 04.

    Args:
        source: a file with one text a line; or ``"transfer"``, the corpus's split of that name.

    Raises:
        DataError: no such file or split, not UTF-8, or an empty line; names the line.
    """
    column = "tokens" if task(corpus) == "tagging" else "text"
    if source == TRANSFER and not Path(source).is_file():
        found = split_of(corpus, TRANSFER, "the corpus").select_columns(column)
    else:
        lines = read_lines(Path(source))
        found = Dataset.from_dict(
            {column: [[w.text for w in words(x)] for x in lines] if column == "tokens" else lines}
        )
    tested = {json.dumps(text) for text in corpus["test"][column]}
    if known := sum(json.dumps(text) in tested for text in found[column]):
        logger.warning("%s: %d of its %d texts stand in the test split; scores will flatter", source, known, len(found))
    return found


def texts_digest(rows: Dataset) -> str:
    """Return a short SHA-256 of the texts and labels of one split; of whatever else there is, nothing."""
    columns = [name for name in ("tokens", "labels", "text", "label") if name in rows.column_names]
    sha = hashlib.sha256()
    for part in rows.with_format(None).select_columns(columns).iter(1000):
        sha.update(json.dumps(part, ensure_ascii=False).encode())
    return sha.hexdigest()[:16]


def embedded_names() -> list[str]:
    """Return the names of the corpora inside the package."""
    return sorted(folder.name for folder in EMBEDDED.iterdir() if folder.is_dir())


def _find(name: str) -> Path | None:
    if name in embedded_names():
        logger.info("%s: the corpus inside the package", name)
        return EMBEDDED / name
    if Path(name).is_dir():
        logger.info("%s: a local folder", name)
        return Path(name)
    root = os.environ.get("TINYKD_DATA")
    if root and (Path(root) / name).is_dir():
        logger.info("%s: the folder in $TINYKD_DATA", name)
        return Path(root) / name
    return None


def _from_folder(folder: Path, columns: list[str] | None) -> DatasetDict:
    if blocks.is_blocks(folder):
        rows = blocks.splits(folder)
        names = _label_names(rows["train"], False)
        _refuse_nameless(folder, names)
        return DatasetDict({split: _dataset(part, names, False) for split, part in rows.items()})
    if (folder / items.FILE).is_file():
        return DatasetDict({items.SPLIT: items.catalogue(folder)})
    rows = {split: read_file(path, columns) for split in (*SPLITS, TRANSFER) if (path := _split_file(folder, split))}
    for split in ("train", "test"):
        if split not in rows:
            names = ", ".join(split + suffix for suffix in SUFFIXES)
            raise DataError(f"{folder}: no {split} split; expected one of {names}")
    kinds = {split: "tags" in part[0] for split, part in rows.items()}
    if len(set(kinds.values())) > 1:
        raise DataError(f"{folder}: some splits hold tags and some labels: {kinds}")
    tagging = kinds["train"]
    names = _label_names(rows["train"], tagging)
    _refuse_nameless(folder, names)
    for split, part in rows.items():
        _check_labels(_split_file(folder, split), part, set(names), tagging)
    corpus = DatasetDict({split: _dataset(part, names, tagging) for split, part in rows.items()})
    if "valid" not in corpus:
        _set_valid_aside(folder, corpus)
    return DatasetDict({split: corpus[split] for split in (*SPLITS, TRANSFER) if split in corpus})


def _dataset(rows: list[dict], names: list[str], tagging: bool) -> Dataset:
    if tagging:
        features = {"tokens": List(Value("string")), "labels": List(ClassLabel(names=names))}
    else:
        features = {"text": Value("string"), "label": ClassLabel(names=names)}
    features |= {key: Value("string") for key in MORE if key in rows[0]}
    parts = []
    for first in range(0, len(rows), CHUNK):  # the conversion takes many times what it leaves
        part = rows[first : first + CHUNK]
        columns = {key: [row.get("tags" if key == "labels" else key) for row in part] for key in features}
        parts.append(Dataset.from_dict(columns, features=Features(features)))
    return concatenate_datasets(parts)


def _split_file(folder: Path, split: str) -> Path | None:
    found = [folder / (split + suffix) for suffix in SUFFIXES if (folder / (split + suffix)).is_file()]
    if len(found) > 1:
        raise DataError(f"{folder}: more than one {split} split: {', '.join(f.name for f in found)}; keep one")
    return found[0] if found else None


def _refuse_nameless(folder: Path, names: list[str]) -> None:
    if nameless := next((name for name in names if re.fullmatch(r"LABEL_\d+", name)), None):
        raise DataError(
            f"{folder}: a label is called {nameless}, as transformers calls labels without names: no model "
            "could be told from one that was never fine-tuned. Give the labels other names"
        )


def _label_names(rows: list[dict], tagging: bool) -> list[str]:
    if not tagging:
        return sorted({row["label"] for row in rows})
    types = sorted({tag[2:] for row in rows for tag in row["tags"] if tag != "O"})
    return ["O"] + [f"{prefix}-{type_}" for type_ in types for prefix in "BI"]


def _check_labels(path: Path, rows: list[dict], known: set[str], tagging: bool) -> None:
    for row in rows:
        for i, label in enumerate(row["tags"] if tagging else [row["label"]]):
            if label not in known:
                line = row["line"] + (i if tagging and path.suffix in (".txt", ".conll") and "kind" not in row else 0)
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
    embedded = embedded_names()
    instead = STAND_IN.get(name, "newswire")
    if name not in HUB:
        root = os.environ.get("TINYKD_DATA")
        raise DataError(
            f"no corpus {name!r}: not inside the package ({', '.join(embedded)}), not a folder, not in "
            f"$TINYKD_DATA ({root or 'not set'}), not known on the Hub ({', '.join(HUB)})"
        )
    repository, words, tags = HUB[name]
    try:
        raw = load_dataset(repository)
    except Exception as error:  # whatever the network, the Hub or the disk may say
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"no corpus {name!r}: $TINYKD_DATA/{name} is not there, and the Hub did not give {repository} "
            f"({reason}). The embedded corpus {instead!r} needs no network"
        ) from error
    logger.info("%s: %s from the Hub", name, repository)
    names = raw["train"].features[tags].feature.names
    order = _label_names([{"tags": names}], tagging=True)
    features = Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=order))})
    parts = {}
    for split, theirs in zip(SPLITS, ("train", "validation", "test"), strict=True):
        part = raw[theirs]
        columns = {"tokens": list(part[words]), "labels": [[names[i] for i in row] for row in part[tags]]}
        parts[split] = Dataset.from_dict(columns, features=features)
    return DatasetDict(parts)
