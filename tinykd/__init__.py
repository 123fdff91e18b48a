"""tinykd: distil a large Transformer into a small one, and ship it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinykd.deploy.predictor import Predictor


def open(folder: str | Path, max_length: int | None = None) -> "Predictor":
    """Open whatever predicts: a saved model, an exported one (without torch), or a fusion. Taught in lesson 10.

    ``max_length``, subword tokens in a window, is by default that of the export or fusion, and 128 for a saved model.
    A ModelError if nothing in ``folder`` can predict, or what is there is damaged.
    """
    how = {} if max_length is None else {"max_length": max_length}
    if (Path(folder) / "export.json").is_file():
        from tinykd.deploy import runtime

        return runtime.load(folder, **how)
    if (Path(folder) / "fusion.json").is_file():
        from tinykd import fusion

        return fusion.load(folder, **how)
    from tinykd.deploy import plain

    return plain.load(folder, **how)
