"""The progress bar of everything that may take longer than a few seconds. Taught in lesson 01."""

import os

from tqdm.auto import tqdm


def bar(*arguments, **options) -> tqdm:
    """Return a tqdm bar that appears after two seconds; none if ``TQDM_DISABLE`` is set, which notebook bars ignore."""
    return tqdm(*arguments, delay=2, disable=bool(os.environ.get("TQDM_DISABLE")), **options)
