import pytest
import torch
from datasets import Array2D, Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from tinykd import data
from tinykd.data.encode import IGNORE
from tinykd.errors import DataError, SettingError

VANISHES = "\u200b"
WORDS = ["a", "Mara", "tokenization", "Kuala", "electroencephalograph", VANISHES, "日本", "x" * 30, "👍"]
DOCUMENTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), min_size=1, max_size=3)


def numbered(documents, signal=False):
    """Every word's label is its number; its teacher's logits are its row and its number."""
    columns = {"tokens": documents, "labels": [list(range(len(tokens))) for tokens in documents]}
    features = {"tokens": List(Value("string")), "labels": List(Value("int32"))}
    if signal:
        columns["teacher_logits"] = [[[row, word] for word in range(len(t))] for row, t in enumerate(documents)]
        features["teacher_logits"] = Array2D((None, 2), "float16")
    return Dataset.from_dict(columns, features=Features(features))


@settings(max_examples=60)
@given(documents=DOCUMENTS, max_length=st.integers(3, 40))
def test_every_word_is_labelled_once_at_its_first_piece_with_its_own_logits(tokenizer, documents, max_length):
    found = {row: [] for row in range(len(documents))}
    rows = numbered(documents, signal=True)
    collate = data.collate(tokenizer, rows)
    for window in data.encode(rows, tokenizer, max_length):
        ids, labels, row = window["input_ids"], window["labels"], window["row"]
        assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert len(ids) == len(labels) == window["length"] <= max_length
        owned = [label for label in labels if label != IGNORE]
        assert owned == list(range(window["first_word"], window["first_word"] + len(owned)))
        assert [labels[start] for start in window["first_subwords"]] == owned
        assert collate([window])["teacher_logits"].tolist() == [[[row, word] for word in owned]]
        for piece, word in zip(ids, labels, strict=True):
            if word != IGNORE:
                pieces = tokenizer(documents[row][word], add_special_tokens=False)["input_ids"]
                assert piece == (pieces or [tokenizer.unk_token_id])[0]
        found[row] += owned
    assert found == {row: list(range(len(tokens))) for row, tokens in enumerate(documents)}


def test_what_a_teacher_said_is_not_read(tokenizer, monkeypatch):
    read, original = set(), Dataset.__getitem__
    monkeypatch.setattr(Dataset, "__getitem__", lambda rows, key: read.update(rows.column_names) or original(rows, key))
    data.encode(numbered([["Mara", "left"]] * 5, signal=True), tokenizer)
    assert read == {"tokens", "labels"}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(0, 20))
def test_windows(sizes, more):
    room = max(sizes) + more
    found = data.windows(sizes, room)
    assert [word for _, _, owned, end in found for word in range(owned, end)] == list(range(len(sizes)))
    for first, last, owned, end in found:
        assert sum(sizes[first:last]) <= room
        assert first <= owned <= end <= last
    if sum(sizes) <= room:
        assert found == [(0, len(sizes), 0, len(sizes))]


def test_windows_overlap_by_half_and_split_the_overlap():
    assert data.windows([2] * 6, room=8) == [(0, 4, 0, 3), (2, 6, 3, 6)]
    assert data.windows([1] * 10, room=4) == [(0, 4, 0, 3), (2, 6, 3, 5), (4, 8, 5, 7), (6, 10, 7, 10)]
    with pytest.raises(SettingError, match=r"^max_length leaves room for 4 subword tokens, too few for a word; use a"):
        data.windows([1, 5], room=4)


def test_a_short_row_is_one_window(tokenizer):
    (row,) = data.encode(numbered([["Tokenization", VANISHES, "won"]]), tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert pieces == ["[CLS]", "token", "##ization", "[UNK]", "won", "[SEP]"]
    assert row["labels"] == [IGNORE, 0, IGNORE, 1, 2, IGNORE]
    assert (row["row"], row["first_word"], row["length"]) == (0, 0, 6)


def test_a_word_longer_than_the_window_is_cut(tokenizer):
    rows = data.encode(numbered([["a", "electroencephalograph", "b"]]), tokenizer, max_length=4)[:]
    assert [[label for label in labels if label != IGNORE] for labels in rows["labels"]] == [[0], [1], [2]]
    assert max(rows["length"]) == 4


@pytest.mark.parametrize("dataset", [{"tokens": [["a"]], "labels": [[0]]}, {"text": ["a"], "label": [0]}])
@pytest.mark.parametrize("max_length", [-1, 0, 2])
def test_a_window_without_room_is_refused(tokenizer, dataset, max_length):
    with pytest.raises(ValueError, match=rf"^max_length is {max_length}; it must be at least 3$"):
        data.encode(Dataset.from_dict(dataset), tokenizer, max_length)


def test_a_corpus_of_tags_may_have_its_texts_too_and_any_format(tokenizer):
    rows = Dataset.from_dict({"tokens": [["a", "Mara"]], "labels": [[0, 1]]})
    plain = data.encode(rows, tokenizer)[:]
    for more in (rows.add_column("text", ["a Mara"]), rows.add_column("text", ["a"]).add_column("label", [1])):
        for form in (None, "numpy", "torch", "arrow"):
            assert data.encode(more.with_format(form), tokenizer)[:] == plain


@pytest.mark.parametrize("labels", [[0], [0, 1, 2]])
def test_a_row_has_a_label_for_each_word(tokenizer, labels):
    rows = Dataset.from_dict({"tokens": [["a", "b"], ["a", "b"]], "labels": [[0, 1], labels]})
    with pytest.raises(DataError, match=f"^row 1: 2 words and {len(labels)} labels$"):
        data.encode(rows, tokenizer)


def test_an_empty_split_gives_no_windows(tokenizer):
    assert len(data.encode(numbered([]), tokenizer)) == 0


def test_a_tagging_batch(tokenizer):
    rows = numbered([["Mara", "won"], ["Nice"]], signal=True)
    batch = data.collate(tokenizer, rows)(list(data.encode(rows, tokenizer)))
    assert batch["input_ids"].tolist()[1] == tokenizer("Nice")["input_ids"] + [tokenizer.pad_token_id]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["labels"].tolist() == [[IGNORE, 0, 1, IGNORE], [IGNORE, 0, IGNORE, IGNORE]]
    assert batch["first_subwords"].tolist() == [[1, 2], [1, -1]]
    assert batch["teacher_logits"].tolist() == [[[0, 0], [0, 1]], [[1, 0], [0, 0]]]
    assert batch["teacher_logits"].dtype == torch.float32


def test_a_classification_batch(tokenizer):
    columns = {"text": ["Mara won it again", "Nice"], "label": [1, 0], "teacher_logits": [[[1.0, 2.0]], [[3.0, 4.0]]]}
    dataset = Dataset.from_dict(columns).cast_column("teacher_logits", Array2D((None, 2), "float16"))
    rows = list(data.encode(dataset, tokenizer, max_length=5))
    assert [row["length"] for row in rows] == [5, 3]
    batch = data.collate(tokenizer, dataset)(rows)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 5)
    assert batch["labels"].tolist() == [1, 0]
    assert batch["teacher_logits"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("texts", [["nice", "mara won"], ["mara won", "nice"], ["nice", "mara"]])
def test_texts_of_one_piece_are_texts(texts):
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "mara", "won", "nice"])}
    plain = Tokenizer(WordLevel(vocabulary, "[UNK]"))
    plain.pre_tokenizer = Whitespace()
    plain = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")  # adds nothing
    rows = Dataset.from_dict({"text": texts, "label": [1, 0]})
    batch = data.collate(plain)(list(data.encode(rows, plain)))
    assert batch["input_ids"].tolist()[texts.index("nice")][0] == 4
    assert batch["labels"].tolist() == [1, 0]
