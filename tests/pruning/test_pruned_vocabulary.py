import json

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests import tiny
from tinykd import adapters, data, models, quantization, samples, training
from tinykd.errors import DataError, ModelError, SettingError
from tinykd.pruning import prune_vocabulary

TEXTS = ["Mara Hope left Jordan for Nice.", "the trawler's crew was unhurt, said a minister"]
CORPORA = [
    Dataset.from_dict({"tokens": [text.split() for text in TEXTS]}),
    Dataset.from_dict({"text": ["Trawlers are fishing boats"]}),
]
LETTERS = "abcdefghijklmnopqrstuvwxyzäéøßğ0123456789.,;:!?()-'\"@#$%&/中国の語кириллαβ"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return models.teacher(str(tiny.base_model(tmp_path_factory.mktemp("vocabulary") / "base")), tiny.LABELS)


@pytest.fixture(scope="module")
def pruned(parts):
    return prune_vocabulary(*parts, CORPORA)


@torch.inference_mode()
def logits(model, tokenizer, text):
    return model(**tokenizer(text, return_tensors="pt")).logits


def test_only_used_pieces_special_tokens_and_single_characters_stay(parts, pruned):
    before, after = parts[1].get_vocab(), pruned[1].get_vocab()
    used = {piece for text in (*TEXTS, *CORPORA[1]["text"]) for piece in parts[1].tokenize(text)}
    single = {piece for piece in before if len(piece.removeprefix("##")) == 1 or len(piece) == 1}
    assert set(after) == used | single | set(parts[1].all_special_tokens)
    assert sorted(after.values()) == list(range(len(after)))
    assert sorted(after, key=after.get) == sorted(after, key=before.get)  # the order of before
    assert pruned[0].config.vocab_size == pruned[0].get_input_embeddings().num_embeddings == len(after)
    assert len(before) == parts[0].config.vocab_size == 30522


@given(st.lists(st.sampled_from([*" ".join(TEXTS).split(), "Trawlers", "boats", "a", "(", "x"]), min_size=1))
def test_texts_of_kept_pieces_have_equal_logits(parts, pruned, words):
    text = " ".join(words)
    assert pruned[1].tokenize(text) == parts[1].tokenize(text)
    assert torch.equal(logits(*pruned, text), logits(*parts, text))


@given(st.one_of(st.text(LETTERS + " ", max_size=60), st.lists(st.sampled_from(["washington", "unaffable", "日本"]))))
def test_no_text_becomes_unknown(parts, pruned, text):
    text = text if isinstance(text, str) else "".join(text)[:90]
    before, after = (tokenizer.tokenize(text) for _, tokenizer in (parts, pruned))
    assert after.count("[UNK]") == before.count("[UNK]")
    assert "".join(after).replace("##", "") == "".join(before).replace("##", "")


def test_every_dropped_piece_falls_into_smaller_ones(parts, pruned):
    dropped = [p for p in parts[1].get_vocab().keys() - pruned[1].get_vocab().keys() if p.isalnum()]
    assert len(dropped) > 20_000
    for pieces in pruned[1](dropped, add_special_tokens=False)["input_ids"]:
        assert len(pieces) > 1 and pruned[1].unk_token_id not in pieces


def test_tokenizer_and_model_reload_as_they_are(parts, pruned, tmp_path):
    model, tokenizer = pruned
    models.save(model, tokenizer, tmp_path / "pruned")
    models.save(*parts, tmp_path / "whole")
    again, same = models.load(tmp_path / "pruned")
    assert same.is_fast and same.get_vocab() == tokenizer.get_vocab() and len(same) == len(tokenizer)
    for text in (*TEXTS, "An unknown 木 ☃ word of Washington"):
        ids = same(text, padding="max_length", max_length=40)["input_ids"]
        assert ids == tokenizer(text, padding="max_length", max_length=40)["input_ids"]
        assert ids[0] == same.cls_token_id == same.get_vocab()["[CLS]"] and ids[-1] == same.pad_token_id
        assert torch.equal(logits(again, same, text), logits(model, tokenizer, text))
    alone = Tokenizer.from_file(str(tmp_path / "pruned" / "tokenizer.json"))  # as other runtimes read it
    alone.no_padding()
    assert alone.encode("a").ids == tokenizer("a")["input_ids"]
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "pruned")]
    assert sizes[0] - sizes[1] == pytest.approx(4 * 16 * (30522 - len(tokenizer)), abs=100)


def test_size_keeps_the_most_frequent(parts):
    corpus = [Dataset.from_dict({"tokens": [["minister"] * 3 + ["washington"] * 2 + ["jordan"]]})]
    _, all_used = prune_vocabulary(*parts, corpus)
    for size, gone in ((1, {"jordan"}), (2, {"jordan", "washington"})):
        _, smaller = prune_vocabulary(*parts, corpus, size=len(all_used) - size)
        assert all_used.get_vocab().keys() - smaller.get_vocab().keys() == gone


def test_the_vocabulary_fills_up_what_size_leaves_free(parts):
    corpus = [Dataset.from_dict({"tokens": [["trawler"]]})]
    _, used = prune_vocabulary(*parts, corpus)
    _, more = prune_vocabulary(*parts, corpus, size=len(used) + 3)
    assert more.get_vocab().keys() - used.get_vocab().keys() == {"the", "of", "and"}  # the first words of BERT's
    _, everything = prune_vocabulary(*parts, corpus, size=30522)
    gone = parts[1].get_vocab().keys() - everything.get_vocab().keys()
    assert len(gone) > 900 and all(token.startswith("[unused") for token in gone)  # which no text can give


def test_ids_are_remapped_wherever_they_stand(parts, tmp_path):
    """Put [PAD] last and [CLS] in the middle: nothing may rely on the order of all-MiniLM."""
    model, tokenizer = parts
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    file = tmp_path / "tokenizer" / "tokenizer.json"
    state = json.loads(file.read_text(encoding="utf-8"))
    swap = {0: 30521, 30521: 0}
    state["model"]["vocab"] = {piece: swap.get(i, i) for piece, i in state["model"]["vocab"].items()}
    state["added_tokens"] = sorted(
        (token | {"id": swap.get(token["id"], token["id"])} for token in state["added_tokens"]), key=lambda t: t["id"]
    )
    padding = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_type_id": 0}
    state["padding"] = padding | {"pad_id": 30521, "pad_token": "[PAD]"}
    file.write_text(json.dumps(state), encoding="utf-8")
    moved = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    model = models.student("cut:2", model)
    model.config.pad_token_id = 30521
    smaller, cut = prune_vocabulary(model, moved, CORPORA)
    assert cut.pad_token_id == smaller.config.pad_token_id == smaller.get_input_embeddings().padding_idx == len(cut) - 1
    assert cut(TEXTS, padding=True)["input_ids"][0][-1] == len(cut) - 1
    assert torch.equal(logits(smaller, cut, TEXTS[0]), logits(model, moved, TEXTS[0]))


def test_a_student_with_fewer_pieces_learns_from_a_teacher_with_all(parts, tmp_path):
    corpus = data.load(str(tiny.corpus(tmp_path / "corpus")))
    train = samples.with_teacher(corpus["train"], *parts, tmp_path / "store")
    student, tokenizer = prune_vocabulary(*parts, [corpus["train"]])
    before = student.classifier.weight.detach().clone()
    settings = training.Settings(epochs=1, batch_size=16)
    trained = training.distill(student, tokenizer, train, tmp_path / "out", settings)
    assert not torch.equal(trained.classifier.weight, before)
    assert torch.equal(
        logits(*models.load(tmp_path / "out"), TEXTS[0]),
        logits(trained, tokenizer, TEXTS[0]),
    )


def test_a_frozen_matrix_stays_frozen(parts):
    model, tokenizer = parts
    adapted = adapters.adapt(model, "lora", rank=2)
    small, _ = prune_vocabulary(adapted, tokenizer, CORPORA)
    assert not small.get_input_embeddings().weight.requires_grad
    assert prune_vocabulary(model, tokenizer, CORPORA)[0].get_input_embeddings().weight.requires_grad


def test_bad_input_is_one_clear_error(parts):
    model, tokenizer = parts
    with pytest.raises(SettingError, match="size is 1000; special tokens and single characters alone are 1999"):
        prune_vocabulary(model, tokenizer, CORPORA, size=1000)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["model"] = {"type": "WordLevel", "vocab": state["model"]["vocab"], "unk_token": "[UNK]"}
    with pytest.raises(ModelError, match="and this is WordLevel"):
        prune_vocabulary(model, _fast(state), CORPORA)
    with pytest.raises(ModelError, match="rounded while it runs; make it smaller before"):
        prune_vocabulary(quantization.prepare(model, 4), tokenizer, CORPORA)
    for corpora in (CORPORA[0], [CORPORA[1].rename_column("text", "sentence")]):
        with pytest.raises(DataError, match="a list of corpora, each with a column tokens or text"):
            prune_vocabulary(model, tokenizer, corpora)
    small, _ = prune_vocabulary(model, tokenizer, CORPORA)
    with pytest.raises(ModelError, match="its tokenizer 30522"):
        prune_vocabulary(small, tokenizer, CORPORA)


def _fast(state):
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), unk_token="[UNK]")
