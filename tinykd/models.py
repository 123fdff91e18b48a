"""Teachers, students and the maps between their layers. Taught in lesson 03."""

import hashlib
import logging
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tinykd import (
    loading,
    manifest,
    pruned_bert,  # noqa: F401  importing it tells transformers how to load pruned models
)
from tinykd.adapters import refuse_adapted
from tinykd.errors import ModelError, RunError
from tinykd.internals import stack_of_layers

logger = logging.getLogger("tinykd")

#: Jiao et al. 2020, table 1: layers, hidden size, feed-forward size, heads
TINYBERT = {"tinybert-4": (4, 312, 1200, 12), "tinybert-6": (6, 768, 3072, 12)}
_HEADS = {"tagging": AutoModelForTokenClassification, "classification": AutoModelForSequenceClassification}


def teacher(
    name: str, labels: list[str], task: str = "tagging", seed: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a teacher with a classification head for ``labels``.

    Args:
        name: ``"minilm"`` (the embedded all-MiniLM-L6-v2: 6 layers, 384 wide, 22.7 M parameters; its weights are
            checked against a pinned SHA-256), a local folder, or a Hub id.
        labels: label names in the order of their ids. A model that was already fine-tuned must know the same names; its
            head is put in this order. Any other model gets a new head, drawn with ``seed``,
            unless it has one of as many labels without names.
        task: ``"tagging"`` or ``"classification"``.

    Raises:
        ModelError: the weights are missing, altered or of another shape than is said, or the model knows other
            labels.
    """
    return _pretrained(name, labels, task, seed)


def load(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a fine-tuned model that was saved with its tokenizer.

    Raises:
        ModelError: not a model folder, a model without a task head, or one whose weights lack some.
    """
    here = Path(folder)
    if (here / manifest.NAME).is_file():
        raise ModelError(f"{folder}: an exported model; predict and bench read it. Name the folder that it was made of")
    if (here / "fusion.json").is_file():
        raise ModelError(f"{folder}: a fusion; predict and evaluate read it. Name the folder of one of its models")
    if not (here / "config.json").is_file() and (here / "student" / "config.json").is_file():
        raise ModelError(f"{folder}: a folder of several models; name one of them, for example {here / 'student'}")
    config = loading.from_folder(AutoConfig, folder)
    if not is_fine_tuned(config):
        raise ModelError(f"{folder}: this model was not fine-tuned; it has no label names")
    return loading.whole(_HEADS[task_of(config)], folder).eval(), loading.tokenizer(folder)


def student(spec: str, teacher: PreTrainedModel, seed: int = 0, vocabulary: int | None = None) -> PreTrainedModel:
    """Make a student for ``teacher``'s labels.

    Args:
        spec: ``"cut:3"`` keeps three of the teacher's layers, evenly spread, with its embeddings and head;
            ``"cut:0,2,5"`` names them; ``"tinybert-4"`` and ``"tinybert-6"`` are the shapes of the paper with random
            weights (drawn with ``seed``); anything else is a folder or Hub id, with a tokenizer of its own.
        teacher: gives labels, task, and for a cut the weights. Cut *before* fine-tuning for a student that owes the
            teacher's training nothing.
        vocabulary: size of the vocabulary of a new shape; the teacher's by default.

    Raises:
        ModelError: a layer that the teacher has not, an adapted teacher, an unknown shape, other labels.
    """
    labels = label_names(teacher.config)
    if spec.startswith("cut:"):
        refuse_adapted(teacher)
        return _cut(teacher, _parse_layers(spec, teacher.config.num_hidden_layers))
    torch.manual_seed(seed)
    if spec in TINYBERT:
        layers, hidden, feed_forward, heads = TINYBERT[spec]
        config = transformers.BertConfig(
            vocab_size=teacher.config.vocab_size if vocabulary is None else vocabulary,
            num_hidden_layers=layers,
            hidden_size=hidden,
            intermediate_size=feed_forward,
            num_attention_heads=heads,
            num_labels=len(labels),
            pad_token_id=teacher.config.pad_token_id,
        )
        model = _HEADS[task_of(teacher)].from_config(config)
        _name_labels(model, labels)
        return model.eval()
    return _pretrained(spec, labels, task_of(teacher), seed)[0]


def inherit_words(student: PreTrainedModel, teacher: PreTrainedModel) -> PreTrainedModel:
    """Give a narrower student of the teacher's vocabulary the teacher's words, places and types. Taught in lesson 03.

    A new shape begins with random rows, and a word that training does not show stays random. The teacher's table of
    word pieces is turned on its principal axes (its right singular vectors) and cut to the student's width: of all
    tables so narrow, this is the one that gives back most of the teacher's (Eckart and Young 1936). What the teacher
    adds to each row, its places and types, is turned and cut alike. The student is changed in place, and returned.

    Raises:
        ModelError: another vocabulary than the teacher's, other places or types, or a student that is wider.
    """
    theirs, own = teacher.base_model.embeddings, student.base_model.embeddings
    table, width = teacher.get_input_embeddings().weight.detach().float(), student.config.hidden_size
    if len(student.get_input_embeddings().weight) != len(table) or width > table.shape[1]:
        raise ModelError(
            f"the student has {len(student.get_input_embeddings().weight)} word pieces of {width} numbers, the teacher "
            f"{len(table)} of {table.shape[1]}; words can be inherited by the same pieces of at most as many numbers"
        )
    every = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    names = [name for name in every if hasattr(own, name) or hasattr(theirs, name)]
    for name in names:
        rows = [len(getattr(side, name).weight) if hasattr(side, name) else 0 for side in (own, theirs)]
        if rows[0] != rows[1]:
            raise ModelError(f"{name}: the student has {rows[0]} rows, the teacher {rows[1]}; none can be inherited")
    axes = torch.linalg.svd(table, full_matrices=False)[2][:width]
    with torch.no_grad():
        for name in names:
            own.get_submodule(name).weight.copy_(theirs.get_submodule(name).weight.float() @ axes.T)
    return student


def layer_map(teacher_layers: int, student_layers: int, kind: str | tuple[int, ...] = "uniform") -> list[int]:
    """Return, for each student layer, the teacher layer (from 0) it stands for.

    ``"uniform"`` is TinyBERT's ``g(m) = m · N / M``: the last layer of the student stands for the last of the teacher;
    ``"first"`` and ``"last"`` take the lowest and the highest layers; a tuple is taken as it is, and checked.

    >>> layer_map(6, 3)
    [1, 3, 5]
    """
    if not 0 < student_layers <= teacher_layers:
        raise ModelError(f"a student of {student_layers} layers cannot be mapped on a teacher of {teacher_layers}")
    maps = {
        "uniform": [(m + 1) * teacher_layers // student_layers - 1 for m in range(student_layers)],
        "first": list(range(student_layers)),
        "last": list(range(teacher_layers - student_layers, teacher_layers)),
    }
    if not isinstance(kind, str):
        if len(kind) != student_layers or not all(0 <= layer < teacher_layers for layer in kind):
            raise ModelError(
                f"layer map {list(kind)}: it must name {student_layers} of the teacher's layers "
                f"0 to {teacher_layers - 1}"
            )
        return list(kind)
    if kind not in maps:
        raise ModelError(f"unknown layer map {kind!r}; expected one of {', '.join(maps)}")
    return maps[kind]


def check_labels(found: list[str], expected: list[str], who: str, whom: str) -> None:
    """Refuse two label sets that differ, in any order.

    Raises:
        ModelError: shows both sets.
    """
    if sorted(found) != sorted(expected):
        raise ModelError(
            f"{who} and {whom} have other labels, and labels are matched by name:\n"
            f"  {who}: {', '.join(sorted(found))}\n  {whom}: {', '.join(sorted(expected))}"
        )


def is_fine_tuned(config: transformers.PreTrainedConfig) -> bool:
    """Whether a configuration belongs to a model with a task head and label names of its own."""
    heads = ("ForTokenClassification", "ForSequenceClassification")
    return str((config.architectures or [""])[0]).endswith(heads) and config.id2label.get(0) != "LABEL_0"


def tokenizer_of(student: PreTrainedModel, teachers: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return the tokenizer that a student reads with: its own where its folder brings one, the teacher's otherwise.

    Raises:
        ModelError: the student has room for fewer word pieces than the tokenizer gives.
    """
    own = loading.tokenizer(student.name_or_path) if student.name_or_path else teachers
    check_vocabulary(student, own)
    return own


def weights_digest(model: PreTrainedModel) -> str:
    """Return the SHA-256 of a model's kind, names and weights."""
    sha = hashlib.sha256(type(model).__name__.encode())
    for name, tensor in model.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())  # NumPy knows no bfloat16
    return sha.hexdigest()


def positions(model: PreTrainedModel) -> int | None:
    """Return how many word pieces a model can take at once; ``None`` where it does not tell."""
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if table is None:
        return None
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)  # RoBERTa skips some


def check_length(model: PreTrainedModel, longest: int, max_length: int) -> None:
    """Refuse a text of ``longest`` word pieces, cut at ``max_length``, that is longer than the model can take.

    Raises:
        ModelError: says how many it takes.
    """
    room = positions(model)
    if room is not None and longest > room:
        raise ModelError(f"max_length is {max_length}; this model takes at most {room} word pieces")


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer that gives more word pieces than the model knows.

    Raises:
        ModelError: says both numbers.
    """
    if model.config.vocab_size < len(tokenizer):
        raise ModelError(f"the model knows {model.config.vocab_size} word pieces, its tokenizer has {len(tokenizer)}")


def was_fine_tuned(model: PreTrainedModel) -> bool:
    """Whether ``teacher`` found label names in the folder, and so kept its head."""
    return getattr(model, "was_fine_tuned", False)


def label_names(config: transformers.PreTrainedConfig) -> list[str]:
    """Return a model's labels in the order of their ids."""
    return [config.id2label[i] for i in range(config.num_labels)]


def task_of(one: PreTrainedModel | transformers.PreTrainedConfig) -> str:
    """Return ``"tagging"`` or ``"classification"``: of a model by its class, of a configuration by the one it names."""
    kind = type(one).__name__ if isinstance(one, PreTrainedModel) else str((one.architectures or [""])[0])
    return "classification" if kind.endswith("ForSequenceClassification") else "tagging"


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save model and tokenizer side by side, as safetensors; the folder appears whole or not at all.

    Raises:
        ModelError: the model is adapted; what would be saved is no plain model.
        RunError: ``folder`` holds something that is no model, an exported one too, or cannot be written.
    """
    from tinykd.files import new_folder

    refuse_adapted(model)
    if (Path(folder) / manifest.NAME).exists():
        raise RunError(f"{folder} holds an exported model; choose another folder")
    with new_folder(folder, "config.json") as unfinished, loading.quiet():
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)


def _pretrained(name: str, labels: list[str], task: str, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    folder = loading.folder_of(name)
    config, tokenizer = loading.from_folder(AutoConfig, folder), loading.tokenizer(folder)
    tuned = is_fine_tuned(config)
    if tuned:
        check_labels(list(config.id2label.values()), labels, name, "the corpus")
        labels_there = label_names(config)
        model = loading.whole(_HEADS[task], folder, dtype=torch.float32)
        _reorder_head(model, [labels_there.index(label) for label in labels])
    else:
        torch.manual_seed(seed)
        model = loading.with_new_head(_HEADS[task], folder, len(labels))
    _name_labels(model, labels)
    model.was_fine_tuned = tuned
    return model.eval(), tokenizer


def _name_labels(model: PreTrainedModel, labels: list[str]) -> None:
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {label: i for i, label in enumerate(labels)}
    model.config.architectures = [type(model).__name__]


@torch.no_grad()
def _reorder_head(model: PreTrainedModel, order: list[int]) -> None:
    # A head of several layers (RoBERTa, MPNet, ELECTRA) ends in the one that has a row for each label.
    last = [module for module in model.classifier.modules() if isinstance(module, nn.Linear)][-1]
    last.weight.copy_(last.weight[order].clone())
    last.bias.copy_(last.bias[order].clone())


def _parse_layers(spec: str, depth: int) -> list[int]:
    try:
        numbers = [int(number) for number in spec.removeprefix("cut:").split(",")]
    except ValueError:
        raise ModelError(f"{spec!r}: write 'cut:3' for three layers or 'cut:0,2,5' for these") from None
    layers = numbers if "," in spec else layer_map(depth, numbers[0])
    if not all(0 <= layer < depth for layer in layers):
        raise ModelError(f"{spec!r}: the teacher has layers 0 to {depth - 1}")
    return layers


def _cut(teacher: PreTrainedModel, layers: list[int]) -> PreTrainedModel:
    config = type(teacher.config).from_dict(teacher.config.to_dict())
    config.num_hidden_layers = len(layers)  # set, not merged: some architectures have another name for it
    for name in {"heads_by_layer", "neurons_by_layer"} & vars(teacher.config).keys():  # of a pruned BERT
        setattr(config, name, [getattr(teacher.config, name)[layer] for layer in layers])
    config.name_or_path = ""  # it comes from no folder: it reads with the teacher's tokenizer
    model = type(teacher)(config).to(teacher.dtype)
    found = stack_of_layers(teacher)
    stack = next(name for name, module in teacher.named_modules() if module is found) + "."
    weights = {}
    for name, tensor in teacher.state_dict().items():
        if name.startswith(stack):
            number, rest = name.removeprefix(stack).split(".", 1)
            for place, layer in enumerate(layers):
                if layer == int(number):
                    weights[f"{stack}{place}.{rest}"] = tensor
        else:
            weights[name] = tensor
    model.load_state_dict(weights)
    return model.eval()
