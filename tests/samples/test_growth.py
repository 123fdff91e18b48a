"""Ten times the corpus is ten times the store on disk, and the same memory: for writing, for reading, for combining."""

import json
import multiprocessing
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = 300  # more than the writer and the reader hold at a time


class Memory:
    """The peak of the memory that the process owns, beyond what it owned before, in bytes.

    ``ru_maxrss`` would count the pages of a mapped file too, which are the system's to take back at any time.
    """

    def __enter__(self):
        self.peak, self.done = 0, False
        self.before = self.owned()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.done = True
        self.thread.join()

    def watch(self):
        while not self.done:
            self.peak = max(self.peak, self.owned() - self.before)
            time.sleep(0.002)

    @staticmethod
    def owned():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def measure(rows: int) -> dict[str, int]:
    """Return the size of the store of so many sentences, and the memory that each use of it took."""
    import datasets
    from datasets import ClassLabel, Dataset, Features, List, Value

    from tests import tiny
    from tinykd import data, models, samples
    from tinykd.models import inference

    datasets.disable_progress_bars()
    inference.CHUNK = 100
    folder = Path(tempfile.mkdtemp())
    # Many labels make much to store of little text: 201 numbers a word.
    names = ["O", *(f"{prefix}-{type_}" for type_ in range(100) for prefix in "BI")]
    tokens = data.load(str(tiny.corpus(folder / "corpus", train=10)))["train"]["tokens"][:] * (rows // 10)
    texts = {"tokens": tokens, "labels": [[0] * len(words) for words in tokens]}
    features = Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=names))})
    corpus = Dataset.from_dict(texts, features=features)
    teacher, tokenizer = models.teacher(str(tiny.base_model(folder / "base", layers=1)), names)
    samples.with_teacher(corpus.select(range(10)), teacher, tokenizer, folder / "first")  # what is loaded only once
    with Memory() as writing:
        transfer = samples.with_teacher(corpus, teacher, tokenizer, folder / "store")
    encoded, collate = data.encode(transfer, tokenizer), data.collate(tokenizer, transfer)
    with Memory() as reading:
        for start in range(0, rows, 25):
            collate(encoded.select(range(start, start + 25)).to_list())
    with Memory() as combining:
        samples.combine([transfer, transfer], [1, 2])
    size = sum(file.stat().st_size for file in (folder / "store").iterdir())
    return {"store": size, "writing": writing.peak, "reading": reading.peak, "combining": combining.peak}


def in_processes(sizes: list[int]) -> list[dict[str, int]]:
    """Measure each in a process of its own, born of one that has imported all and computed nothing."""
    command = f"from tests.samples.test_growth import measure_each; measure_each({sizes})"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def measure_each(sizes: list[int]) -> None:
    import tinykd.samples  # noqa: F401

    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        print(json.dumps(pool.map(measure, sizes, chunksize=1)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process owns")
def test_memory_does_not_grow_with_the_corpus():
    small, large = in_processes([ROWS, 10 * ROWS])
    assert large["store"] > 9.5 * small["store"]
    for use in ("writing", "reading", "combining"):
        assert large[use] < 1.3 * small[use] + 0.2 * large["store"], (use, small, large)
