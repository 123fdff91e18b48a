import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it: no test touches the network

import pytest
from hypothesis import settings

from tinykd import models

pytest_plugins = ["site_fixtures"]

settings.register_profile("tinykd", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("tinykd")


@pytest.fixture(scope="session")
def tokenizer():
    return models.teacher("minilm", ["O", "B-PER", "I-PER"])[1]


@pytest.fixture
def write(tmp_path):
    """A function that writes ``{name: text or bytes}`` into a corpus folder and returns the folder."""

    def write_files(files, folder="corpus"):
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_files
