"""Load a saved fusion again. Taught in lesson 09."""

from pathlib import Path

from tinykd import models
from tinykd.artifacts import sealed
from tinykd.errors import DamagedError, ModelError
from tinykd.fusion.cascade import Cascade
from tinykd.fusion.members import NOTE
from tinykd.fusion.parallel import Parallel

_KINDS = {
    "cascade": lambda members, settings: Cascade(**members, **settings),
    "parallel": lambda members, settings: Parallel(members, **settings),
}


def load(folder: str | Path, max_length: int | None = None) -> Cascade | Parallel:
    """Load what ``save`` wrote; it predicts the same.

    Args:
        max_length: subword tokens in a window; by default what was saved.

    Raises:
        ModelError: no fusion in this folder, or a file that is missing, cut short or altered.
    """
    folder = Path(folder)
    try:
        facts = sealed(folder, NOTE)
        make, names, settings = _KINDS[facts["kind"]], list(facts["members"]), dict(facts["settings"])
        members = {name: models.load(folder / name) for name in names}
        return make(members, settings | ({} if max_length is None else {"max_length": max_length}))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{folder}: not a fusion; it has no {NOTE}") from None
    except ModelError:
        raise
    except DamagedError as error:
        raise ModelError(f"{error}; save the fusion again") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / NOTE}: damaged ({error}); save the fusion again") from None
