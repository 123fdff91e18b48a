"""An embedding matrix as a product of two: the best of its rank, and a model like any other."""

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny
from tinykd import data, models, pruning, samples, training
from tinykd.deploy import export, int8, runtime
from tinykd.errors import ModelError, SettingError
from tinykd.pruning import factorize_embeddings

TEXTS = ["Mara Hope left Jordan for Nice.", "the trawler's crew was unhurt, said a minister"]
CORPORA = [Dataset.from_dict({"tokens": [text.split() for text in TEXTS]})]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A model 16 wide, of few subword tokens."""
    folder = tiny.base_model(tmp_path_factory.mktemp("factorized") / "base")
    return pruning.prune_vocabulary(*models.teacher(str(folder), tiny.LABELS), CORPORA)


@pytest.fixture(scope="module")
def factorized(parts):
    return factorize_embeddings(*parts, CORPORA, rank=8)


@torch.inference_mode()
def logits(model, tokenizer, text=TEXTS[0]):
    return model(**tokenizer(text, return_tensors="pt")).logits


def weighted_error(model, other, tokenizer):
    counts = torch.ones(len(tokenizer))
    for text in TEXTS:
        for piece in tokenizer(text.split(), is_split_into_words=True, add_special_tokens=False)["input_ids"]:
            counts[piece] += 1
    difference = model.get_input_embeddings().weight - other
    return (counts[:, None] * difference.detach() ** 2).sum().item()


def test_with_the_full_rank_nothing_changes(parts):
    same = factorize_embeddings(*parts, CORPORA, rank=16)
    for text in TEXTS:
        torch.testing.assert_close(logits(same, parts[1], text), logits(*parts, text), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(same.get_input_embeddings().weight, parts[0].get_input_embeddings().weight)


@given(st.integers(1, 15), st.integers(0, 2**16))
def test_no_product_of_that_rank_is_nearer(parts, rank, seed):
    matrix = parts[0].get_input_embeddings().weight.detach()
    ours = factorize_embeddings(*parts, CORPORA, rank)
    best = weighted_error(ours, matrix, parts[1])
    factor = ours.get_input_embeddings()
    noise = torch.Generator().manual_seed(seed)
    for weight in (factor.narrow.weight, factor.widen.weight):  # a step away from the best, in any direction
        step = 0.01 * weight.std() * torch.randn(weight.shape, generator=noise)
        weight.data += step
        assert weighted_error(ours, matrix, parts[1]) >= best * (1 - 1e-5)
        weight.data -= step
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    blind = left[:, :rank] * sizes[:rank] @ right[:rank]
    whole = parts[0].get_input_embeddings().weight.detach()
    counts_matter = weighted_error(parts[0], blind, parts[1])
    assert best <= counts_matter * (1 + 1e-5) and torch.equal(whole, matrix)


def test_the_columns_are_of_like_lengths(factorized):
    lengths = factorized.get_input_embeddings().narrow.weight.norm(dim=0)
    assert lengths.max() < 3 * lengths.min()


def test_it_is_saved_loaded_and_exported_like_any_other(parts, factorized, tmp_path):
    tokenizer = parts[1]
    models.save(factorized, tokenizer, tmp_path / "model")
    again, _ = models.load(tmp_path / "model")
    assert torch.equal(logits(again, tokenizer), logits(factorized, tokenizer))
    gone = sum(p.numel() for p in parts[0].parameters()) - sum(p.numel() for p in factorized.parameters())
    assert gone == (16 - 8) * len(tokenizer) - 8 * 16
    export.to_onnx(again, tokenizer, tmp_path / "onnx")
    int8.dynamic_int8(tmp_path / "onnx", tmp_path / "int8")
    words = TEXTS[0].split()
    exact, rounded = (next(runtime.load(tmp_path / name).logits([words])) for name in ("onnx", "int8"))
    assert abs(exact - rounded).max() < 0.05 * abs(exact).max() + 0.02
    batch = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    first = [batch.word_ids().index(n) for n in range(len(words))]
    with torch.inference_mode():
        torch.testing.assert_close(torch.tensor(exact), again(**batch).logits[0, first], atol=1e-4, rtol=1e-4)


def test_heads_and_layers_can_go_before_and_after(parts, factorized):
    model, tokenizer = parts
    measured = pruning.importance(model, tokenizer, CORPORA[0], "magnitude")
    early = factorize_embeddings(pruning.prune(model, measured, heads=0.5), tokenizer, CORPORA, 8)
    late = pruning.prune(factorized, measured, heads=0.5)
    assert pruning.shape_of(early) == pruning.shape_of(late)
    torch.testing.assert_close(logits(early, tokenizer), logits(late, tokenizer))
    one = models.student("cut:1", factorized)
    assert one.config.embedding_rank == 8 and pruning.shape_of(one) == [(2, 32)]


def test_distilling_trains_all_but_the_narrow_matrix(parts, factorized, tmp_path):
    tokenizer = parts[1]
    corpus = data.load(str(tiny.corpus(tmp_path / "corpus")))
    train = samples.with_teacher(corpus["train"], *parts, tmp_path / "store")
    before = {name: weight.clone() for name, weight in factorized.state_dict().items()}
    settings = training.Settings(epochs=1, batch_size=16)
    trained = training.distill(factorized, tokenizer, train, tmp_path / "out", settings)
    same = [name for name, weight in trained.state_dict().items() if torch.equal(weight, before[name])]
    assert "bert.embeddings.word_embeddings.narrow.weight" in same
    assert "bert.embeddings.word_embeddings.widen.weight" not in same


def test_bad_input_is_one_clear_error(parts, factorized):
    model, tokenizer = parts
    for rank in (0, 17, 1.5, True):
        with pytest.raises(SettingError, match=f"rank is {rank}; it must lie between 1 and 16"):
            factorize_embeddings(model, tokenizer, CORPORA, rank)
    with pytest.raises(ModelError, match="factorized already, with rank 8"):
        factorize_embeddings(factorized, tokenizer, CORPORA, 4)
    with pytest.raises(ModelError, match="cut its vocabulary before"):
        pruning.prune_vocabulary(factorized, tokenizer, CORPORA)
