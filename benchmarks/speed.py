"""What does each trick of ``tinykd.training.speed`` bring? All of them, and all but one, with one thread and with two.

The demo's student (``cut:3`` of the embedded teacher, stored logits, *newswire*, batches of 16) is distilled for some
epochs. A trick that is left out does nothing; everything else is as ``tinykd distill`` runs it:

* ``only_used``        train only the rows of the embedding matrix that the corpus uses
* ``short_attention``  PyTorch's plain kernel for short sentences in bf16; in fp32 it is never chosen

python benchmarks/speed.py [--rows 640] [--epochs 2] [--threads 1 2] [--rounds 3] [--contestants NAME …]
"""

import contextlib
import tempfile
import time
from pathlib import Path

import distilling
import turns

#: The name in ``tinykd.training.speed`` that is replaced when a trick is left out
TRICKS = {
    "only_used": "only_used",
    "short_attention": "sdpa_kernel",
}
VARIANTS = ("all", *(f"without {trick}" for trick in TRICKS), "none")
THREADS = (1, 2)
CONTESTANTS = tuple(f"{threads}: {variant}" for threads in THREADS for variant in VARIANTS)
OPTIONS = {key: distilling.OPTIONS[key] for key in ("--rows", "--base", "--student")} | {
    "--epochs": {"type": int, "default": 2, "help": "default: %(default)s"},
    "--threads": {"type": int, "nargs": "*", "default": list(THREADS), "help": "default: %(default)s"},
}


def prepare(options) -> list[str]:
    """Store the teacher's logits once for all; return the contestants with these numbers of threads."""
    _transfer(options)
    return [name for name in CONTESTANTS if int(name.split(": ")[0]) in options.threads]


def measure(name: str, options) -> dict:
    """Distil once.

    Returns:
        ``sentences_per_second`` of all steps; ``seconds`` of the whole call, with start, end and saving;
        ``processor_seconds`` of the same, which a busy machine changes least, with one thread; and the most
        ``memory_bytes`` of the process.
    """
    import torch

    from tinykd.deploy import measuring
    from tinykd.training import distill, runs

    threads, variant = name.split(": ")
    torch.set_num_threads(int(threads))
    student, tokenizer, transfer, settings = _transfer(options)
    _leave_out(TRICKS if variant == "none" else [variant.removeprefix("without ")])
    distilling._warm_up(student, tokenizer, transfer, settings)
    clock = distilling.Clock(student, len(transfer), settings.batch_size)
    runs.Bar = lambda title: clock.callback()
    with tempfile.TemporaryDirectory() as folder:
        start, work = time.perf_counter(), time.process_time()
        distill(student, tokenizer, transfer, Path(folder) / "out", settings)
        figures = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - work}
    figures["sentences_per_second"] = len(transfer) * settings.epochs / (clock.ticks[-1] - clock.began)
    return figures | {"memory_bytes": measuring.peak_memory()}


def _transfer(options):
    """Return student, tokenizer, transfer set and the demo's settings; the first call stores the logits."""
    from dataclasses import replace

    from tinykd import data, models, recipes, samples

    train = data.load("newswire", max_train=options.rows)["train"]
    teacher, tokenizer = models.teacher(options.base, data.label_names(train))
    how = {"epochs": options.epochs, "precision": options.precision, "speed": True}
    settings = replace(recipes.suited(len(train))[1], **how)
    transfer = samples.with_teacher(train, teacher, tokenizer, options.work / "signals", precision="fp32")
    return models.student(options.student, teacher), tokenizer, transfer, settings


def _leave_out(tricks) -> None:
    from tinykd.training import speed

    def nothing(*_):
        return contextlib.nullcontext()

    for trick in tricks:
        if trick in TRICKS:
            setattr(speed, TRICKS[trick], nothing)


def gains(runs: dict[str, list[dict]], figure: str = "sentences_per_second") -> list[list]:
    """Return for each number of threads and trick: both, the median with it, without it, and the gain in percent.

    The gain is the median over the rounds, in which each stands beside what it is compared with.
    """
    rows = []
    for threads in THREADS:
        base = runs.get(f"{threads}: all")
        for trick in (*TRICKS, "all of them"):
            bare = runs.get(f"{threads}: without {trick}" if trick in TRICKS else f"{threads}: none")
            if base and bare:
                ratios = [_times(*pair, figure) for pair in zip(base, bare, strict=True)]
                with_it, without = (turns.middle(of, figure)[0] for of in (base, bare))
                rows.append([threads, trick, with_it, without, 100 * (turns.statistics.median(ratios) - 1)])
    return rows


def _times(base: dict, bare: dict, figure: str) -> float:
    """Return how many times as fast it is with the trick."""
    return bare[figure] / base[figure] if figure.endswith("seconds") else base[figure] / bare[figure]


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians, spread and gains."""
    result = turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, prepare, arguments=arguments)
    if result:
        for figure in ("sentences_per_second", "seconds", "processor_seconds"):
            print(f"\n{figure:<38}{'with':>9}{'without':>9}{'gain':>9}")
            for threads, trick, base, bare, gain in gains(result["runs"], figure):
                print(f"{threads} thread{'s' * (threads > 1):<2}{trick:<28}{base:>9.1f}{bare:>9.1f}{gain:>+7.1f} %")
    return result


if __name__ == "__main__":
    main()
