"""What happens when the corpus is ten times as large, and a hundred times? Time must grow in step, memory hardly.

The corpus is *newswire*, repeated (synthetic, and said so): a folder on the disk as a user would have it. The model is
untrained and tiny, so that what is measured is the way of the data and not the matrix multiplications:

* ``store``       read the corpus, let the teacher predict every word, write the store
* ``start-up``    read the corpus, find the store, and train one step
* ``evaluation``  read the corpus and score every sentence

python benchmarks/growing.py [--rows 600] [--times 1 10 100] [--rounds 3]
"""

import contextlib
import tempfile
import time
from pathlib import Path

import turns

JOBS = ("store", "start-up", "evaluation")
TIMES = (1, 10, 100)
CONTESTANTS = tuple(f"{job} x{times}" for job in JOBS for times in TIMES)
OPTIONS = {"--rows": {"type": int, "default": 600, "help": "sentences at x1; default: %(default)s"}}


class Started(Exception):
    """The first step is done: no error, it ends a training whose start is what is timed."""


def prepare(options) -> None:
    """Write the corpora, the model, and the store that ``start-up`` finds."""
    from tinykd import data, models, samples

    if not (options.work / "model").exists():
        _tiny(options.work / "base")
        names = data.label_names(data.load("newswire"))
        models.save(*models.teacher(str(options.work / "base"), names), options.work / "model")
    rows = data.load("newswire", max_train=options.rows)
    for times in {int(name.split(" x")[1]) for name in options.contestants}:
        folder = options.work / f"x{times}"
        folder.mkdir(exist_ok=True)
        for split in ("train", "valid", "test"):
            part = rows[split].select(range(min(len(rows[split]), options.rows if split == "train" else 20)))
            text = _conll(part) * (times if split == "train" else 1)
            (folder / f"{split}.conll").write_text(text, encoding="utf-8")
        if f"start-up x{times}" in options.contestants:
            train = data.load(str(folder))["train"]
            samples.with_teacher(train, *models.load(options.work / "model"), options.work / f"signals-x{times}")


def _conll(dataset) -> str:
    from tinykd import data

    names = data.label_names(dataset)
    return "".join(
        "".join(f"{word} {names[k]}\n" for word, k in zip(row["tokens"], row["labels"], strict=True)) + "\n"
        for row in dataset
    )


def _tiny(folder: Path) -> None:
    """Save an untrained BERT of two narrow layers, with the embedded teacher's tokenizer."""
    from transformers import BertConfig, BertModel

    from tinykd import models

    tokenizer = models.teacher("minilm", ["O", "B-PER", "I-PER"])[1]
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def measure(name: str, options) -> dict:
    """Do one job on one size, from the files on."""
    from tinykd import data, evaluation, models, samples, training
    from tinykd.deploy import measuring
    from tinykd.training import runs

    job, size = name.split(" ")
    model, tokenizer = models.load(options.work / "model")
    start = time.perf_counter()
    train = data.load(str(options.work / size))["train"]
    with tempfile.TemporaryDirectory() as place:
        if job == "store":
            samples.with_teacher(train, model, tokenizer, Path(place) / "signals")
        elif job == "evaluation":
            evaluation.evaluate(model, tokenizer, train)
        else:
            transfer = samples.with_teacher(train, model, tokenizer, options.work / f"signals-{size}")
            student = models.student("cut:1", model)
            runs.Bar = lambda title: _after_one_step()
            with contextlib.suppress(Started):
                training.distill(student, tokenizer, transfer, Path(place) / "out", training.Settings(epochs=1))
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "sentences": len(train), "memory_bytes": measuring.peak_memory()}


def _after_one_step():
    from transformers import TrainerCallback

    class Callback(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            raise Started

    return Callback()


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    return turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, prepare, arguments=arguments)


if __name__ == "__main__":
    main()
