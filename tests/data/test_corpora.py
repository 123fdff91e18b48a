import logging

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from tinykd import data
from tinykd.data import corpora
from tinykd.errors import DataError, SettingError

TAGGED = "Mara B-PER\nwon O\n\nNice B-LOC\n"
FOLDER = {"train.conll": TAGGED, "valid.txt": "Mara B-PER\n", "test.jsonl": '{"tokens": ["Mara"], "tags": ["B-PER"]}\n'}
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """No test sees the caller's corpora or the Hub."""

    def offline(repository):
        raise ConnectionError("no route to the Hub\nsecond line")

    monkeypatch.setattr(corpora, "load_dataset", offline)
    monkeypatch.delenv("TINYKD_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def conll(sentences):
    return "".join(f"w{i} B-PER\n\n" for i in range(sentences))


def csv(labels):
    return "text,label\n" + "".join(f"t{i},{label}\n" for i, label in enumerate(labels))


def test_a_tagging_folder_mixes_formats(write):
    corpus = data.load(str(write(FOLDER)))
    assert list(corpus) == ["train", "valid", "test"]
    assert data.task(corpus) == data.task(corpus["test"]) == "tagging"
    assert data.label_names(corpus) == data.label_names(corpus["valid"]) == LABELS
    assert corpus["train"].to_dict() == {"tokens": [["Mara", "won"], ["Nice"]], "labels": [[3, 0], [1]]}
    assert corpus["test"]["labels"][:] == [[3]]


def test_a_classification_folder(write):
    corpus = data.load(str(write({f"{split}.csv": csv("ba") for split in corpora.SPLITS})))
    assert data.task(corpus) == "classification"
    assert data.label_names(corpus) == ["a", "b"]
    assert corpus["valid"].to_dict() == {"text": ["t0", "t1"], "label": [1, 0]}


def test_inline_corpora_keep_kind_story_and_transfer(write):
    inline = {f"{split}.txt": f"## a-1\n[PER Mara] won {split}.\n" for split in ("transfer", *corpora.SPLITS)}
    corpus = data.load(str(write(inline)))
    assert list(corpus) == ["train", "valid", "test", "transfer"]
    assert (corpus["transfer"]["kind"][:], corpus["test"]["story"][:]) == (["a"], ["a-1"])


def test_texts_without_labels_are_what_the_teacher_reads(write, tmp_path):
    (tmp_path / "more.txt").write_bytes(b"Orkla's J. Ilves won.\r\nIt rained.\n")
    tagging = data.load(str(write(FOLDER, "tagging")))
    assert data.texts(str(tmp_path / "more.txt"), tagging).to_dict() == {
        "tokens": [["Orkla", "'s", "J.", "Ilves", "won", "."], ["It", "rained", "."]]
    }
    labels = data.load(str(write({f"{split}.csv": csv("ba") for split in corpora.SPLITS}, "labels")))
    assert data.texts(str(tmp_path / "more.txt"), labels)["text"][:] == ["Orkla's J. Ilves won.", "It rained."]
    newswire = data.load("newswire")
    assert data.texts("transfer", newswire).to_dict() == newswire["transfer"].select_columns("tokens").to_dict()
    with pytest.raises(DataError, match="the corpus has no split 'transfer'; it has train, valid, test"):
        data.texts("transfer", tagging)


def test_texts_need_neither_labels_nor_a_test_split(tmp_path):
    (tmp_path / "more.txt").write_text("王小明\n", encoding="utf-8")
    own = DatasetDict(transfer=Dataset.from_dict({"tokens": [["Mara"]]}))
    assert data.texts("transfer", own)["tokens"][:] == [["Mara"]]
    assert data.texts(str(tmp_path / "more.txt"), own)["tokens"][:] == [["王", "小", "明"]]
    (tmp_path / "gap.txt").write_text("a\n\nb\n")
    with pytest.raises(DataError, match=r"gap\.txt:2: the text is empty; the file holds one text per line"):
        data.texts(str(tmp_path / "gap.txt"), own)


def test_slips_are_counted_or_refused(write, caplog):
    folder = str(write(FOLDER | {"train.conll": TAGGED + "Rome I-PER\n"}))
    corpus = data.load(folder)
    assert corpus["train"]["labels"][:] == [[3, 0], [1, 3]]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ["train.conll:5" in message for message in warnings] == [True]
    with pytest.raises(DataError, match=r"train\.conll:5: word 'Rome': 'I-PER' continues an entity that never began"):
        data.load(folder, strict=True)


def test_a_folder_that_may_not_be_read(write, monkeypatch):
    folder = write(FOLDER)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(DataError, match=r"corpus: cannot be read \(permission denied\)"):
        data.load(str(folder))


def test_named_columns_reach_the_reader(write):
    folder = write({f"{split}.conll": "B-PER Mara O\n" for split in corpora.SPLITS})
    assert data.load(str(folder), ["tag", "token", "other"])["train"]["tokens"][:] == [["Mara"]]


def test_where_a_corpus_is_looked_for(write, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "tinykd")
    write(FOLDER, "root/mine")
    monkeypatch.setenv("TINYKD_DATA", str(tmp_path / "root"))
    assert len(data.load("mine")["train"]) == 2
    write(FOLDER | {"train.conll": conll(3)}, "mine")
    assert len(data.load("mine")["train"]) == 3
    write(FOLDER, "newswire")
    assert len(data.load("newswire")["train"]) > 1000
    assert caplog.messages == [
        "mine: the folder in $TINYKD_DATA",
        "mine: a local folder",
        "newswire: the corpus inside the package",
    ]


def test_a_missing_corpus_names_the_embedded_one():
    with pytest.raises(DataError) as error:
        data.load("conll2003")
    assert str(error.value) == (
        "no corpus 'conll2003': $TINYKD_DATA/conll2003 is not there, and the Hub did not give lhoestq/conll2003 "
        "(no route to the Hub). The embedded corpus 'newswire' needs no network"
    )


def test_an_unknown_corpus_says_where_it_was_looked_for(monkeypatch):
    for root in ("not set", "/nowhere"):
        with pytest.raises(DataError) as error:
            data.load("mine")
        assert str(error.value) == (
            f"no corpus 'mine': not inside the package ({', '.join(corpora.EMBEDDED_NAMES)}), not a folder, "
            f"not in $TINYKD_DATA ({root}), not known on the Hub (conll2003)"
        )
        monkeypatch.setenv("TINYKD_DATA", "/nowhere")


def test_hub_tags_are_mapped_by_name(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "tinykd")
    theirs = ClassLabel(names=["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    features = Features({"tokens": List(Value("string")), "ner_tags": List(theirs)})
    part = Dataset.from_dict({"tokens": [["Mara", "Low", "in", "Nice"]], "ner_tags": [[1, 2, 0, 3]]}, features=features)
    hub = {"lhoestq/conll2003": DatasetDict(dict.fromkeys(("train", "validation", "test"), part))}
    monkeypatch.setattr(corpora, "load_dataset", hub.__getitem__)
    corpus = data.load("conll2003")
    assert list(corpus) == ["train", "valid", "test"]
    assert data.label_names(corpus) == LABELS
    assert corpus["test"].to_dict() == {"tokens": [["Mara", "Low", "in", "Nice"]], "labels": [[3, 4, 0, 1]]}
    assert caplog.messages == ["conll2003: lhoestq/conll2003 from the Hub"]


ERRORS = [
    ({"test.jsonl": None}, ": no test split; expected one of test.txt, test.conll, test.csv, test.jsonl"),
    ({"train.conll": None}, ": no train split; expected one of train.txt, train.conll, train.csv, train.jsonl"),
    ({"test.csv": csv("a")}, ": more than one test split: test.csv, test.jsonl; keep one"),
    (
        {"test.jsonl": '{"text": "x", "label": "a"}'},
        ": some splits hold tags and some labels: {'train': True, 'valid': True, 'test': False}",
    ),
    (
        {"test.jsonl": None, "test.conll": "-DOCSTART- O\n\nMara B-PER\nwon O\nGold B-MISC\n"},
        "/test.conll:5: label 'B-MISC' never occurs in train, so no model can learn it",
    ),
    (
        {"test.jsonl": '\n{"tokens": ["a", "b"], "tags": ["O", "B-MISC"]}'},
        "/test.jsonl:2: label 'B-MISC' never occurs in train, so no model can learn it",
    ),
    (
        {"valid.txt": "## a-1\n[PER Mara] won.\nThe [MISC Cup].\n"},
        "/valid.txt:3: label 'B-MISC' never occurs in train, so no model can learn it",
    ),
    ({"valid.txt": None}, ": no valid split, and 2 training rows are too few to set a tenth aside"),
]


@pytest.mark.parametrize(("changed", "message"), ERRORS)
def test_a_wrong_folder(write, changed, message):
    folder = write({name: content for name, content in (FOLDER | changed).items() if content is not None})
    with pytest.raises(DataError) as error:
        data.load(str(folder))
    assert str(error.value) == f"{folder}{message}"


def test_an_unknown_class_is_named_with_its_line(write):
    folder = write({"train.csv": csv("ab"), "valid.csv": csv("ab"), "test.csv": csv("abc")})
    with pytest.raises(DataError, match=r"test.csv:4: label 'c' never occurs in train"):
        data.load(str(folder))


@pytest.mark.parametrize(
    ("files", "column"),
    [
        ({"train.conll": conll(40), "test.conll": conll(1)}, "tokens"),
        ({"train.csv": csv("ab" * 20), "test.csv": csv("ab")}, "text"),
        ({"train.csv": csv("a" * 39 + "b"), "test.csv": csv("ab")}, "text"),
    ],
    ids=["tagging", "stratified", "too rare to stratify"],
)
def test_without_valid_a_tenth_of_train_is_set_aside(write, caplog, files, column):
    caplog.set_level(logging.INFO, "tinykd")
    folder = str(write(files))
    corpus = data.load(folder)
    assert caplog.messages[-1] == "corpus: no valid split; 4 rows, a tenth of train, are set aside"
    assert list(corpus) == ["train", "valid", "test"]
    train, valid = ([str(row) for row in corpus[split][column]] for split in ("train", "valid"))
    assert (len(train), len(valid), len({*train, *valid})) == (36, 4, 40)
    assert data.load(folder)["valid"][column][:] == corpus["valid"][column][:]
    other = data.load(folder, seed=1)  # or a model would be chosen on what it was trained on, under another seed
    assert all(other[split][column][:] == corpus[split][column][:] for split in corpus)


@pytest.mark.parametrize("name", ["dev.conll", "validation.csv"])
def test_a_validation_split_of_another_name_is_said(write, name):
    folder = write({"train.conll": conll(40), "test.conll": conll(1), name: "text,label\n"})
    with pytest.raises(DataError, match=f"no valid split, but there is {name}; rename it to valid"):
        data.load(str(folder))


def test_labels_that_transformers_calls_nameless_are_refused(write):
    rows = "text,label\nfine,LABEL_0\nbad,LABEL_1\n"
    with pytest.raises(DataError, match="a label is called LABEL_0, as transformers calls labels without names"):
        data.load(str(write({f"{split}.csv": rows for split in corpora.SPLITS})))


def test_task_and_labels_of_corpora_of_ones_own():
    tags = Dataset.from_dict(
        {"tokens": [["a"]], "labels": [[0]], "item": ["x"]},
        Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=["O"])), "item": Value("string")}),
    )
    assert data.label_names(tags) == ["O"] == data.label_names(DatasetDict(test=tags))
    assert data.task(DatasetDict(test=tags)) == "tagging"
    known = data.digest(DatasetDict(train=tags))
    assert known == data.digest(DatasetDict(train=tags.with_format("torch")))
    with pytest.raises(DataError, match=r"^no labels here, .*; it has text$"):
        data.label_names(Dataset.from_dict({"text": ["a"]}))
    with pytest.raises(DataError, match="numbers without names"):
        data.label_names(Dataset.from_dict({"tokens": [["a"]], "labels": [0]}))


def test_the_digest_of_a_split_knows_texts_and_labels_alone(write):
    rows = data.load(str(write({f"{split}.conll": conll(30) for split in corpora.SPLITS})))["train"]
    known = data.digest(rows)
    assert known == data.digest(rows.add_column("more", [0] * len(rows)).with_format("torch"))
    assert len({known, data.digest(rows.select(range(29))), data.digest(rows.shuffle(seed=1))}) == 3
    assert data.digest(rows.select_columns("tokens")) not in (known, data.digest(rows.select([0])))
    turned = rows.map(lambda row: {"labels": [1 - k if k < 2 else k for k in row["labels"]]})
    assert data.digest(turned) != known


def test_the_tenth_set_aside_keeps_the_shares_of_the_labels(write):
    folder = str(write({"train.csv": csv("ab" * 20), "test.csv": csv("ab")}))
    assert sorted(data.load(folder)["valid"]["label"]) == [0, 0, 1, 1]


def test_max_train_draws_with_the_seed(write):
    folder = str(write({f"{split}.conll": conll(30) for split in corpora.SPLITS}))
    whole, few = data.load(folder), data.load(folder, max_train=10)
    assert [len(few[split]) for split in few] == [10, 30, 30]
    assert len({word for (word,) in few["train"]["tokens"]} & {word for (word,) in whole["train"]["tokens"]}) == 10
    assert few["train"]["tokens"][:] == data.load(folder, max_train=10)["train"]["tokens"][:]
    assert few["train"]["tokens"][:] != data.load(folder, max_train=10, seed=1)["train"]["tokens"][:]
    assert data.digest(data.load(folder, max_train=30)) == data.digest(whole)
    with pytest.raises(SettingError, match=r"^max_train is 0; a corpus needs at least one training row$"):
        data.load(folder, max_train=0)


def test_the_digest_is_that_of_texts_and_labels(write):
    digest = data.digest(data.load(str(write(FOLDER))))
    assert digest == "c8baff31716eff0f"
    same = FOLDER | {"test.jsonl": None, "test.conll": "Mara I-PER\n"}
    changed = [
        {"train.conll": TAGGED.replace("won", "wins")},
        {"train.conll": TAGGED.replace("won O", "won B-PER")},
        {"train.conll": TAGGED + "\nMara B-PER\n"},
        {"valid.txt": "won O\n"},
        {"train.conll": TAGGED.replace("LOC", "ORG")},
    ]
    folders = [same, *(FOLDER | change for change in changed)]
    found = []
    for i, files in enumerate(folders):
        folder = write({name: content for name, content in files.items() if content}, f"c{i}")
        found.append(data.digest(data.load(str(folder))))
    assert found[0] == digest
    assert len({digest, *found}) == 6
