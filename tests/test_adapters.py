import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    BertConfig,
    BertForSequenceClassification,
    TrainerCallback,
)

from tests import tiny
from tinykd import data, losses, models, samples, training
from tinykd.adapters import METHODS, adapt, merge, trainable_share
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.models import adapted_by
from tinykd.training import Settings, distill, fine_tune
from tinykd.training.objective import Weights

LAYERS, WIDTH, INNER, CLASSES = 2, 16, 32, 5
#: Written out once more, by hand: query, key, value and the last feed-forward matrix of layer {}.
BERT = ("attention.self.query", "attention.self.key", "attention.self.value", "output.dense")
PLACES = {
    "bert": ("bert.encoder.layer.{}.", *BERT),
    "roberta": ("roberta.encoder.layer.{}.", *BERT),
    "xlm-roberta": ("roberta.encoder.layer.{}.", *BERT),
    "camembert": ("roberta.encoder.layer.{}.", *BERT),
    "electra": ("electra.encoder.layer.{}.", *BERT),
    "mpnet": ("mpnet.encoder.layer.{}.", "attention.attn.q", "attention.attn.k", "attention.attn.v", "output.dense"),
    "distilbert": (
        "distilbert.transformer.layer.{}.",
        *("attention.q_lin", "attention.k_lin", "attention.v_lin", "ffn.lin2"),
    ),
}
HEAD = ["classifier.weight", "classifier.bias"]
both = pytest.mark.parametrize("method", METHODS)
families = pytest.mark.parametrize("family", PLACES)


def tagger(family="bert"):
    """A random tagger in which no weight keeps the 0 or 1 it was born with."""
    torch.manual_seed(0)
    sizes = {"intermediate_size": INNER, "hidden_dim": INNER, "embedding_size": WIDTH}
    config = AutoConfig.for_model(
        family,
        vocab_size=40,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_labels=CLASSES,
        **sizes,
    )
    return stir(AutoModelForTokenClassification.from_config(config)).eval()


@torch.no_grad()
def stir(model):
    """Move every weight that training could move."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@torch.inference_mode()
def answers(model):
    ids = torch.arange(4, 24).reshape(2, 10)
    return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


def places(family, *which):
    stem, *names = PLACES[family]
    return [stem.format(n) + names[k] for n in range(LAYERS) for k in which]


def trainable(model):
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


@families
@both
def test_an_adapted_model_computes_the_same_and_the_one_it_came_from_is_left_alone(family, method):
    model = tagger(family)
    before = copy.deepcopy(model.state_dict())
    adapted = stir(adapt(model, method))
    torch.testing.assert_close(answers(adapt(model, method)), answers(model))
    assert (answers(adapted) - answers(model)).abs().max() > 0.01
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not adapted_by(model)


@families
def test_exactly_the_promised_parameters_can_be_trained(family):
    model = tagger(family)
    head = CLASSES * (WIDTH + 1)
    lora = trainable(adapt(model, "lora", rank=3))
    parts = [f"{place}.lora_{part}.default.weight" for place in places(family, 0, 2) for part in "AB"]
    assert sorted(lora) == sorted(parts + HEAD)
    assert sum(p.numel() for p in lora.values()) == LAYERS * 2 * 3 * (WIDTH + WIDTH) + head

    ia3 = trainable(adapt(model, "ia3"))
    assert sorted(ia3) == sorted([f"{place}.ia3_l.default" for place in places(family, 1, 2, 3)] + HEAD)
    assert sum(p.numel() for p in ia3.values()) == LAYERS * (2 * WIDTH + INNER) + head

    bitfit = trainable(adapt(model, "bitfit"))
    assert set(bitfit) == {n for n in model.state_dict() if n.endswith(".bias")} | {"classifier.weight"}
    # a layer: query, key, value, output, two LayerNorms, the second feed-forward matrix; the first. And the embeddings.
    assert sum(p.numel() for p in bitfit.values()) == LAYERS * (7 * WIDTH + INNER) + WIDTH + head


@families
@both
def test_merging_gives_a_plain_model_with_the_outputs_of_the_adapted_one(family, method):
    model = tagger(family)
    adapted = stir(adapt(model, method))
    found = answers(adapted)
    plain = merge(adapted)
    torch.testing.assert_close(answers(plain), found, atol=1e-4, rtol=1e-4)
    assert type(plain) is type(model)
    shapes = [{name: weight.shape for name, weight in m.state_dict().items()} for m in (plain, model)]
    assert list(shapes[0].items()) == list(shapes[1].items())
    assert vars(plain).keys() == vars(model).keys()
    assert trainable_share(plain) == 1 and not adapted_by(plain)
    assert torch.equal(answers(adapted), found) and adapted_by(adapted)["method"] == method


@settings(max_examples=25)
@given(rank=st.integers(1, 20), seed=st.integers(0, 3))
def test_lora_merges_to_w_plus_b_a(rank, seed):
    model = tagger()
    torch.manual_seed(seed)
    adapted = stir(adapt(model, "lora", rank, seed))
    assert adapted_by(adapted) == {"method": "lora", "rank": rank, "seed": seed}
    weights, merged = model.state_dict(), merge(adapted).state_dict()
    moved = adapted.state_dict()
    for place in places("bert", 0, 2):
        a, b = (moved[f"{place}.lora_{part}.default.weight"] for part in "AB")
        assert a.shape == (rank, WIDTH) and b.shape == (WIDTH, rank)
        torch.testing.assert_close(merged[f"{place}.weight"], weights[f"{place}.weight"] + b @ a)
    same = set(weights) - set(HEAD) - {f"{place}.weight" for place in places("bert", 0, 2)}
    assert all(torch.equal(weights[name], merged[name]) for name in same)
    total = sum(p.numel() for p in model.parameters())
    extra, head = LAYERS * 2 * rank * 2 * WIDTH, CLASSES * (WIDTH + 1)
    assert trainable_share(adapted) == (extra + head) / (total + extra)


@families
def test_ia3_merges_to_rescaled_rows_and_in_the_feed_forward_layer_columns(family):
    model = tagger(family)
    adapted = stir(adapt(model, "ia3"))
    weights, moved, merged = model.state_dict(), adapted.state_dict(), merge(adapted).state_dict()
    for place in places(family, 1, 2):
        scale = moved[f"{place}.ia3_l.default"].flatten()
        torch.testing.assert_close(merged[f"{place}.weight"], scale[:, None] * weights[f"{place}.weight"])
        torch.testing.assert_close(merged[f"{place}.bias"], scale * weights[f"{place}.bias"])
    for place in places(family, 3):
        scale = moved[f"{place}.ia3_l.default"].flatten()
        assert scale.shape == (INNER,)
        torch.testing.assert_close(merged[f"{place}.weight"], weights[f"{place}.weight"] * scale)
        assert torch.equal(merged[f"{place}.bias"], weights[f"{place}.bias"])


def test_loras_beginning_depends_on_the_seed_and_on_nothing_else():
    name = places("bert", 0)[0] + ".lora_A.default.weight"
    first = [adapt(tagger(), seed=seed).state_dict()[name] for seed in (0, 0, 1)]
    assert torch.equal(first[0], first[1]) and not torch.equal(first[0], first[2])


def test_of_a_classifier_the_head_is_trained_and_the_pooler_is_the_encoders():
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=40, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=INNER
        )
    )
    names = trainable(adapt(model, "ia3"))
    assert set(HEAD) < set(names) and not any("pooler" in name for name in names)
    assert "bert.pooler.dense.bias" in trainable(adapt(model, "bitfit"))


def test_every_wrong_wish_is_one_clear_error():
    model = tagger()
    with pytest.raises(SettingError, match="unknown method 'houlsby'; expected one of lora, ia3, bitfit"):
        adapt(model, "houlsby")
    for rank in (0, 2.5):
        with pytest.raises(SettingError, match=f"rank is {rank}; LoRA needs a whole number, at least 1"):
            adapt(model, rank=rank)
    with pytest.raises(ModelError, match="adapted, by bitfit; merge it first"):
        adapt(adapt(model, "bitfit"), "lora")
    with pytest.raises(ModelError, match="this model is plain; there is nothing to merge"):
        merge(model)
    with pytest.raises(ModelError, match="this model is adapted, by lora; merge it first"):
        models.student("cut:1", adapt(model))


def test_an_adapted_model_is_not_saved_as_a_plain_one(tmp_path, tokenizer):
    with pytest.raises(ModelError, match="this model is adapted, by ia3; merge it first"):
        models.save(adapt(tagger(), "ia3"), tokenizer, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_family_whose_layers_are_not_known_is_refused_and_bitfit_needs_no_names():
    config = AutoConfig.for_model(
        "squeezebert", vocab_size=40, hidden_size=16, embedding_size=16, num_hidden_layers=1, num_attention_heads=4
    )
    stranger = AutoModelForTokenClassification.from_config(config)
    for method in ("lora", "ia3"):
        with pytest.raises(ModelError, match=rf"{method} does not know the layers of 'squeezebert'; .*bert, roberta"):
            adapt(stranger, method)
    assert 0 < trainable_share(adapt(stranger, "bitfit")) < 0.2


# --- training: tiny, but through the whole of fine_tune and distill ---

SETTINGS = Settings(epochs=3, learning_rate=1e-2, batch_size=8)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A base model, its tokenizer, a corpus, and the corpus with the signals of a teacher."""
    folder = tmp_path_factory.mktemp("room")
    base = str(tiny.base_model(folder / "base"))
    train = data.load(str(tiny.corpus(folder / "corpus")))["train"]
    teacher, tokenizer = models.teacher(base, tiny.LABELS, seed=7)
    weights = Weights(relations=1.0)
    layers = weights.teacher_layers(teacher.config, teacher.config)
    transfer = samples.with_teacher(train, teacher, tokenizer, folder / "signals", layers=layers)
    return base, tokenizer, train, transfer


def fresh(room):
    return models.teacher(room[0], tiny.LABELS)[0]


def loss_on(room, model):
    batch = data.collate(room[1])(list(data.encode(room[2], room[1])))
    labels, _ = batch.pop("labels"), batch.pop("first_subwords")
    with torch.inference_mode():
        return losses.cross_entropy(model(**batch).logits, labels).item()


def may_change(names, method):
    """The weights of the merged model that ``method`` may move."""
    ends = {
        "lora": ("query.weight", "value.weight"),
        "ia3": ("key.weight", "key.bias", "value.weight", "value.bias", ".output.dense.weight"),
        "bitfit": (".bias",),
    }[method]
    outside = ".attention.output.dense.weight"
    return {n for n in names if n in HEAD or (n.endswith(ends) and not n.endswith(outside))}


@both
def test_fine_tuning_lowers_the_loss_moves_only_what_it_may_and_saves_a_plain_model(room, tmp_path, method):
    model = fresh(room)
    before = copy.deepcopy(model.state_dict())
    tuned = fine_tune(adapt(model, method), *room[1:3], tmp_path / "out", SETTINGS)
    assert loss_on(room, tuned) < 0.9 * loss_on(room, model)

    after = tuned.state_dict()
    assert after.keys() == before.keys()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    allowed = may_change(before, method)
    # Nothing pulls at a bias that begins at zero and is only rescaled, nor at a key's bias: the softmax cancels it.
    still = {name for name in allowed if name.endswith("key.bias" if method == "bitfit" else ".bias")} - set(HEAD)
    assert allowed - still <= moved <= allowed

    loaded, _ = models.load(tmp_path / "out")
    assert type(loaded) is type(model) and not adapted_by(loaded) and trainable_share(tuned) == 1
    assert loss_on(room, loaded) == loss_on(room, tuned)


def test_a_student_is_distilled_through_its_adapted_projections_and_a_finished_one_is_only_loaded(room, tmp_path):
    student = models.student("cut:1", fresh(room))
    one_epoch = Settings(epochs=1, learning_rate=1e-2, batch_size=8, weights=Weights(relations=1.0))

    def run(model):
        return distill(model, room[1], room[3], tmp_path / "out", one_epoch)

    query = places("bert", 0)[0] + ".weight"
    first = run(adapt(student, "lora"))
    assert not torch.equal(first.state_dict()[query], student.state_dict()[query])
    again = run(adapt(student, "lora"))
    assert all(torch.equal(w, again.state_dict()[name]) for name, w in first.state_dict().items())
    for other in (student, adapt(student, "bitfit"), adapt(student, "lora", rank=2)):
        with pytest.raises(RunError, match=r"made with other settings or data \(adapted_by is"):
            run(other)


class Stop(TrainerCallback):
    """Break off as Ctrl-C does, some steps after the first checkpoint."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 9:  # 6 steps an epoch
            raise KeyboardInterrupt


@both
@pytest.mark.usefixtures("every_epoch")
def test_an_interrupted_run_has_no_optimizer_state_of_frozen_weights_and_resumes_to_the_same_ones(
    room, tmp_path, monkeypatch, method
):
    model = fresh(room)
    fine_tune(adapt(model, method), *room[1:3], tmp_path / "whole", SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(training.runs, "Bar", lambda title: Stop())
        with pytest.raises(KeyboardInterrupt):
            fine_tune(adapt(model, method), *room[1:3], tmp_path / "parts", SETTINGS)

    checkpoint = tmp_path / "parts-unfinished" / "checkpoint-6"
    state = torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"]
    kept = sum(value.numel() for moments in state.values() for key, value in moments.items() if key != "step")
    assert kept == 2 * sum(p.numel() for p in trainable(adapt(model, method)).values())  # Adam's two moments

    for other in (model, adapt(model, METHODS[METHODS.index(method) - 1])):
        with pytest.raises(RunError, match=r"parts-unfinished was made with other settings or data \(adapted_by is"):
            fine_tune(other, *room[1:3], tmp_path / "parts", SETTINGS)
    fine_tune(adapt(model, method), *room[1:3], tmp_path / "parts", SETTINGS)
    assert tiny.same_weights(tmp_path / "whole", tmp_path / "parts")
