"""Augmented samples: labels that are right because of the way they are made."""

from collections import Counter
from functools import partial

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from tests import untrained
from tests.samples.sentences import FEATURES, NAMES, PROPER, corpora, tags
from tinykd import samples
from tinykd.data import words
from tinykd.errors import DataError, ModelError, SettingError
from tinykd.samples import augmentation, vocabulary
from tinykd.samples.streaming import entities_by_type
from tinykd.samples.vocabulary import PlainWords
from tinykd.text import entities

few = settings(max_examples=25)


@pytest.fixture
def replace(tokenizer):
    return partial(samples.replace_words, model=untrained.tagger(tokenizer), tokenizer=tokenizer)


def sentence(*pairs):
    rows = {"tokens": [[w for w, _ in pairs]], "labels": [[NAMES.index(tag) for _, tag in pairs]], "kind": ["one"]}
    return Dataset.from_dict(rows, features=FEATURES)


def whole(row):
    """The sentence in parts: the words outside entities in runs, and the entities with their types."""
    parts, end = [], 0
    for type_, first, last in entities(tags(row)):
        parts += [("O", row["tokens"][end:first]), (type_, row["tokens"][first:last])]
        end = last
    return [*parts, ("O", row["tokens"][end:])]


# Entities become others


@few
@given(corpora(), st.integers(1, 3), st.integers(0, 3))
def test_types_stay_in_place_and_so_do_all_other_words(corpus, copies, seed):
    of = {row["kind"]: whole(row) for row in corpus}
    pool = {type_: set(found) for type_, found in entities_by_type(corpus).items()}
    swapped = samples.swap_entities(corpus, copies, seed)
    assert swapped.features == corpus.features
    for row in swapped:
        for (type_, old), (new_type, new) in zip(of[row["kind"]], whole(row), strict=True):
            assert type_ == new_type
            if type_ == "O":
                assert old == new
            else:
                assert tuple(new) in pool[type_] and (old != new or len(pool[type_]) == 1)


@few
@given(corpora(), st.integers(0, 3))
def test_the_tags_are_iob2_however_long_the_new_entity_is(corpus, seed):
    for row in samples.swap_entities(corpus, 2, seed):
        assert len(row["tokens"]) == len(row["labels"])
        for before, tag in zip(["O", *tags(row)], tags(row), strict=False):
            assert tag[0] != "I" or (before != "O" and before[2:] == tag[2:])


@few
@given(corpora(), st.integers(1, 3), st.integers(0, 3))
def test_a_sentence_gives_its_copies_if_anything_can_change(corpus, copies, seed):
    pool = entities_by_type(corpus)
    expected = Counter()
    for row in corpus:
        if any(len(pool[type_]) > 1 for type_, _, _ in entities(tags(row))):
            expected[row["kind"]] = copies
    assert Counter(samples.swap_entities(corpus, copies, seed)["kind"][:]) == expected


def test_every_other_entity_is_as_likely():
    corpus = Dataset.from_dict(
        {"tokens": [["Nice"], ["Jordan"], ["U.S."], ["Valley", "River"]], "labels": [[1], [1], [1], [1, 2]]},
        features=Features({name: FEATURES[name] for name in ("tokens", "labels")}),
    )
    drawn = Counter(" ".join(row["tokens"]) for row in samples.swap_entities(corpus, copies=300))
    assert set(drawn) == {"Nice", "Jordan", "U.S.", "Valley River"}
    assert max(abs(count - 300) for count in drawn.values()) < 75  # five standard deviations


def test_touching_entities_stay_two():
    corpus = sentence(("Mara", "B-PER"), ("Hope", "B-PER"), ("in", "O"), ("Nice", "B-LOC"))
    row = samples.swap_entities(corpus)[0]
    assert (row["tokens"], tags(row)) == (["Hope", "Mara", "in", "Nice"], ["B-PER", "B-PER", "O", "B-LOC"])


def test_a_slip_of_a_teacher_is_mended():
    corpus = sentence(("Mara", "I-PER"), ("Hope", "B-PER"), ("here", "O"))
    row = samples.swap_entities(corpus)[0]
    assert tags(row) == ["B-PER", "B-PER", "O"]


# Words become similar ones


@settings(max_examples=5)
@given(corpora(max_size=5), st.floats(0.05, 1), st.integers(0, 3))
def test_only_plain_words_change_and_only_outside_of_names(tokenizer, corpus, share, seed):
    model = untrained.tagger(tokenizer)
    names = {word.lower() for word in PROPER}
    of = {row["kind"]: row for row in corpus}
    for row in samples.replace_words(corpus, model, tokenizer, share=share, seed=seed):
        old = of[row["kind"]]
        assert row["labels"] == old["labels"] and len(row["tokens"]) == len(old["tokens"])
        changed = [pair for pair in zip(old["tokens"], row["tokens"], tags(row), strict=True) if pair[0] != pair[1]]
        assert 1 <= len(changed) <= max(1, round(share * len(old["tokens"])))
        for before, after, tag in changed:
            assert tag == "O" and before.isalpha() and len(before) > 3
            assert before.lower() not in ENGLISH_STOP_WORDS and after.lower() not in ENGLISH_STOP_WORDS
            assert after.lower() not in names
            for look in (str.islower, str.isupper, str.istitle):
                assert look(before) == look(after)


def test_both_ways_give_words_of_the_vocabulary(replace, tokenizer):
    corpus = sentence(("The", "O"), ("Minister", "O"), ("left", "O"), ("Nice", "B-LOC"), ("after", "O"), ("LUNCH", "O"))
    found = replace(corpus, share=1.0, copies=4)
    assert len(found) == 4
    new = [word for row in found for word in row["tokens"]]
    assert all(row["tokens"][0] == "The" and row["tokens"][3] == "Nice" for row in found)
    assert all(row["tokens"][1].istitle() and row["tokens"][5].isupper() for row in found)
    assert all(row["tokens"][w] != corpus[0]["tokens"][w] for row in found for w in (1, 2, 5))
    assert all(len(ids) == 1 for ids in tokenizer(new, add_special_tokens=False)["input_ids"])
    assert len({row["tokens"][1] for row in found}) > 1


def test_the_seed_decides(replace):
    corpus = sentence(*((word, "O") for word in ("government", "minister", "market", "another", "river", "bridge")))
    one, same, other = (replace(corpus, share=0.5, copies=2, seed=seed)["tokens"][:] for seed in (1, 1, 2))
    assert one == same != other
    assert samples.swap_entities(corpus)["tokens"][:] == []  # no entity, no copy


def test_names_come_from_the_gazetteer_and_others_from_the_corpus():
    corpus = sentence(("Mara", "B-PER"), ("left", "O"), ("Oslo", "B-LOC"))
    drawn = samples.swap_entities(corpus, copies=200, gazetteer={"PER": ["Ana de la Cruz", "Mara", "O'Neill"]})
    assert Counter(" ".join(row["tokens"]) for row in drawn).keys() == {"Ana de la Cruz left Oslo", "O'Neill left Oslo"}
    assert tags(drawn[0])[0] == "B-PER" and tags(drawn[0])[-1] == "B-LOC"


@pytest.mark.parametrize("gazetteer", [{"TIME": ["noon"]}, {"PER": []}, {"PER": [" "]}])
def test_a_gazetteer_that_cannot_be_used_is_refused(gazetteer):
    with pytest.raises(SettingError, match="gazetteer"):
        samples.swap_entities(sentence(("Mara", "B-PER")), gazetteer=gazetteer)


def test_names_are_never_proposed(tokenizer, monkeypatch):
    """Even if nearly nothing else is left."""
    model = untrained.tagger(tokenizer)
    every = PlainWords(model, tokenizer).words
    kept = ["river", "bridge", "minister"]
    names = [word for word in every if word not in kept]
    corpus = Dataset.from_dict(
        {"tokens": [["river", "bridge"], names], "labels": [[0, 0], [1] * len(names)], "kind": ["", ""]},
        features=FEATURES,
    )
    with pytest.raises(ModelError, match="has 2 plain words to propose for another; 10 are needed"):
        samples.replace_words(corpus, model, tokenizer)
    monkeypatch.setattr(augmentation, "SIMILAR", 2)
    found = samples.replace_words(corpus.select([0]), model, tokenizer, share=1.0, copies=8)
    assert len({word for row in found for word in row["tokens"]}) > 3
    monkeypatch.setattr(vocabulary, "MAX_LENGTH", 16)
    found = samples.replace_words(corpus, model, tokenizer, share=1.0, copies=8)
    assert {word for row in found for word in row["tokens"]} == set(kept)


def test_the_nearest_are_those_of_the_cosine(tokenizer):
    model = untrained.tagger(tokenizer)
    plain = PlainWords(model, tokenizer, 3)
    found = plain.nearest("river")
    table = model.get_input_embeddings().weight.detach()
    ids = tokenizer.convert_tokens_to_ids(plain.words)
    of_river = torch.cosine_similarity(table[ids], table[tokenizer.convert_tokens_to_ids("river")], dim=-1)
    best = of_river.argsort(descending=True)[:4].tolist()
    assert [plain.words[i] for i in best] == ["river", *found]


def test_words_that_the_model_does_not_see_stay(replace, monkeypatch):
    corpus = sentence(*[("river", "O")] * 40)
    monkeypatch.setattr(vocabulary, "MAX_LENGTH", 12)
    changed = replace(corpus, share=1.0)[0]["tokens"]
    assert "river" not in changed[:10] and changed[10:] == ["river"] * 30


def test_texts_keep_their_label_and_everything_between_the_words(tokenizer):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    text = "  Profits rose,  (the river company's minister) said!"
    corpus = Dataset.from_dict({"text": [text, "Ah, so!"], "label": [1, 0]}, features=features)
    found = samples.replace_words(corpus, untrained.tagger(tokenizer), tokenizer, share=1.0, copies=2)
    assert found["label"][:] == [1, 1] and found.features == features  # no plain word in the second text
    for new in found["text"]:
        old_words, new_words = words(text), words(new)
        assert len(old_words) == len(new_words)
        for old, word in reversed(list(zip(old_words, new_words, strict=True))):
            new = new[: word.start] + old.text + new[word.end :]
        assert new == text


# Names become new ones


@settings(max_examples=5)
@given(corpora(max_size=5), st.floats(0.05, 1), st.integers(1, 2), st.integers(0, 3))
def test_only_words_of_names_become_new_and_no_label_stays(tokenizer, corpus, share, copies, seed):
    plain = set(PlainWords(untrained.tagger(tokenizer), tokenizer).words)
    found = samples.new_names(corpus, untrained.tagger(tokenizer), tokenizer, copies, share, seed)
    assert found.column_names == ["tokens", "kind"]
    of = {row["kind"]: row for row in corpus}
    assert all(count <= copies for count in Counter(found["kind"]).values())
    for row in found:
        old = of[row["kind"]]
        assert len(row["tokens"]) == len(old["tokens"])
        for before, after, tag in zip(old["tokens"], row["tokens"], tags(old), strict=True):
            if before != after:
                assert tag != "O" and len(before) > 3 and before.isalpha()
                assert after.lower() in plain and after.istitle() == before.istitle()


def test_a_name_of_the_vocabulary_becomes_a_neighbour_and_another_anything(tokenizer, monkeypatch):
    model, plain = untrained.tagger(tokenizer), PlainWords(untrained.tagger(tokenizer), tokenizer, 3)
    monkeypatch.setattr(augmentation, "SIMILAR_NAMES", 3)
    corpus = sentence(("Jordan", "B-PER"), ("Xqzvwy", "I-PER"), ("left", "O"), ("the", "O"), ("U.S.", "B-LOC"))
    found = samples.new_names(corpus, model, tokenizer, share=1.0, copies=40)
    first, second, *rest = (set(column) for column in zip(*found["tokens"][:], strict=True))
    assert first == {word.title() for word in plain.nearest("jordan")}
    assert len(second) > 30 and rest == [{"left"}, {"the"}, {"U.S."}]
    same = samples.new_names(corpus, model, tokenizer, share=1.0, copies=40)["tokens"][:]
    assert same == found["tokens"][:]
    assert same != samples.new_names(corpus, model, tokenizer, share=1.0, copies=40, seed=1)["tokens"][:]


def test_the_teacher_labels_the_new_names(tokenizer):
    teacher = untrained.tagger(tokenizer)
    corpus = sentence(("Jordan", "B-PER"), ("left", "O"))
    found = samples.labelled_by(teacher, tokenizer, samples.new_names(corpus, teacher, tokenizer, share=1.0))
    assert found.column_names == ["tokens", "labels", "kind"] and len(found) == 1
    assert len(samples.new_names(sentence(("river", "O")), teacher, tokenizer)) == 0  # no name, nothing new


# What the teacher predicted before, and what cannot be


def test_what_the_teacher_predicted_for_the_old_text_is_left_out(tokenizer, tmp_path):
    teacher = untrained.tagger(tokenizer)
    features = FEATURES | {"labels": type(FEATURES["labels"])(ClassLabel(names=untrained.LABELS))}
    rows = {"tokens": [["Mara", "went"], ["Hope", "stayed"]], "labels": [[1, 0]] * 2, "kind": ["", ""]}
    transfer = samples.with_teacher(
        Dataset.from_dict(rows, features=Features(features)), teacher, tokenizer, tmp_path / "store"
    )
    for new in (samples.swap_entities(transfer), samples.replace_words(transfer, teacher, tokenizer)):
        assert len(new) == 2 and new.column_names == ["tokens", "labels", "kind"]


def test_impossible_wishes(tokenizer):
    model, corpus = untrained.tagger(tokenizer), sentence(("river", "O"), ("Nice", "B-LOC"))
    for wrong in ({"copies": 0}, {"copies": 1.5}, {"share": 0}, {"share": 1.5}):
        for function in (samples.replace_words, samples.new_names):
            with pytest.raises(SettingError, match=f"{next(iter(wrong))} is"):
                function(corpus, model, tokenizer, **wrong)
    with pytest.raises(SettingError, match="copies is 0"):
        samples.swap_entities(corpus, copies=0)
    with pytest.raises(DataError, match="these sentences have no tags"):
        samples.swap_entities(Dataset.from_dict({"text": ["river"], "label": [0]}))
    by_model = [partial(way, model=model, tokenizer=tokenizer) for way in (samples.replace_words, samples.new_names)]
    for function in (samples.swap_entities, *by_model):
        with pytest.raises(DataError, match="labelled_by"):
            function(corpus.remove_columns("labels"))
