"""Load a saved fusion again. Taught in lesson 11."""

from pathlib import Path

from tinykd import models
from tinykd.artifacts import sealed
from tinykd.errors import DamagedError, ModelError
from tinykd.fusion.cascade import Cascade
from tinykd.fusion.members import NOTE
from tinykd.fusion.parallel import Parallel


def load(folder: str | Path, max_length: int | None = None) -> Cascade | Parallel:
    """Load a fusion that ``save`` wrote; ``max_length`` by default as it was saved.

    Raises:
        ModelError: no fusion in this folder, or a file that is missing, cut short or altered.
    """
    folder = Path(folder)
    try:
        facts = sealed(folder, NOTE)
        members = {name: models.load(folder / name) for name in facts["members"]}
        settings = facts["settings"] | ({} if max_length is None else {"max_length": max_length})
        return Cascade(**members, **settings) if facts["kind"] == "cascade" else Parallel(members, **settings)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{folder}: not a fusion; it has no {NOTE}") from None
    except DamagedError as error:
        raise ModelError(f"{error}; save the fusion again") from None
    except (KeyError, TypeError) as error:
        raise ModelError(f"{folder / NOTE}: damaged ({error}); save the fusion again") from None
