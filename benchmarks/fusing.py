"""What does a cascade save, on the clock? Against the teacher alone, the student alone, and both on every sentence.

The models are untrained, so the deferral rate is set (``--deferred``), not earned: the threshold is the quantile of the
student's own confidences. What rate a trained pair needs for which score is in ``experiments/fusion.py``. With
``--teacher`` and ``--student`` real models take part; the rate is still set.

python benchmarks/fusing.py [--deferred 0.3] [--rows 256] [--batches 1 8 32] [--teacher DIR --student DIR] [--rounds 3]
"""

import time
from pathlib import Path

import turns

CONTESTANTS = ("teacher", "student", "both", "cascade")
OPTIONS = {
    "--deferred": {"type": float, "default": 0.3, "help": "share of the sentences that the teacher gets"},
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
    """Milliseconds per sentence in requests of so many, after all were predicted once; and the cost counted."""
    import numpy as np

    from tinykd import data, fusion, models

    rows = data.load("newswire")["test"]["tokens"][: options.rows]
    members = {who: models.load(getattr(options, who) or options.work / who) for who in ("teacher", "student")}
    if name == "cascade":
        alone = fusion.Cascade(**members, threshold=0.0)
        sure = [fusion.confidence_of_row(row, "entropy") for row in alone.logits(rows)]
        fused = fusion.Cascade(**members, threshold=float(np.quantile(sure, options.deferred)))
        deferred = fused.route(rows)[1]
        found = {"deferral_rate": float(deferred.mean()), "cost": fused.cost(rows, deferred)}
    else:
        weights = {"both": (0.5, 0.5), "teacher": (1.0, 0.0), "student": (0.0, 1.0)}[name]
        fused = fusion.Parallel(members, dict(zip(members, weights, strict=True)))
        found = {"cost": fused.cost(rows)}
    fused.logits(rows)
    for batch in options.batches:
        start = time.perf_counter()
        for first in range(0, len(rows), batch):
            fused.logits(rows[first : first + batch])
        found[f"batch {batch}, ms a sentence"] = 1000 * (time.perf_counter() - start) / len(rows)
    return found


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    return turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, prepare, arguments=arguments)


if __name__ == "__main__":
    main()
