"""What a model is and what it accepts: its task, labels and size, and whether it is plain. Taught in lesson 03."""

import hashlib

import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinykd.errors import ModelError


def task_of(one: PreTrainedModel | PreTrainedConfig) -> str:
    """Return ``"tagging"`` or ``"classification"``: of a model by its class, of a configuration by the one it names."""
    kind = type(one).__name__ if isinstance(one, PreTrainedModel) else str((one.architectures or [""])[0])
    return "classification" if kind.endswith("ForSequenceClassification") else "tagging"


def label_names(config: PreTrainedConfig) -> list[str]:
    """Return a model's labels in the order of their ids."""
    return [config.id2label[i] for i in range(config.num_labels)]


def is_fine_tuned(config: PreTrainedConfig) -> bool:
    """Whether a configuration belongs to a model with a task head and label names of its own."""
    heads = ("ForTokenClassification", "ForSequenceClassification")
    return str((config.architectures or [""])[0]).endswith(heads) and config.id2label.get(0) != "LABEL_0"


def was_fine_tuned(model: PreTrainedModel) -> bool:
    """Whether ``models.teacher`` loaded a fine-tuned model, and so kept its head."""
    return getattr(model, "was_fine_tuned", False)


def adapted_by(model: PreTrainedModel) -> dict[str, str | int]:
    """Return the arguments of :func:`tinykd.adapters.adapt` that made this model; an empty ``dict`` if it is plain."""
    return getattr(model, "adapted_by", {})


def is_prepared(model: PreTrainedModel) -> bool:
    """Whether :func:`tinykd.quantization.prepare` made this model: it rounds its weights while it runs."""
    return getattr(model, "prepared_bits", None) is not None


def refuse_adapted(model: PreTrainedModel) -> None:
    """Raise a ModelError for an adapted model, where a plain one is needed."""
    if how := adapted_by(model):
        raise ModelError(f"this model is adapted, by {how['method']}; merge it first: tinykd.adapters.merge(model)")


def check_labels(found: list[str], expected: list[str], who: str, whom: str) -> None:
    """Raise a ModelError that shows both label sets, if they differ; their order does not matter."""
    if sorted(found) != sorted(expected):
        both = f"  {who}: {', '.join(sorted(found))}\n  {whom}: {', '.join(sorted(expected))}"
        raise ModelError(f"{who} and {whom} have other labels, and labels are matched by name:\n{both}")


def positions(model: PreTrainedModel) -> int | None:
    """Return how many subword tokens a model can take at once; ``None`` if there is no limit."""
    places = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if places is None:
        return None
    return places.num_embeddings - (0 if places.padding_idx is None else places.padding_idx + 1)  # RoBERTa skips some


def check_length(model: PreTrainedModel, longest: int, max_length: int) -> None:
    """Raise a ModelError if the model cannot take the ``longest`` window, in subword tokens, of a ``max_length``."""
    room = positions(model)
    if room is not None and longest > room:
        raise ModelError(f"max_length is {max_length}; this model takes at most {room} subword tokens")


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise a ModelError for a tokenizer with more subword tokens than the model knows."""
    if model.config.vocab_size < len(tokenizer):
        raise ModelError(f"the model knows {model.config.vocab_size} subword tokens, its tokenizer {len(tokenizer)}")


def weights_digest(model: PreTrainedModel) -> str:
    """Return the SHA-256 of a model's kind, names and weights."""
    sha = hashlib.sha256(type(model).__name__.encode())
    for name, tensor in model.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())  # NumPy knows no bfloat16
    return sha.hexdigest()
