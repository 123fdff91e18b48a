"""Small changes: train a small share of an encoder's weights, then merge them back into a plain model.

Three methods freeze all weights, and train a few numbers beside a layer ``W x + b``:

- ``"lora"`` (Hu et al. 2022): a matrix of low rank, ``(W + B A) x + b``, on queries and values; ``A`` is
  ``(rank, in)``, ``B`` is ``(out, rank)`` and begins at zero;
- ``"ia3"`` (Liu et al. 2022), the adapter that merges: learned vectors ``l``, which begin at one, rescale keys and
  values, ``l * (W x + b)``, and what enters the second matrix of the feed-forward layer, ``W (l * x) + b``;
- ``"bitfit"`` (Ben Zaken et al. 2022): nothing new, only the biases ``b`` that are there, LayerNorm's too.

The task head is trained as well, always. The bottleneck adapter of Houlsby et al. 2019 is not here: its nonlinearity
cannot be merged into a plain layer, and so slows every prediction. Taught in lesson 12.
"""

import copy

import torch
from transformers import PreTrainedModel

from tinykd import models
from tinykd.errors import ModelError, SettingError, is_whole

METHODS = ("lora", "ia3", "bitfit")
#: Where each family of encoders keeps its query, key, value and last feed-forward layer.
_BERT = ("query", "key", "value", r"output\.dense")
_LAYERS = dict.fromkeys(["bert", "pruned-bert", "roberta", "xlm-roberta", "camembert", "electra"], _BERT) | {
    "distilbert": ("q_lin", "k_lin", "v_lin", r"ffn\.lin2"),
    "mpnet": ("q", "k", "v", r"output\.dense"),
}


def adapt(model: PreTrainedModel, method: str = "lora", rank: int = 8, seed: int = 0) -> PreTrainedModel:
    """Return a copy of ``model`` that computes the same, in which only ``method`` and the task head can be trained.

    Give the copy to ``training.fine_tune`` or ``training.distill`` like any other model, teacher or student; both
    return it merged. It wants ten times the learning rate of fine-tuning and more, ``ia3`` the highest. Of a student
    with random weights it makes little: frozen noise stays noise.

    Args:
        model: an encoder with a task head; it is left as it is.
        method: ``"lora"``, ``"ia3"`` or ``"bitfit"``.
        rank: of LoRA's update ``B A``; it costs ``rank * (in + out)`` parameters per layer.
        seed: draws LoRA's ``A``.

    Raises:
        SettingError: an unknown method, or a rank that is no whole number above 0.
        ModelError: a model adapted before or prepared for quantization, or a family whose layers we do not know.
    """
    if method not in METHODS:
        raise SettingError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
    if not is_whole(rank, 1):
        raise SettingError(f"rank is {rank}; LoRA needs a whole number, at least 1")
    models.refuse_adapted(model)
    if models.is_prepared(model):
        raise ModelError("this model is prepared for quantization; adapt a plain one, and prepare it once it is merged")
    family = model.config.model_type
    if method != "bitfit" and family not in _LAYERS:
        known = ", ".join(_LAYERS)
        raise ModelError(
            f"{method} does not know the layers of {family!r}; it knows those of {known}. bitfit needs no layer names"
        )
    model = copy.deepcopy(model).requires_grad_(False)
    if method != "bitfit":
        _inject(model, method, rank, seed)
    for name, parameter in model.named_parameters():
        in_head = not name.startswith(f"{model.base_model_prefix}.")
        if in_head or (method == "bitfit" and name.endswith(".bias")):
            parameter.requires_grad = True
    model.adapted_by = {"method": method} | ({"rank": rank, "seed": seed} if method == "lora" else {})
    return model


def merge(model: PreTrainedModel) -> PreTrainedModel:
    """Return a plain copy of an adapted model: class, weight names and shapes of before, the outputs of now.

    ``lora``: ``W + B A``. ``ia3``: ``l * W`` and ``l * b`` by rows, in the feed-forward layer ``l * W`` by columns. A
    bias that ``bitfit`` has trained is in its place already. Every weight of the copy can be trained again.

    Raises:
        ModelError: the model is plain.
    """
    if not models.adapted_by(model):
        raise ModelError("this model is plain; there is nothing to merge")
    from peft.tuners.tuners_utils import BaseTunerLayer

    model = copy.deepcopy(model).requires_grad_(True)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            model.set_submodule(name, layer.get_base_layer())
    for mark in {"adapted_by", "peft_config"} & vars(model).keys():
        delattr(model, mark)
    return model


def trainable_share(model: PreTrainedModel) -> float:
    """Return the share of the model's parameters that training can change, in [0, 1]; the head counts."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad) / sum(p.numel() for p in parameters)


def _inject(model: PreTrainedModel, method: str, rank: int, seed: int) -> None:
    """Put the new parameters of ``method`` into the layers of ``model`` itself."""
    from peft import IA3Config, LoraConfig, inject_adapter_in_model

    query, key, value, feed_forward = _LAYERS[model.config.model_type]
    if method == "lora":
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=rf".*\.({query}|{value})")
    else:
        inner = rf".*\.layer\.\d+\.{feed_forward}"  # not attention.output.dense, which peft's own list takes in too
        config = IA3Config(target_modules=rf".*\.({key}|{value})|{inner}", feedforward_modules=inner)
    torch.manual_seed(seed)
    inject_adapter_in_model(config, model)
