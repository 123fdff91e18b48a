"""What the scenarios share: artefacts that are made once, the precision of a run, sentence encoders."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from tinykd.artifacts import new_folder, read_json, seal, sealed
from tinykd.errors import DamagedError
from tinykd.models import best_precision
from tinykd.models.loading import folder_of, quiet
from tinykd.models.precision import device

logger = logging.getLogger("tinykd")
logging.getLogger("sentence_transformers").setLevel(logging.ERROR)  # it tells of every new head
SETUP = "setup.json"  #: what a run depends on


def made(folder: Path, note: str, facts: dict, make: Callable[[Path], None]) -> Path:
    """Return a folder that is made once; made anew if what stands there is damaged or of other facts.

    Args:
        note: the file that seals the folder; it holds the facts.
        make: fills an empty folder.

    Raises:
        RunError: something else stands there, or it cannot be written.
    """
    try:
        there = sealed(folder, note)
        if there == json.loads(json.dumps(facts)) | {"files": there["files"]}:
            return folder
        logger.info("%s: of other settings or data; it is made anew", folder)
    except FileNotFoundError:
        pass
    except DamagedError as error:
        logger.info("%s; it is made anew", error)
    with new_folder(folder, note) as unfinished:
        make(unfinished)
        seal(unfinished, note, facts)
    return folder


def precision_of(run: Path) -> str:
    """Return the precision of a run as it was begun; of a new one, what trains faster on this machine."""
    note = Path(run) / SETUP
    return read_json(note).get("precision", "fp32") if note.is_file() else best_precision()


def encoder(folder: str | Path = "minilm", max_length: int = 512) -> SentenceTransformer:
    """Return a model as a sentence encoder: the mean over a text's subword tokens, of length 1.

    Args:
        folder: ``"minilm"`` or a folder; a head that stands there is not used.
        max_length: subword tokens that are read of a text.
    """
    with quiet():
        body = Transformer(str(folder_of(folder)), max_seq_length=max_length)
        mean = Pooling(body.get_embedding_dimension(), pooling_mode="mean")
        return SentenceTransformer(modules=[body, mean, Normalize()], device=str(device())).eval()
