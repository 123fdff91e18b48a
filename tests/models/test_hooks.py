"""What the hooks catch is what the model computes with, in every implementation of attention."""

import pickle

import pytest
import torch
from torch.testing import assert_close
from transformers import (
    BertConfig,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForTokenClassification,
    GPT2Config,
    GPT2ForTokenClassification,
    MPNetConfig,
    MPNetForTokenClassification,
)

from tinykd import losses
from tinykd.errors import ModelError
from tinykd.models.hooks import FeatureHooks, Layers, of_words, projections, stack_of_layers

SIZES = {"vocab_size": 50, "num_labels": 3, "pad_token_id": 0}
IDS = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 12, 0, 0]])
MASK = (IDS > 0).long()
STARTS = torch.tensor([[1, 3], [1, -1]])


def bert(attention="sdpa"):
    torch.manual_seed(0)
    config = BertConfig(
        **SIZES, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=32,
        attn_implementation=attention,
    )  # fmt: skip
    return BertForTokenClassification(config).eval()


def test_the_states_of_words_are_those_of_their_first_subwords():
    model = bert()
    features = FeatureHooks(model, Layers(hidden_states=(0, 3)))(IDS, MASK, STARTS)
    plain = model(input_ids=IDS, attention_mask=MASK, output_hidden_states=True)
    assert features["hidden_states"].shape == (2, 2, 2, 16)  # (batch, words, layers, hidden)
    for place, layer in enumerate((0, 3)):
        assert_close(features["hidden_states"][0, :, place], plain.hidden_states[layer][0, [1, 3]])
    assert_close(features["logits"][1, 0], plain.logits[1, 1])


def test_hooks_see_the_same_under_sdpa_and_eager_and_give_the_models_attentions():
    layers = Layers(attention=(2,))
    every = torch.arange(5).repeat(2, 1)
    with torch.no_grad():
        fused, plain = (FeatureHooks(bert(kind), layers)(IDS, MASK, every) for kind in ("sdpa", "eager"))
        outputs = bert("eager")(input_ids=IDS, attention_mask=MASK, output_attentions=True)
    for name in ("queries", "keys", "values"):
        assert_close(fused[name], plain[name])
    scores = losses.attention_scores(fused["queries"][:, :, 0], fused["keys"][:, :, 0], heads=4)
    shown = scores.masked_fill(MASK[:, None, None] == 0, -torch.inf).softmax(-1)
    assert_close(shown, outputs.attentions[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        bert(),
        DistilBertForTokenClassification(DistilBertConfig(**SIZES, dim=16, n_layers=2, n_heads=2, hidden_dim=32)),
        MPNetForTokenClassification(
            MPNetConfig(
                **SIZES | {"pad_token_id": 1},
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
            )
        ),
    ],
    ids=["bert", "distilbert", "mpnet"],
)
def test_the_families_that_we_know(model):
    features = FeatureHooks(model.eval(), Layers((1,), (1, 2)))(IDS, MASK, STARTS)
    for name in ("queries", "keys", "values"):
        assert features[name].shape == (2, 2, 2, 16)
    assert not torch.equal(features["queries"], features["keys"])


def test_a_gradient_flows_through_what_is_watched():
    model = bert()
    FeatureHooks(model, Layers(attention=(1,)))(IDS, MASK, STARTS)["queries"].sum().backward()
    query = projections(model, 1)[0]
    assert query.weight.grad.abs().sum() > 0
    assert projections(model, 2)[0].weight.grad is None


def test_nothing_stays_on_a_model_that_was_watched():
    model = bert()
    hooks = FeatureHooks(model, Layers(attention=(1, 3)))
    first = hooks(IDS, MASK, STARTS)
    assert not any(module._forward_hooks for module in model.modules())
    assert_close(hooks(IDS, MASK, STARTS), first)  # and it can be watched again
    with pytest.raises(IndexError):
        hooks(IDS + 100, MASK, STARTS)
    assert not any(module._forward_hooks for module in model.modules())
    again = pickle.loads(pickle.dumps(model))
    assert_close(FeatureHooks(again, Layers(attention=(1, 3)))(IDS, MASK, STARTS), first)


def test_the_embeddings_attend_to_nothing():
    with pytest.raises(ModelError, match="has layers 1 to 3, and no layer 0"):
        FeatureHooks(bert(), Layers(attention=(0,)))


@pytest.mark.parametrize("layers", [Layers((4,)), Layers((), (4,)), Layers((-1,))])
def test_a_layer_that_is_not_there(layers):
    with pytest.raises(ModelError, match=r"layer (4|-1): the model has layers 0 \(embeddings\) to 3"):
        FeatureHooks(bert(), layers)


@pytest.mark.parametrize("number", [0, 4, -1])
def test_a_projection_of_a_layer_that_is_not_there(number):
    with pytest.raises(ModelError, match=rf"BertForTokenClassification has layers 1 to 3, and no layer {number}"):
        projections(bert(), number)
    assert stack_of_layers(bert().bert) is not None  # a body alone, too


def test_an_architecture_that_we_do_not_know():
    model = GPT2ForTokenClassification(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2))
    with pytest.raises(ModelError, match="GPT2ForTokenClassification"):
        FeatureHooks(model, Layers(attention=(1,)))


def test_a_padding_word_is_harmless():
    pieces = torch.arange(10.0).view(2, 5)
    assert of_words(pieces, STARTS).tolist() == [[1, 3], [6, 5]]
