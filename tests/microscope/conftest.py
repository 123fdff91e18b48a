import pytest

from tests.microscope.models import untrained


@pytest.fixture(scope="session")
def made(tmp_path_factory, tokenizer):
    """A folder like ``runs/microscope``, with untrained models."""
    folder = tmp_path_factory.mktemp("microscope")
    untrained(folder, tokenizer)
    return folder
