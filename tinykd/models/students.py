"""Students, and the maps between their layers and the teacher's. Taught in lesson 03."""

import torch
from transformers import BertConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinykd.errors import ModelError
from tinykd.models import loading
from tinykd.models.hooks import stack_of_layers
from tinykd.models.state import check_vocabulary, label_names, refuse_adapted, task_of

#: Jiao et al. 2020, table 1: layers, hidden size, feed-forward size, heads
TINYBERT = {"tinybert-4": (4, 312, 1200, 12), "tinybert-6": (6, 768, 3072, 12)}


def student(spec: str, teacher: PreTrainedModel, seed: int = 0, vocabulary: int | None = None) -> PreTrainedModel:
    """Make a student for ``teacher``'s labels.

    Args:
        spec: ``"cut:3"`` keeps three of the teacher's layers, evenly spread, with its embeddings and head;
            ``"cut:0,2,5"`` names them; ``"tinybert-4"`` and ``"tinybert-6"`` are the shapes of the paper with random
            weights (drawn with ``seed``); anything else is a folder or Hub id, with a tokenizer of its own.
        teacher: gives labels, task, and for a cut the weights.
        vocabulary: size of the vocabulary of a new shape; the teacher's by default.

    Raises:
        ModelError: a layer that the teacher does not have, an adapted teacher, an unknown shape, other labels.
    """
    labels = label_names(teacher.config)
    if spec.startswith("cut:"):
        refuse_adapted(teacher)
        return cut(teacher, _parse_layers(spec, teacher.config.num_hidden_layers))
    if spec not in TINYBERT:
        return loading.teacher(spec, labels, task_of(teacher), seed)[0]
    torch.manual_seed(seed)
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads")
    config = BertConfig(
        **dict(zip(names, TINYBERT[spec], strict=True)),
        vocab_size=teacher.config.vocab_size if vocabulary is None else vocabulary,
        num_labels=len(labels),
        pad_token_id=teacher.config.pad_token_id,
    )
    model = loading.HEADS[task_of(teacher)].from_config(config)
    loading.name_labels(model, labels)
    return model.eval()


def svd_embeddings(student: PreTrainedModel, teacher: PreTrainedModel) -> PreTrainedModel:
    """Give a narrower student the teacher's word, position and type embeddings, cut to its width. Taught in lesson 03.

    All are projected on the first right singular vectors of the embedding matrix: of all matrices of this rank, the
    nearest to the teacher's (Eckart and Young 1936). The student is changed in place, and returned. A ModelError if it
    is wider than the teacher, or has another number of subword tokens, positions or types.
    """
    theirs, own = teacher.base_model.embeddings, student.base_model.embeddings
    matrix, width = teacher.get_input_embeddings().weight.detach().float(), student.config.hidden_size
    if width > matrix.shape[1]:
        raise ModelError(f"the student is {width} wide, the teacher {matrix.shape[1]}; a wider one inherits nothing")
    every = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    names = [name for name in every if hasattr(own, name) or hasattr(theirs, name)]
    for name in names:
        rows = [len(getattr(side, name).weight) if hasattr(side, name) else 0 for side in (own, theirs)]
        if rows[0] != rows[1]:
            raise ModelError(f"{name}: the student has {rows[0]} rows, the teacher {rows[1]}; none can be inherited")
    axes = torch.linalg.svd(matrix, full_matrices=False)[2][:width]
    with torch.no_grad():
        for name in names:
            own.get_submodule(name).weight.copy_(theirs.get_submodule(name).weight.float() @ axes.T)
    return student


def layer_map(teacher_layers: int, student_layers: int, kind: str | tuple[int, ...] = "uniform") -> list[int]:
    """Return, for each student layer, the teacher layer (from 0) it stands for; a ModelError if a map does not fit.

    ``"uniform"`` is TinyBERT's ``g(m) = m · N / M``: the last layer of the student stands for the last of the teacher;
    ``"first"`` and ``"last"`` take the lowest and the highest layers; a tuple names them.

    >>> layer_map(6, 3)
    [1, 3, 5]
    """
    if not 0 < student_layers <= teacher_layers:
        raise ModelError(f"a student of {student_layers} layers cannot be mapped on a teacher of {teacher_layers}")
    if not isinstance(kind, str):
        if len(kind) != student_layers or not all(0 <= layer < teacher_layers for layer in kind):
            needed = f"{student_layers} of the teacher's layers 0 to {teacher_layers - 1}"
            raise ModelError(f"layer map {list(kind)}: it must name {needed}")
        return list(kind)
    maps = {
        "uniform": [(m + 1) * teacher_layers // student_layers - 1 for m in range(student_layers)],
        "first": list(range(student_layers)),
        "last": list(range(teacher_layers - student_layers, teacher_layers)),
    }
    if kind not in maps:
        raise ModelError(f"unknown layer map {kind!r}; expected one of {', '.join(maps)}")
    return maps[kind]


def tokenizer_of(student: PreTrainedModel, teachers: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return a student's own tokenizer if it has a folder, else the teacher's; a ModelError if that does not fit."""
    own = loading.tokenizer(student.name_or_path) if student.name_or_path else teachers
    check_vocabulary(student, own)
    return own


def _parse_layers(spec: str, depth: int) -> list[int]:
    try:
        numbers = [int(number) for number in spec.removeprefix("cut:").split(",")]
    except ValueError:
        raise ModelError(f"{spec!r}: write 'cut:3' for three layers or 'cut:0,2,5' for these") from None
    layers = numbers if "," in spec else layer_map(depth, numbers[0])
    if not all(0 <= layer < depth for layer in layers):
        raise ModelError(f"{spec!r}: the teacher has layers 0 to {depth - 1}")
    return layers


def cut(teacher: PreTrainedModel, layers: list[int]) -> PreTrainedModel:
    """Return a copy of ``teacher`` with only these of its layers (from 0), in this order."""
    config = type(teacher.config).from_dict(teacher.config.to_dict())
    config.num_hidden_layers = len(layers)  # set, not merged: some architectures have another name for it
    for name in {"heads_by_layer", "neurons_by_layer"} & vars(teacher.config).keys():  # of a pruned BERT
        setattr(config, name, [getattr(teacher.config, name)[layer] for layer in layers])
    config.name_or_path = ""  # it comes from no folder: it reads with the teacher's tokenizer
    model = type(teacher)(config).to(teacher.dtype)
    found = stack_of_layers(teacher)
    stack = next(name for name, module in teacher.named_modules() if module is found) + "."
    theirs = teacher.state_dict()
    weights = {name: tensor for name, tensor in theirs.items() if not name.startswith(stack)}
    for place, layer in enumerate(layers):
        prefix = f"{stack}{layer}."
        for name in theirs:
            if name.startswith(prefix):
                weights[f"{stack}{place}.{name.removeprefix(prefix)}"] = theirs[name]
    model.load_state_dict(weights)
    return model.eval()
