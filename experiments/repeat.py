"""Do recorded results come again? Three rows of ``distillation.py``, from scratch, against their recorded spread.

Teacher and students are trained anew in a folder of their own, so that nothing of the recorded runs is read, and the
test score of each row is set beside the mean of its recorded seeds. ``python experiments/repeat.py [--seed 2]``.
"""

import argparse
import json
import statistics

import distillation

ROWS = ("cut:3, labels only", "cut:3, logits", "cut:3, hidden")
RECORDED = distillation.RESULTS
RESULTS = RECORDED.with_name("repeated.json")


def compared() -> list[dict]:
    """Return of each row that was repeated the F1 on test, then and now, and how many recorded deviations it is off."""
    recorded, repeated = (json.loads(path.read_text(encoding="utf-8"))["students"] for path in (RECORDED, RESULTS))
    rows = []
    for run in repeated.values():
        same = [other for other in recorded.values() if other["row"] == run["row"]]
        then = [other["test"] for other in same if other.get("rule") == run.get("rule")]
        mean, spread = statistics.mean(then), statistics.stdev(then)
        rows.append(
            {"row": run["row"], "seeds": len(then), "mean": mean, "spread": spread, "now": run["test"]}
            | {"deviations": (run["test"] - mean) / spread}
        )
    return rows


def main() -> None:
    """Run what is missing, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    distillation.RUNS, distillation.RESULTS = distillation.RUNS / "repeated", RESULTS
    distillation.main(["--seeds", str(options.seed), "--rows", *ROWS])
    for one in compared():
        print("{row:<22} recorded {mean:.3f} ± {spread:.3f} ({seeds} seeds), now {now:.3f}".format(**one))


if __name__ == "__main__":
    main()
