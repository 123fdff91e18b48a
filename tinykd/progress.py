"""The progress bar of everything that may take longer than a few seconds. Taught in lesson 01."""

import os

from tqdm.auto import tqdm


def bar(*arguments, **options) -> tqdm:
    """Return a tqdm bar that shows itself after two seconds; never where ``TQDM_DISABLE`` is set.

    tqdm's bar for notebooks does not look at that variable itself.
    """
    return tqdm(*arguments, delay=2, disable=bool(os.environ.get("TQDM_DISABLE")), **options)
