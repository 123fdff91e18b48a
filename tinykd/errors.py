"""The errors that a user can mend: the command line prints them as one line. Any other one is a defect of ours."""

import numbers


class TinykdError(Exception):
    """Base of every error that tinykd raises on purpose."""


class DataError(TinykdError, ValueError):
    """A corpus that is missing, unreadable or wrong; the message names file and line."""


class ModelError(TinykdError, ValueError):
    """A model that is missing, altered, or does not fit the other one or the corpus."""


class SettingError(TinykdError, ValueError):
    """A value that an argument or option cannot have; the message names it and says what it can be."""


class RunError(TinykdError, RuntimeError):
    """A run that cannot start or go on: an output folder in use, a loss that is not a number, a full disk."""


class DamagedError(RunError):
    """An artefact of ours that is cut short, altered or missing a part."""


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number, no bool, and at least ``least``."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= least
