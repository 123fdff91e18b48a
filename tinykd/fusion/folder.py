"""Load a saved fusion again. Taught in lesson 09."""

import json
from pathlib import Path

from tinykd import models
from tinykd.errors import ModelError
from tinykd.fusion.cascade import Cascade
from tinykd.fusion.members import NOTE
from tinykd.fusion.parallel import Parallel

_KINDS = {
    "cascade": lambda members, settings: Cascade(**members, **settings),
    "parallel": lambda members, settings: Parallel(members, **settings),
}


def load(folder: str | Path) -> Cascade | Parallel:
    """Load what ``save`` wrote; it gives the same answers.

    Raises:
        ModelError: no fusion in this folder, a damaged note, or a member that is missing.
    """
    path = Path(folder) / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        make, names, settings = _KINDS[note["kind"]], list(note["members"]), note["settings"]
    except OSError:
        raise ModelError(f"{folder}: not a fusion; it has no {NOTE}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path}: damaged; save the fusion again") from None
    members = {name: models.load(Path(folder) / name) for name in names}
    try:
        return make(members, settings)
    except ModelError:
        raise
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: damaged ({error}); save the fusion again") from None
