"""What dynamic samples cost: processor seconds of one epoch with and without them, the teacher's predictions stored.

Processor seconds and not those of the clock, so that a busy machine does not count; start-up is in both.
``python experiments/dynamic_cost.py [--rounds 2]``; what is recorded is kept.
"""

import argparse
import json
import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tinykd import data, models, recipes, samples
from tinykd.artifacts import write_json
from tinykd.samples import Dynamic
from tinykd.training import Settings, distill

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "dynamic_cost.json"
SENTENCES = 4800  #: of CoNLL-2003: 150 steps, so that samples are chosen three times
SETTINGS = Settings(epochs=1, learning_rate=3e-4, batch_size=32, alpha=0.2)
WAYS = {"all sentences": None, "dynamic": Dynamic()}


def seconds(rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of each way, one number per round; the ways take turns."""
    corpus = data.load("conll2003", max_train=SENTENCES)
    teacher, tokenizer = models.teacher("minilm", data.label_names(corpus))
    measured: dict[str, list[float]] = {name: [] for name in WAYS}
    settings = replace(SETTINGS, precision=models.best_precision(), speed=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "signals"
        transfer = samples.with_teacher(corpus["train"], teacher, tokenizer, store, precision=settings.precision)
        for number in range(rounds):
            for name, dynamic in WAYS.items():
                student, out = models.student("cut:3", teacher), Path(folder) / f"{name}-{number}"
                start = time.process_time()
                distill(student, tokenizer, transfer, out, replace(settings, dynamic=dynamic))
                measured[name].append(time.process_time() - start)
    return measured


def main() -> None:
    """Measure, unless that is recorded, and print what is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not RESULTS.exists():
        about = {"sentences": SENTENCES, "precision": models.best_precision(), "speed": True}
        write_json(RESULTS, {"seconds": seconds(options.rounds)} | about | recipes.provenance())
    for name, each in json.loads(RESULTS.read_text(encoding="utf-8"))["seconds"].items():
        print(f"{name:<15}" + "".join(f"{one:>8.1f}" for one in each))


if __name__ == "__main__":
    main()
