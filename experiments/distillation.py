"""The recorded comparison of distillation methods on CoNLL-2003: which losses, which samples, how long, which student.

Every row distils one student of the MiniLM teacher of ``conll2003.py`` (same seed, trained once) and scores it on
``valid`` and ``test``. Choices were made on ``valid``. Rows are independent: each is recorded when it is done, so an
interrupted run goes on where it stopped, and a table shows what there is. ``python experiments/distillation.py
[--seeds 0 1 2] [--rows NAME …]``.
"""

import argparse
import json
import logging
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from datasets import Dataset, concatenate_datasets

from tinykd import data, evaluation, models, recipes, samples
from tinykd.artifacts import write_json
from tinykd.models import Layers
from tinykd.samples import Dynamic
from tinykd.training import Settings, distill_by, fine_tune, teacher_layers

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "distillation.json"
RUNS = ROOT / "runs" / "experiments"
SHORT = recipes.suited(14041)[1]
LONG = replace(SHORT, epochs=10)
#: Three copies of each sentence with other names, so that an epoch is more than three; chosen on ``valid``, seed 1
FULL = replace(SHORT, epochs=5, alpha=0.1, dropout=0.0)
#: Sentences of real newswire that take the place of two of the three copies: about as many, so the steps are the same
OUTSIDE = 22000
#: Nearly all there is of it, in two epochs in place of five: as many words read, and most of them new
ALL_OUTSIDE = 87000
#: What a static selection keeps of the corpus: a quarter, read four times as often, so that the steps are as many
QUARTER = 3510


@dataclass(frozen=True)
class Row:
    """One student: how it is made, by which method it learns, on how many copies with other names.

    ``method`` None: from labels alone. ``teachers`` above 1 takes the mean of the predictions of its own teacher and
    those of the next seeds; what the layers hold is its own teacher's.
    ``new_names`` adds as many copies of all those with names drawn from the vocabulary, ``outside`` so many sentences
    of real newswire (``reuters.py``), both labelled by the teacher; ``words`` begins with the teacher's words
    (``models.svd_embeddings``). ``chosen`` keeps so many sentences by that rule of ``samples.select``.
    """

    student: str = "cut:3"
    method: str | None = "logits"
    settings: Settings = SHORT
    copies: int = 0
    new_names: int = 0
    outside: int = 0
    teachers: int = 1
    words: bool = False
    chosen: tuple[str, int] | None = None


def sampled(student: str, settings: Settings) -> dict[str, Row]:
    """Return the rows of one student that differ by its sentences: chosen as it learns, written anew, or a quarter."""
    dynamic = replace(settings, dynamic=Dynamic(), mixing=0.5, mixing_end=1.0)
    longer = replace(settings, epochs=4 * settings.epochs)
    return {
        f"{student}, dynamic": Row(student, settings=dynamic),
        f"{student}, augmented": Row(student, settings=settings, copies=1),
        **{
            f"{student}, a quarter, {rule}": Row(student, settings=longer, chosen=(rule, QUARTER))
            for rule in ("random", "stratified", "uncertain")
        },
    }


ROWS = {
    "cut:3, labels only": Row(method=None),
    "cut:3, logits": Row(),
    "cut:3, hidden": Row(method="hidden"),
    "cut:3, attention": Row(method="attention"),
    "cut:3, relations": Row(method="relations"),
    "cut:3, two-stage": Row(method="two-stage"),
    **sampled("cut:3", SHORT),
    "cut:3, hidden, no dropout": Row(method="hidden", settings=replace(SHORT, dropout=0.0)),
    "cut:3, hidden, augmented": Row(method="hidden", settings=replace(FULL, epochs=2), copies=1),
    "cut:3, hidden, long": Row(method="hidden", settings=LONG),
    "cut:3, labels only, long, augmented": Row(method=None, settings=FULL, copies=3),
    "cut:3, hidden, long, augmented": Row(method="hidden", settings=FULL, copies=3),
    "cut:2, labels only": Row("cut:2", None),
    "cut:2, logits": Row("cut:2"),
    **{f"cut:2, {method}": Row("cut:2", method) for method in ("hidden", "attention", "relations", "two-stage")},
    **sampled("cut:2", SHORT),
    "cut:2, hidden, long": Row("cut:2", "hidden", LONG),
    "cut:2, hidden, long, augmented": Row("cut:2", "hidden", FULL, 3),
    "cut:2, hidden, long, new names": Row("cut:2", "hidden", replace(FULL, epochs=3), 3, 1),
    "cut:3, hidden, long, outside text": Row("cut:3", "hidden", FULL, 1, outside=OUTSIDE),
    "cut:2, hidden, long, outside text": Row("cut:2", "hidden", FULL, 1, outside=OUTSIDE),
    "cut:3, hidden, two epochs, all outside text": Row(
        "cut:3", "hidden", replace(FULL, epochs=2), 1, outside=ALL_OUTSIDE
    ),
    "cut:2, hidden, long, augmented, three teachers": Row("cut:2", "hidden", FULL, 3, teachers=3),
    "tinybert-4, labels only": Row("tinybert-4", None, LONG),
    "tinybert-4, logits": Row("tinybert-4", "logits", LONG),
    **{
        f"tinybert-4, {method}": Row("tinybert-4", method, LONG)
        for method in ("hidden", "attention", "relations", "two-stage")
    },
    **sampled("tinybert-4", LONG),
    "tinybert-4, two-stage, augmented": Row("tinybert-4", "two-stage", FULL, 3),
    "tinybert-4, two-stage, augmented, teacher's words": Row("tinybert-4", "two-stage", FULL, 3, words=True),
    **{
        f"cut:3, T {temperature}": Row(settings=replace(SHORT, temperature=float(temperature)))
        for temperature in (1, 4, 8)
    },
    "cut:3, rate 0.0005": Row(settings=replace(SHORT, learning_rate=5e-4)),
    **{f"cut:3, alpha {alpha}": Row(settings=replace(SHORT, alpha=alpha)) for alpha in (0.0, 0.5, 0.8, 1.0)},
}


DIALS = "logits, one setting changed"
#: the row in which none is changed, once more
BASE = f"cut:3, T {SHORT.temperature:g}, alpha {SHORT.alpha:g}, rate {SHORT.learning_rate:g}: the logits above"
#: what the table calls a row whose name does not say it
TITLES = {"cut:3, alpha 0.8": "cut:3, alpha 0.8: the article's"}
#: the names of the rows that differ by their sentences
SENTENCES = re.compile(r"[^,]+, (dynamic|(hidden, )?augmented|a quarter, \w+)")
#: the table's questions → the rows that answer them
QUESTIONS = {
    "three layers, three epochs: which loss?": [
        f"cut:3, {method}" for method in ("labels only", "logits", "hidden", "attention", "relations", "two-stage")
    ],
    DIALS: [name for name in ROWS if name.startswith(("cut:3, T ", "cut:3, rate", "cut:3, alpha"))],
    "which sentences?": [name for name in ROWS if SENTENCES.fullmatch(name)],
    "three layers: how long, and what else to read?": [
        name for name in ROWS if re.match(r"cut:3, .*(long|two epochs|no dropout)", name)
    ],
    **{
        question: [name for name in ROWS if name.startswith(shape) and not SENTENCES.fullmatch(name)]
        for question, shape in {
            "two layers": "cut:2",
            "four layers of 312, not cut out of the teacher": "tinybert-4",
        }.items()
    },
}


#: what each table shows
FINDINGS = {
    "three layers, three epochs: which loss?": "Three layers cut out of a fine-tuned teacher gain little from any loss",
    DIALS: "Temperature, rate and alpha move the F1 by less than the losses of a student without inherited layers",
    "which sentences?": "Renamed copies help every student; choosing fewer sentences costs every one",
    "three layers: how long, and what else to read?": "More text brings what more epochs do not: 99 % of the teacher",
    "two layers": "Two layers need more text than three, and gain more from it",
    "four layers of 312, not cut out of the teacher": "A student that inherits no layers gains most from the teacher's",
}


def teacher_of(seed: int, train: Dataset, labels: list[str]):
    """Return the teacher of this seed, trained once, by this experiment or by ``conll2003.py``."""
    teacher, tokenizer = models.teacher("minilm", labels, seed=seed)
    settings = here(recipes.suited(len(train))[0], seed)
    return fine_tune(teacher, tokenizer, train, RUNS / f"conll2003-seed{seed}" / "teacher", settings), tokenizer


def here(settings: Settings, seed: int) -> Settings:
    """Return ``settings`` with this seed, the precision that pays on this machine, and the tricks of training."""
    return replace(settings, seed=seed, precision=models.best_precision(), speed=True)


def one_row(name: str, seed: int, corpus) -> dict:
    """Train and score one student; return what is recorded of it."""
    student, tokenizer, about = trained(name, ROWS[name], seed, corpus)
    return about | scored(student, tokenizer, corpus) | recipes.provenance()


def trained(name: str, row: Row, seed: int, corpus, folder: str = "distillation") -> tuple:
    """Return the student of a row, its tokenizer, and what is recorded of its training."""
    train = corpus["train"]
    settings = here(row.settings, seed)
    teacher, tokenizer = teacher_of(seed, train, data.label_names(corpus))
    student = models.student(row.student, teacher, seed)
    if row.copies:
        train = concatenate_datasets([train, samples.swap_entities(train, row.copies, seed)])
    unlabelled = []
    if row.new_names:
        unlabelled.append(samples.new_names(train, teacher, tokenizer, copies=row.new_names, seed=seed))
    if row.outside:
        import reuters  # here, so that a lesson can load this file by its path

        unlabelled.append(reuters.sentences(row.outside, seed))
    for texts in unlabelled:
        labelled = samples.labelled_by(teacher, tokenizer, texts, precision=settings.precision)
        train = concatenate_datasets([train, labelled.cast(train.features)])
    if row.words:
        models.svd_embeddings(student, teacher)
    out = RUNS / folder / f"{name.replace(', ', '-').replace(' ', '-').replace(':', '')}-seed{seed}"
    start = time.perf_counter()
    if row.method is None:
        student, transfer = fine_tune(student, tokenizer, train, out, settings), train
    else:
        layers = teacher_layers(row.method, teacher, student)
        kind = "logits" if layers == Layers() else f"{row.method}-{row.student}"
        added = {"copies": row.copies, "new": row.new_names, "outside": row.outside}
        made = "".join(f"-{count}-{what}" for what, count in added.items() if count)
        store = RUNS / f"signals-seed{seed}" / f"{kind.replace(':', '')}{made}"
        transfer = samples.with_teacher(train, teacher, tokenizer, store, layers, precision=settings.precision)
        if row.chosen:
            rule, count = row.chosen
            transfer = samples.select(transfer, count, rule, seed)
        if row.teachers > 1:
            transfer = with_others(transfer, train, [(seed + n) % 3 for n in range(1, row.teachers)], corpus, store)
        student = distill_by(row.method, student, tokenizer, transfer, out, settings)
    seconds = time.perf_counter() - start
    about = {"row": name, "seed": seed, "minutes": seconds / 60, "settings": asdict(settings), "rule": "decoded"}
    return student, tokenizer, about | {"read": len(transfer)}


def scored(model, tokenizer, corpus) -> dict[str, float]:
    """Return the entity F1 on ``valid`` and ``test``."""
    return {split: evaluation.evaluate(model, tokenizer, corpus[split])["entity_f1"] for split in ("valid", "test")}


def with_others(transfer: Dataset, train: Dataset, seeds: list[int], corpus, store: Path) -> Dataset:
    """Return ``transfer`` with the mean of its teacher's predictions and those of the teachers of other seeds."""
    predicted = [transfer]
    for seed in seeds:
        other, tokenizer = teacher_of(seed, corpus["train"], data.label_names(corpus))
        folder = store.with_name(f"{store.name}-teacher-{seed}")
        precision = models.best_precision()
        predicted.append(samples.with_teacher(train, other, tokenizer, folder, precision=precision))
    return samples.combine(predicted, [1.0] * len(predicted))


def teachers_scores(seed: int, corpus) -> dict:
    """Return what the students of this seed are measured by; kept with each, for it differs between processors."""
    teacher, tokenizer = teacher_of(seed, corpus["train"], data.label_names(corpus))
    return scored(teacher, tokenizer, corpus)


def by_rule(results: dict) -> dict[str, list[dict]]:
    """Return the runs by the rule that scored them; those that name none took each word's likeliest tag."""
    runs: dict[str, list[dict]] = {}
    for run in results["students"].values():
        runs.setdefault(run.get("rule", "word by word"), []).append(run)
    return dict(sorted(runs.items()))


def table(results: dict, questions: tuple[str, ...] = tuple(QUESTIONS)) -> str:
    """Return the rows that answer ``questions`` as Markdown, a table per rule: entity F1, share of the teacher's."""
    return "\n\n".join("\n".join(table_of(*runs, questions)) for runs in by_rule(results).items())


def table_of(rule: str, runs: list[dict], questions: tuple[str, ...]) -> list[str]:
    """Return the lines of one rule's table."""
    teachers = {(run["seed"], run["teacher"]["test"]): {"teacher": run["teacher"]} | run["teacher"] for run in runs}
    lines = [f"| CoNLL-2003, entity F1, {rule} | runs | valid | test | of the teacher |", "|---|--:|--:|--:|--:|"]
    lines.append(_line("teacher", list(teachers.values()), "100"))
    for question in questions:
        of = {name: [run for run in runs if run["row"] == name] for name in QUESTIONS[question]}
        answers = [_line(TITLES.get(name, name), its) for name, its in of.items() if its]
        if question == DIALS and answers:
            answers.insert(0, _line(BASE, [run for run in runs if run["row"] == "cut:3, logits"]))
        title = [f"| **{question}** | | | | |"] if len(questions) > 1 else []
        lines += [*title, *answers] if answers else []
    return lines


def _line(name: str, runs: list[dict], share: str | None = None) -> str:
    f1 = [evaluation.mean_and_spread([run[split] for run in runs]) for split in ("valid", "test")]
    share = share or evaluation.mean_and_spread([100 * run["test"] / run["teacher"]["test"] for run in runs], 1)
    cells = " | ".join((name, str(len(runs)), *f1, f"{share}\N{NO-BREAK SPACE}%"))
    return f"| {cells} |"


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing, seed by seed, and record each row when it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS), metavar="NAME")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"students": {}}
    corpus = data.load("conll2003")
    for seed in options.seeds:
        keys = {name: f"{name}, seed {seed}, decoded" for name in options.rows}
        missing = [name for name in options.rows if keys[name] not in results["students"]]
        teacher = teachers_scores(seed, corpus) if missing else None
        for name in missing:
            results["students"][keys[name]] = one_row(name, seed, corpus) | {"teacher": teacher}
            write_json(RESULTS, results)
    print(table(results))


if __name__ == "__main__":
    main()
