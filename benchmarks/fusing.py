"""What does a cascade save, on the clock? Against the teacher alone, the student alone, and both on every sentence.

The models are untrained, so the share that is handed over is set (``--asked``), not earned: the threshold is the
quantile of the student's own confidences. What share a trained pair needs for which score is in
``experiments/fusion.py``. With ``--teacher`` and ``--student`` real models take part; the share is still set.

python benchmarks/fusing.py [--asked 0.3] [--rows 256] [--batches 1 8 32] [--teacher DIR --student DIR] [--rounds 3]
"""

import time
from pathlib import Path

import turns

CONTESTANTS = ("teacher", "student", "both", "cascade")
OPTIONS = {
    "--asked": {"type": float, "default": 0.3, "help": "share of the sentences that the teacher gets"},
    "--rows": {"type": int, "default": 256, "help": "test sentences of newswire; default: %(default)s"},
    "--batches": {"type": int, "nargs": "*", "default": [1, 8, 32]},
    "--teacher": {"type": Path, "metavar": "DIR"},
    "--student": {"type": Path, "metavar": "DIR"},
    "--base": {"default": "minilm", "help": "the untrained teacher; default: %(default)s"},
    "--shape": {"default": "cut:3", "help": "of the untrained student; default: %(default)s"},
}


def prepare(options) -> None:
    """Save the untrained pair in ``options.work``."""
    from tinykd import data, models

    if not (options.work / "student").exists():
        teacher, tokenizer = models.teacher(options.base, data.label_names(data.load("newswire")))
        models.save(teacher, tokenizer, options.work / "teacher")
        models.save(models.student(options.shape, teacher), tokenizer, options.work / "student")


def measure(name: str, options) -> dict:
    """Milliseconds a sentence at every batch size, after all were answered once; and what the multiplications say."""
    import numpy as np

    from tinykd import data, fusion, models

    dataset = data.load("newswire")["test"]
    dataset = dataset.select(range(min(options.rows, len(dataset))))
    teacher, student = (models.load(getattr(options, who) or options.work / who) for who in ("teacher", "student"))
    costs = [fusion.row_macs(member, dataset) for member in (teacher, student)]
    if name == "cascade":
        sure = [
            fusion.confidence_of_row(row, "entropy") for row in fusion.Cascade(teacher, student, 0.0).logits(dataset)
        ]
        fused = fusion.Cascade(teacher, student, float(np.quantile(sure, options.asked)))
        asked = fused.ask(dataset)[1]
        found = {"asked": float(asked.mean()), "cost": fused.cost(dataset, asked)}
    elif name == "both":
        fused = fusion.Parallel({"teacher": teacher, "student": student}, {"teacher": 0.5, "student": 0.5})
        found = {"cost": float((costs[0] + costs[1]).sum() / costs[0].sum())}
    else:
        member = {"teacher": teacher, "student": student}[name]
        fused = fusion.Parallel({name: member}, {name: 1.0})
        found = {"cost": float(costs[("teacher", "student").index(name)].sum() / costs[0].sum())}
    fused.logits(dataset)
    for batch in options.batches:
        start = time.perf_counter()
        fused.logits(dataset, batch_size=batch)
        found[f"batch {batch}, ms a sentence"] = 1000 * (time.perf_counter() - start) / len(dataset)
    return found


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    return turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, prepare, arguments=arguments)


if __name__ == "__main__":
    main()
