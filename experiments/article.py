"""The article's own program on CoNLL-2003: as printed, and with each of its faults repaired in turn.

The first row is the article's section 4.3: 100 random samples, ``0.8 CE + 0.2 KL`` at T = 1, Adam at 2e-5, 5 epochs of
batches of 16. Every later row changes one thing of the row before it and takes as many steps as its neighbours, within
4 %; the last takes twice as many. Three rows beside them ask what its "dynamic distillation" is worth: the joint output
alone, sentences chosen by disagreement alone, both; and two twins are trained without a teacher. Our steps warm up and
then decay; the article's do not.
``python experiments/article.py [--seeds 0 1 2] [--students tinybert-4 cut:3] [--rows NAME …]``; interrupted, it goes on
where it stopped. What the layers of a teacher hold takes up to 8 GB in ``runs`` while a row is trained.
"""

import argparse
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from distillation import RUNS, SHORT, Row, teacher_of, trained

import tinykd
from tinykd import artifacts, data, evaluation, fusion, models, recipes
from tinykd.deploy.plain import PlainPredictor
from tinykd.deploy.predictor import Predictor
from tinykd.evaluation import mean_and_spread
from tinykd.samples import Dynamic
from tinykd.training import Settings

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "article.json"
STUDENTS = ("tinybert-4", "cut:3")
PRINTED = Settings(epochs=5, learning_rate=2e-5, batch_size=16, alpha=0.8, temperature=1.0)
SAMPLES = ("random", 100)
#: Of 14,041 samples an epoch has 439 steps, of 100 it has four
MANY = replace(PRINTED, epochs=5 * 439 // 4, batch_size=32)
ALL = replace(MANY, epochs=5)
FASTER = replace(ALL, learning_rate=SHORT.learning_rate)
SOFT = replace(SHORT, epochs=5)
PLAIN = replace(SOFT, dropout=0.0)
JOINT, CHOSEN = {"mixing": 0.5, "mixing_end": 1.0}, {"dynamic": Dynamic()}
#: With two copies, or a copy and as many sentences of other text, an epoch has 2.5 times as many sentences
OUTSIDE = 10_000
MORE = replace(PLAIN, epochs=2)


def rows(student: str) -> dict[str, Row]:
    """Return the rows of one student, by what each changes."""
    inherits = student.startswith("cut:")  # it has the teacher's embedding matrix already
    last = Row(student, "two-stage", MORE, copies=1, outside=OUTSIDE, words=not inherits)
    longer = replace(last, settings=replace(MORE, epochs=4))
    found = {
        "as printed": Row(student, settings=PRINTED, chosen=SAMPLES),
        "as many steps as below": Row(student, settings=MANY, chosen=SAMPLES),
        "all 14,041 sentences": Row(student, settings=ALL),
        "learning rate 3e-4": Row(student, settings=FASTER),
        "T = 2 with T², alpha 0.2": Row(student, settings=SOFT),
        "no dropout": Row(student, settings=PLAIN),
        "the teacher's layers (two stages)": Row(student, "two-stage", PLAIN),
        "two copies with other names": Row(student, "two-stage", MORE, copies=2),
        "one copy, and outside text": replace(last, words=False),
    }
    if not inherits:
        found["the teacher's embedding matrix"] = last
    return found | {
        "twice as many steps": longer,
        "joint output alone": Row(student, settings=replace(PLAIN, **JOINT)),
        "disagreement alone": Row(student, settings=replace(PLAIN, **CHOSEN)),
        "both": Row(student, settings=replace(PLAIN, **JOINT, **CHOSEN)),
        "twin: all 14,041 sentences": Row(student, None, PLAIN),
        "twin: two copies, twice as many steps": Row(student, None, longer.settings, copies=2, words=not inherits),
    }


#: the rows beside the ladder, each compared with ``BASE``
BASE = "no dropout"
BESIDE = (
    *("joint output alone", "disagreement alone", "both"),
    *("twin: all 14,041 sentences", "twin: two copies, twice as many steps"),
)


def one_row(student: str, name: str, seed: int, corpus) -> dict:
    """Train and score one student; return what is recorded of it, and remove what the teacher's layers hold."""
    teacher = PlainPredictor(*teacher_of(seed, corpus["train"], data.label_names(corpus)))
    model, tokenizer, about = trained(f"{student}, {name}", rows(student)[name], seed, corpus, "article")
    shutil.rmtree(RUNS / f"signals-seed{seed}", ignore_errors=True)
    return about | {"student": student, "row": name} | scored(PlainPredictor(model, tokenizer), corpus, teacher)


def scored(predictor: Predictor, corpus, teacher: Predictor | None = None) -> dict:
    """Return the entity F1 on ``valid``, ``test`` and the other corpus's test split, and the article's report.

    With a ``teacher`` also ``agreement``: on how many words of each test split both predict the same tag.
    """
    splits = {"valid": corpus["valid"], "test": corpus["test"], "elsewhere": other(corpus)["test"]}
    predicted = {name: evaluation.predicted(predictor, split) for name, split in splits.items()}
    gold = {name: evaluation.gold(split) for name, split in splits.items()}
    found = {name: evaluation.entity_scores(gold[name], predicted[name])["entity_f1"] for name in splits}
    found["token_report"] = evaluation.token_report(gold["test"], predicted["test"])
    if teacher:
        found["agreement"] = {
            name: evaluation.token_accuracy(evaluation.predicted(teacher, splits[name]), predicted[name])
            for name in ("test", "elsewhere")
        }
    return found


def other(corpus):
    """Return the corpus that a model of ``corpus`` has never seen: *newswire* for CoNLL-2003, and the other way."""
    return data.load("newswire" if len(corpus["train"]) > 10_000 else "conll2003")


def one_fusion(student: str, name: str, seed: int, corpus) -> dict:
    """Score teacher and student together: a cascade, a parallel fusion with fitted weights, the article's halves."""
    teacher = teacher_of(seed, corpus["train"], data.label_names(corpus))
    model, tokenizer, _ = trained(f"{student}, {name}", rows(student)[name], seed, corpus, "article")
    members = {"teacher": teacher, "student": (model, tokenizer)}
    made = {
        "cascade": fusion.Cascade.fit(**members, valid=corpus["valid"], budget=1.0),
        "parallel": fusion.Parallel.fit(members, corpus["valid"]),
        "halves": fusion.Parallel(members, dict.fromkeys(members, 0.5)),
    }
    return {"seed": seed, "student": student, "row": name} | {how: scored(one, corpus) for how, one in made.items()}


def from_newswire(seed: int) -> dict:
    """Run the main job on *newswire* as the demo does; score its three models there and on CoNLL-2003."""
    setup = recipes.Run(seed=seed, max_train=400, texts="transfer", precision=models.best_precision())
    out, corpus = RUNS / f"newswire-seed{seed}", data.load("newswire", seed=seed)
    recipes.run(setup, out)
    opened = {name: tinykd.open(out / name) for name in ("teacher", "student", "twin")}
    return {"seed": seed} | {name: scored(one, corpus, opened["teacher"]) for name, one in opened.items()}


def missing(options: argparse.Namespace, results: dict) -> Iterator[tuple[str, str, Callable[[], dict]]]:
    """Yield what is not recorded: where it belongs, its key, and the call that makes it."""
    corpus = data.load("conll2003")
    for seed in options.seeds:
        teacher = partial(teacher_of, seed, corpus["train"], data.label_names(corpus))
        yield "teachers", str(seed), lambda teacher=teacher: scored(PlainPredictor(*teacher()), corpus)
        for student in options.students:
            for name in options.rows or rows(student):
                yield "students", f"{student}, {name}, {seed}", partial(one_row, student, name, seed, corpus)
    for seed in options.seeds if not options.rows else ():
        yield "newswire", str(seed), partial(from_newswire, seed)
        for student in options.students:
            last = list(rows(student))[-len(BESIDE) - 1]
            yield "fusions", f"{student}, {last}, {seed}", partial(one_fusion, student, last, seed, corpus)


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing, seed by seed, and record each row when it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--students", nargs="*", default=STUDENTS, choices=STUDENTS)
    parser.add_argument("--rows", nargs="*", choices=list(rows("tinybert-4")), metavar="NAME")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for part, key, call in missing(options, read()):
        if key not in read()[part]:
            made = call() | recipes.provenance()
            with artifacts.alone(RUNS / "article.json"):  # two calls may run side by side, each with its own rows
                results = read()
                results[part][key] = made
                artifacts.write_json(RESULTS, results)
    for student in options.students:
        print(table(read(), student))


def read() -> dict:
    """Return what is recorded."""
    if RESULTS.exists():
        return json.loads(RESULTS.read_text(encoding="utf-8"))
    return {"teachers": {}, "students": {}, "fusions": {}, "newswire": {}}


def runs_of(results: dict, student: str, name: str) -> dict[int, dict]:
    """Return the recorded runs of a row, by seed."""
    found = (run for run in results["students"].values() if (run["student"], run["row"]) == (student, name))
    return {run["seed"]: run for run in sorted(found, key=lambda run: run["seed"])}


def compared_with(student: str) -> dict[str, str]:
    """Return, by row, the row that it changes: the one above it, or ``BASE`` for those beside the ladder."""
    ladder = [name for name in rows(student) if name not in BESIDE]
    return dict(pairwise(reversed(ladder))) | dict.fromkeys(BESIDE, BASE)


def table(results: dict, student: str) -> str:
    """Return the rows of one student as Markdown: entity F1, what the row adds, the share of the teacher's."""
    lines = ["| CoNLL-2003, entity F1 | valid | test | added on test | of the teacher |", "|---|--:|--:|--:|--:|"]
    for name in rows(student):
        runs, before = runs_of(results, student, name), {}
        if before_name := compared_with(student).get(name):
            before = runs_of(results, student, before_name)
        added = [runs[seed]["test"] - before[seed]["test"] for seed in runs.keys() & before.keys()]
        share = [100 * run["test"] / results["teachers"][str(seed)]["test"] for seed, run in runs.items()]
        if runs:
            cells = [name, *(mean_and_spread([run[split] for run in runs.values()]) for split in ("valid", "test"))]
            cells += [mean_and_spread(added) if added else "", f"{mean_and_spread(share, 1)}\N{NO-BREAK SPACE}%"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def generality(results: dict, student: str) -> str:
    """Return F1 and agreement at home and on the other corpus, of the models of both corpora, as Markdown."""
    last, twin = (list(rows(student))[place] for place in (-len(BESIDE) - 1, -1))
    of = {
        ("CoNLL-2003", "teacher"): [*results["teachers"].values()],
        ("CoNLL-2003", student): [*runs_of(results, student, last).values()],
        ("CoNLL-2003", "twin"): [*runs_of(results, student, twin).values()],
    }
    for name in ("teacher", "student", "twin"):
        of["*newswire*", name.replace("student", "cut:3")] = [run[name] for run in results["newswire"].values()]
    lines = ["| trained on, model | F1 there | F1 elsewhere | agreement there | elsewhere |", "|---|--:|--:|--:|--:|"]
    for (corpus, name), runs in of.items():
        cells = [mean_and_spread([run[key] for run in runs]) for key in ("test", "elsewhere")]
        if name != "teacher":
            cells += [mean_and_spread([run["agreement"][key] for run in runs]) for key in ("test", "elsewhere")]
        lines.append(f"| {' | '.join([f'{corpus}, {name}', *cells, '', ''][:5])} |")
    return "\n".join(lines)


def fused(results: dict, student: str) -> str:
    """Return the entity F1 of the fusions of teacher and last student on both corpora, as Markdown."""
    runs = [run for run in results["fusions"].values() if run["student"] == student]
    of = {"teacher alone": [results["teachers"][str(run["seed"])] for run in runs]}
    of |= {how: [run[how] for run in runs] for how in ("cascade", "parallel", "halves")}
    lines = ["| fusion | valid | test | newswire |", "|---|--:|--:|--:|"]
    for name, found in of.items():
        cells = (mean_and_spread([one[key] for one in found]) for key in ("valid", "test", "elsewhere"))
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
