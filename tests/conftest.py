import gc
import os
from pathlib import PurePosixPath

os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it: no test touches the network
os.environ["TQDM_DISABLE"] = "1"

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["site_fixtures"]

#: What takes longest comes first, so that two cores end together. A lesson that finds what another one trained comes
#: long after it: nobody waits for a neighbour's teacher.
LESSONS = ("15", "03", "01", "12", "13", "14", "08", "05", "04", "07", "11", "16", "09", "10", "02", "06")
LONG = (
    *("test_site_pages", "test_place", "test_project", "test_microscope_page", "test_site_settings", "test_growth"),
    *("test_commands", "test_damage", "test_benchmarks", "test_distributed", "test_experiments_ladder", "test_packs"),
    *("test_kill", "test_twins", "test_disk", "test_minutes", "test_recommend", "test_runs", "test_trainer"),
    "test_adapters",
)

settings.register_profile("tinykd", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("tinykd")


def pytest_xdist_auto_num_workers():
    """Two more than the cores: while some wait for a kernel, a browser or a disk, others have something to do."""
    return (os.cpu_count() or 1) + 2


class ByRoom(LoadScopeScheduling):
    """A worker takes a file; of folders whose tests share what is expensive to make, it takes the folder."""

    def _split_scope(self, nodeid):
        file = PurePosixPath(nodeid.split("::")[0])
        return str(file.parent if file.parent.name in ("faults", "microscope", "site") else file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Replace that of ``--dist loadfile``."""
    return ByRoom(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items):
    """Order the files; within a file nothing changes. (``--no-loadscope-reorder`` keeps xdist to this order.)"""
    order = [*LESSONS, *LONG]

    def place(item):
        name = item.path.stem[:2] if item.path.suffix == ".ipynb" else item.path.stem
        return order.index(name) if name in order else len(order)

    items.sort(key=place)


def pytest_collection_finish():
    """Tell the garbage collector that all that is imported stays: after every training it looks at everything."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tokenizer():
    from tinykd import models  # not above: who only hands out the tests needs no torch

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


@pytest.fixture
def every_epoch(monkeypatch):
    """A checkpoint after every epoch, however short."""
    from tinykd.training import callbacks

    monkeypatch.setattr(callbacks, "SECONDS", 0)
