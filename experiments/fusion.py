"""The recorded fusions on CoNLL-2003: what a student and its teacher predict together, and what that costs.

The models are those of ``conll2003.py``, ``distillation.py`` and ``ladder.py``, which come first; a student that is not
there yet is left out. Every model predicts ``valid`` and ``test`` once. Temperatures, thresholds and weights are fitted
on ``valid``; ``test`` is only scored. A pair is recorded when it is done.
``python experiments/fusion.py [SEED ...]``.
"""

import json
import logging
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from datasets import DatasetDict
from scipy.special import softmax

from tinykd import data, evaluation, fusion, models, recipes
from tinykd.artifacts import new_folder, seal, sha256, write_json
from tinykd.deploy import measuring, plain
from tinykd.errors import SettingError
from tinykd.evaluation import f1
from tinykd.fusion.curve import CONFIDENCES
from tinykd.fusion.parallel import fit_weights, mix

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "fusion.json"
RUNS = ROOT / "runs" / "experiments"
STUDENTS = {
    "cut:3": "conll2003-seed{}/student",
    "cut:3, hidden, long": "distillation/cut3-hidden-long-seed{}",
    "cut:3, hidden, long, augmented": "distillation/cut3-hidden-long-augmented-seed{}",
    "cut:3, hidden, long, augmented, ladder": "ladder/distillation-cut3-hidden-long-augmented-seed{}/pruned",
    "cut:3, hidden, long, augmented, deeper": "ladder/distillation-cut3-hidden-long-augmented-seed{}/deeper",
    "cut:2, hidden, long, augmented": "distillation/cut2-hidden-long-augmented-seed{}",
    "tinybert-4, two-stage, augmented": "distillation/tinybert-4-two-stage-augmented-seed{}",
}
BUDGETS = (0.3, 0.325, 0.35, 0.6, 0.8)
GOALS = {f"budget {budget}": {"budget": budget} for budget in BUDGETS} | {"target 0.995": {"target": 0.995}}
SPACES = ("logits", "probabilities")
NOTE = "logits.json"  #: beside the stored logits of a model
DRAWS = 1000  #: resamples of the test sentences, and random cascades


@dataclass
class Predicted:
    """A member's predictions: by split its logits, one array per row, and its operations, (rows,)."""

    digest: str
    logits: dict[str, list[np.ndarray]]
    costs: dict[str, np.ndarray]
    temperature: float

    def calibrated(self, split: str) -> list[np.ndarray]:
        """Return the logits divided by the temperature."""
        return [row / self.temperature for row in self.logits[split]]


def predict(folder: Path, corpus: DatasetDict) -> Predicted:
    """Return what the model in ``folder`` predicts; its logits stay in ``runs/`` under the digest of its weights."""
    member, digest = models.load(folder), sha256(folder / "model.safetensors")[:16]
    store, labels = RUNS / "fusion" / digest, data.label_names(corpus["valid"])
    if not store.exists():
        with new_folder(store, NOTE) as unfinished:
            for split in ("valid", "test"):
                rows = fusion.logits_by_name(member, labels, corpus[split])
                np.save(unfinished / f"{split}.npy", np.concatenate(rows))
            seal(unfinished, NOTE, {"model": str(folder)})
    logits, costs = {}, {}
    for split in ("valid", "test"):
        ends = np.cumsum([len(words) for words in corpus[split]["tokens"][:]])
        logits[split] = np.split(np.load(store / f"{split}.npy"), ends[:-1])
        costs[split] = fusion.row_macs(member, corpus[split])
    temperature = fusion.fit_temperature(*fusion.by_word(logits["valid"], corpus["valid"]))
    return Predicted(digest, logits, costs, temperature)


def milliseconds(folders: dict[str, Path], corpus: DatasetDict, rounds: int = 5) -> dict[str, float]:
    """Return the best of some medians for every model, taken in turns, so that a busy moment hurts none alone."""
    members, rows = {name: plain.load(folder) for name, folder in folders.items()}, corpus["test"]["tokens"][:]
    turns = [{name: measuring.latency(member, rows) for name, member in members.items()} for _ in range(rounds)]
    return {name: min(turn[name] for turn in turns) for name in members}


def counts(rows: list[np.ndarray], dataset) -> np.ndarray:
    """Return, for each row, how many entities are right, predicted and gold: (rows, 3)."""
    names = data.label_names(dataset)
    pairs = zip(evaluation.gold(dataset), (evaluation.decoded(row, names) for row in rows), strict=True)
    return np.array([sum(evaluation.counts("tagging", *pair).values(), np.zeros(3, int)) for pair in pairs])


def interval(one: np.ndarray, other: np.ndarray, seed: int = 0) -> list[float]:
    """Return the 95 % interval of F1(one) - F1(other), over resampled sentences (paired bootstrap)."""
    weights = np.random.default_rng(seed).multinomial(len(one), np.full(len(one), 1 / len(one)), DRAWS)
    return np.percentile(f1(weights @ one) - f1(weights @ other), [2.5, 97.5]).tolist()


def route(student: list[np.ndarray], teacher: list[np.ndarray], threshold: float, confidence: str):
    """Return what a cascade predicts, and the mask of the rows that it defers; the rule of ``Cascade.route``."""
    deferred = np.array([fusion.confidence_of_row(row, confidence) < threshold for row in student])
    limit = threshold if confidence == "word" else np.inf
    unsure = [fusion.confidence_of_words(row) < limit for row in student]
    pairs = zip(deferred, unsure, student, teacher, strict=True)
    return [np.where(words[:, None] & row, t, s) for row, words, s, t in pairs], deferred


def calibration(member: Predicted, corpus: DatasetDict) -> dict:
    """Return ECE and reliability diagram on ``test``, before and after dividing by the temperature."""
    logits, labels = fusion.by_word(member.logits["test"], corpus["test"])
    found = {"temperature": member.temperature}
    for when, divisor in (("before", 1.0), ("after", member.temperature)):
        probabilities = softmax(logits.astype(np.float64) / divisor, -1)
        table = fusion.reliability(probabilities, labels)
        bins = {key: [None if np.isnan(x) else float(x) for x in column] for key, column in table.items()}
        found[when] = {"ece": fusion.expected_calibration_error(probabilities, labels), "bins": bins}
    return found


def cascades(teacher: Predicted, student: Predicted, corpus: DatasetDict) -> dict:
    """Return, by confidence: the cascade's curve on ``test``, and each goal's choice on ``valid`` and outcome."""
    logits = {split: (student.calibrated(split), teacher.calibrated(split)) for split in ("valid", "test")}
    alone = counts(logits["test"][1], corpus["test"])
    weights = teacher.costs["test"] / teacher.costs["test"].sum()
    found = {}
    for confidence in CONFIDENCES:
        curves = {}
        for split, rows in logits.items():
            share = student.costs[split].sum() / teacher.costs[split].sum()
            curves[split] = fusion.curve(*rows, corpus[split], share, teacher.costs[split], confidence)
        places = np.searchsorted(curves["test"].costs, np.linspace(share, 1 + share, 121) - 1e-9)
        places = np.append(places, len(curves["test"].costs) - 1)  # by word, the last corrections cost no more
        found[confidence] = {"curve": {key: column[places].tolist() for key, column in asdict(curves["test"]).items()}}
        for name, goal in GOALS.items():
            try:
                chosen = fusion.choose(curves["valid"], **goal)
            except SettingError as refusal:
                found[confidence][name] = {"refused": str(refusal)}
                continue
            rows, deferred = route(*logits["test"], chosen.threshold, confidence)
            reached = counts(rows, corpus["test"])
            outcome = {"cost": share + weights[deferred].sum(), "score": f1(reached.sum(0))}
            outcome["deferral_rate"] = deferred.mean()
            found[confidence][name] = {
                "valid": chosen._asdict(),
                "test": {key: float(value) for key, value in outcome.items()},
                "over the teacher": interval(reached, alone),
            }
    return found


def without_confidence(teacher: Predicted, student: Predicted, corpus: DatasetDict) -> dict:
    """Return what rows drawn at random give, and what a gate gives that knows the gold labels; both on ``test``."""
    by_student, by_teacher = (counts(member.logits["test"], corpus["test"]) for member in (student, teacher))
    share = student.costs["test"].sum() / teacher.costs["test"].sum()
    weights, draw = teacher.costs["test"] / teacher.costs["test"].sum(), np.random.default_rng(0)
    found = {}
    for budget in (goal["budget"] for goal in GOALS.values() if goal.get("budget", 0) > share):
        scores = []
        for _ in range(DRAWS):
            order = draw.permutation(len(weights))
            deferred = order[np.cumsum(weights[order]) <= budget - share]
            scores.append(float(f1(by_student.sum(0) + (by_teacher - by_student)[deferred].sum(0))))
        found[f"budget {budget}"] = {"mean": statistics.mean(scores), "spread": statistics.stdev(scores)}
    errors = [rows[:, 1] + rows[:, 2] - 2 * rows[:, 0] for rows in (by_student, by_teacher)]
    better = errors[1] < errors[0]
    reached = np.where(better[:, None], by_teacher, by_student)
    oracle = {"cost": share + weights[better].sum(), "score": f1(reached.sum(0)), "deferral_rate": better.mean()}
    rows = zip(student.logits["test"], teacher.logits["test"], strict=True)
    same = np.mean([np.array_equal(a.argmax(-1), b.argmax(-1)) for a, b in rows])
    shares = {"same answer": same, "teacher better": better.mean(), "student better": (errors[0] < errors[1]).mean()}
    return {"random": found} | {
        name: {key: float(value) for key, value in values.items()}
        for name, values in (("oracle", oracle), ("rows", shares))
    }


def parallels(teacher: Predicted, student: Predicted, corpus: DatasetDict) -> dict:
    """Return fitted weights, scores, and the sweep over the student's weight; and the article's plain halves."""
    both = [{split: member.calibrated(split) for split in ("valid", "test")} for member in (teacher, student)]
    alone = counts(teacher.logits["test"], corpus["test"])
    gold = fusion.by_word(both[0]["valid"], corpus["valid"])[1]
    stacked = np.stack([np.concatenate(member["valid"]) for member in both])

    def fused(split: str, weights, space: str, members=both) -> np.ndarray:
        rows = zip(*(member[split] for member in members), strict=True)
        return counts([mix(row, weights, space) for row in rows], corpus[split])

    def scored(weights, space: str, members=both) -> dict:
        valid, test = (fused(split, weights, space, members) for split in ("valid", "test"))
        scores = {"valid": float(f1(valid.sum(0))), "test": float(f1(test.sum(0)))}
        return {"weights": list(map(float, weights)), **scores, "over the teacher": interval(test, alone)}

    found = {"halves": scored((0.5, 0.5), "logits", [teacher.logits, student.logits])}
    for space in SPACES:
        found[space] = scored(fit_weights(stacked, gold, space), space)
        sweep = [fused("test", (1 - w / 10, w / 10), space).sum(0) for w in range(11)]
        found[space]["sweep"] = [float(f1(total)) for total in sweep]
    return found


def one_pair(teacher: Predicted, student: Predicted, times: dict[str, float], corpus: DatasetDict) -> dict:
    """Return all that is recorded of one student with its teacher."""
    members = {}
    for name, member in (("teacher", teacher), ("student", student)):
        scores = {split: float(f1(counts(member.logits[split], corpus[split]).sum(0))) for split in ("valid", "test")}
        cost = float(member.costs["test"].sum() / teacher.costs["test"].sum())
        members[name] = scores | {"cost": cost, "milliseconds": times[name]} | calibration(member, corpus)
    return {
        "members": members,
        "cascade": cascades(teacher, student, corpus),
        **without_confidence(teacher, student, corpus),
        "parallel": parallels(teacher, student, corpus),
    }


def lines(run: dict) -> dict[str, dict | None]:
    """Return the table's rows of one pair: ``cost``, ``time`` and ``score``; None where a goal is out of reach."""
    teacher, student = run["members"]["teacher"], run["members"]["student"]
    relative = student["milliseconds"] / teacher["milliseconds"]
    found = {
        "teacher alone": {"cost": 1.0, "time": 1.0, "score": teacher["test"]},
        "student alone": {"cost": student["cost"], "time": relative, "score": student["test"]},
    }
    for name in GOALS:
        test = run["cascade"]["entropy"][name].get("test")
        # Deferred rows cost the same share of the teacher's time as of its operations.
        found[f"cascade, {name}"] = test and test | {"time": relative + test["cost"] - student["cost"]}
    for name, title in (("halves", "plain halves"), *((space, f"fitted, {space}") for space in SPACES)):
        score = run["parallel"][name]["test"]
        found[f"parallel, {title}"] = {"cost": 1 + student["cost"], "time": 1 + relative, "score": score}
    return found


def table(results: dict, student: str) -> str:
    """Return one student's fusions as a Markdown table: means over the seeds, and their spread if there are more."""
    runs = [lines(run) for run in results.values() if run["student"] == student]
    rows = ["| predicted by | cost | time, reckoned | test entity F1 | of the teacher |", "|---|--:|--:|--:|--:|"]
    for name in runs[0]:
        of_seeds = [run[name] for run in runs]
        if None in of_seeds:
            rows.append(f"| {name} | out of reach | | | |")
            continue
        cost, time, score = ([row[key] for row in of_seeds] for key in ("cost", "time", "score"))
        kept = [100 * row["score"] / run["teacher alone"]["score"] for row, run in zip(of_seeds, runs, strict=True)]
        cells = [evaluation.mean_and_spread(*of) for of in ((cost, 2), (time, 2), (score, 3), (kept, 1))]
        rows.append(f"| {name} | {' | '.join(cells)}\N{NO-BREAK SPACE}% |")
    return "\n".join(rows)


def main() -> None:
    """Record every pair that is there and not recorded with these weights yet, for the seeds named (0, 1, 2)."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    corpus = data.load("conll2003")
    for seed in [int(argument) for argument in sys.argv[1:]] or [0, 1, 2]:
        folders = {"teacher": RUNS / f"conll2003-seed{seed}" / "teacher"}
        for name, where in STUDENTS.items():
            folders["student"] = RUNS / where.format(seed)
            if not all((folder / "model.safetensors").exists() for folder in folders.values()):
                continue
            teacher, student = (predict(folder, corpus) for folder in folders.values())
            weights = [teacher.digest, student.digest]
            if results.get(f"{name}, seed {seed}", {}).get("weights") == weights:
                continue
            found = one_pair(teacher, student, milliseconds(folders, corpus), corpus)
            about = {"student": name, "seed": seed, "weights": weights, "corpus": data.digest(corpus)}
            # Predictions are computed in fp32, whatever the training used.
            results[f"{name}, seed {seed}"] = about | found | recipes.provenance() | {"precision": "fp32"}
            write_json(RESULTS, results)
    for name in dict.fromkeys(run["student"] for run in results.values()):
        print(f"\n{name}\n{table(results, name)}")


if __name__ == "__main__":
    main()
