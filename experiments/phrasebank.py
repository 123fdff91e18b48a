"""The recorded experiment on real financial sentences: a teacher and two students on the Financial PhraseBank.

For each seed and each of two agreements the sentences are split 72 / 8 / 20, a teacher is fine-tuned, and students are
cut from it and distilled on its hidden states and its logits. Each has a twin that learns from the labels alone.
Nothing was tuned: the settings were set once. Malo et al. (2014) let five to eight people judge each sentence:
``AllAgree`` are those on which all said the same, ``50Agree`` those on which at least half did. The corpus is not part
of this project (CC BY-NC-SA 3.0). Needs ``$TINYKD_DATA/financial_phrasebank``. ``python
experiments/phrasebank.py [SEED ...]``; interrupted, it goes on where it was.
"""

import argparse
import json
import logging
import os
from dataclasses import asdict, replace
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tinykd import data, evaluation, models, recipes, samples
from tinykd.artifacts import write_json
from tinykd.errors import DataError
from tinykd.models import best_precision
from tinykd.training import Settings, distill_by, fine_tune, teacher_layers

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "phrasebank.json"
RUNS = ROOT / "runs" / "experiments"
AGREEMENTS = ("50Agree", "66Agree", "75Agree", "AllAgree")
SENTIMENTS = ("negative", "neutral", "positive")
STUDENTS = ("cut:3", "cut:2")
TWIN = "{}, labels only"
MODELS = ("teacher", *(name for student in STUDENTS for name in (student, TWIN.format(student))))
TEACHER = Settings(epochs=6, learning_rate=2e-4, batch_size=32)
STUDENT = Settings(epochs=12, learning_rate=3e-4, batch_size=32, alpha=0.2, temperature=2.0)
#: Quoted, not measured here: FinBERT (Araci, 2019, table 2), accuracy and macro F1, ten-fold, on the same sentences
PUBLISHED = {"AllAgree": {"accuracy": 0.97, "macro_f1": 0.95}, "50Agree": {"accuracy": 0.86, "macro_f1": 0.84}}


def phrasebank(agreement: str) -> list[tuple[str, str]]:
    """Return (sentence, sentiment) from ``$TINYKD_DATA/financial_phrasebank``, each sentence once, in the file's order.

    Args:
        agreement: one of :data:`AGREEMENTS`.

    Raises:
        DataError: the file is not there, or a line of it ends in no sentiment (named).
    """
    path = Path(os.environ.get("TINYKD_DATA", "")) / "financial_phrasebank" / f"Sentences_{agreement}.txt"
    if not path.is_file():
        raise DataError(f"{path}: not there; set TINYKD_DATA to the folder that holds financial_phrasebank/")
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        if not line.strip():
            continue
        text, _, sentiment = line.rpartition("@")
        if sentiment not in SENTIMENTS:
            raise DataError(f"{path}:{number}: expected 'sentence@sentiment' with one of {', '.join(SENTIMENTS)}")
        found.setdefault(text.strip(), sentiment)
    return list(found.items())


def split(rows: list[tuple[str, str]], seed: int) -> DatasetDict:
    """Return train, valid and test, 72, 8 and 20 %, drawn with ``seed`` and with each sentiment's share kept."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(SENTIMENTS))})
    columns = {"text": [text for text, _ in rows], "label": [sentiment for _, sentiment in rows]}
    whole = Dataset.from_dict(columns, features=features)
    outer = whole.train_test_split(test_size=0.2, seed=seed, stratify_by_column="label")
    inner = outer["train"].train_test_split(test_size=0.1, seed=seed, stratify_by_column="label")
    parts = {"train": inner["train"], "valid": inner["test"], "test": outer["test"]}
    return DatasetDict({name: part.flatten_indices() for name, part in parts.items()})


def one_seed(agreement: str, seed: int) -> dict:
    """Train and score teacher and students on one split; return what is recorded of it."""
    corpus = split(phrasebank(agreement), seed)
    out = RUNS / f"phrasebank-{agreement}-seed{seed}"
    teacher, tokenizer = models.teacher("minilm", data.label_names(corpus), "classification", seed)
    how = {"seed": seed, "precision": best_precision(), "speed": True}
    first, second = replace(TEACHER, **how), replace(STUDENT, **how)
    teacher = fine_tune(teacher, tokenizer, corpus["train"], out / "teacher", first)
    scores = {"teacher": scored(teacher, tokenizer, corpus)}
    for name in STUDENTS:
        student = models.student(name, teacher, seed)
        folder = out / name.replace(":", "-")
        store = folder.with_name(f"signals-{folder.name}")
        layers = teacher_layers("hidden", teacher, student)
        transfer = samples.with_teacher(corpus["train"], teacher, tokenizer, store, layers, precision=first.precision)
        student = distill_by("hidden", student, tokenizer, transfer, folder, second)
        scores[name] = scored(student, tokenizer, corpus)
        twin, alone = models.student(name, teacher, seed), folder.with_name(f"{folder.name}-labels-only")
        twin = fine_tune(twin, tokenizer, corpus["train"], alone, second)
        scores[TWIN.format(name)] = scored(twin, tokenizer, corpus)
    return {
        "seed": seed,
        "scores": scores,
        "corpus": {part: len(rows) for part, rows in corpus.items()} | {"digest": data.digest(corpus)},
        "settings": {"teacher": asdict(first), "student": asdict(second)},
        **recipes.provenance(),
    }


def scored(model, tokenizer, corpus) -> dict:
    """Return accuracy and macro F1 on ``valid`` and ``test``."""
    found = {part: evaluation.evaluate(model, tokenizer, corpus[part]) for part in ("valid", "test")}
    return {part: {key: result[key] for key in ("accuracy", "macro_f1")} for part, result in found.items()}


def table(results: dict) -> str:
    """Return the scores on ``test`` as a Markdown table: means over the seeds with their spread."""
    lines = ["| readers who agreed, model | accuracy | macro F1 | accuracy, of the teacher |", "|---|--:|--:|--:|"]
    for agreement, seeds in results.items():
        for model in MODELS:
            scores = [report["scores"][model]["test"] for report in seeds.values()]
            teachers = [report["scores"]["teacher"]["test"]["accuracy"] for report in seeds.values()]
            kept = [100 * of["accuracy"] / most for of, most in zip(scores, teachers, strict=True)]
            cells = [evaluation.mean_and_spread([of[key] for of in scores]) for key in ("accuracy", "macro_f1")]
            share = f"{evaluation.mean_and_spread(kept, 1)}\N{NO-BREAK SPACE}%"
            lines.append(f"| {agreement}: {model} | {' | '.join(cells)} | {share} |")
    return "\n".join(lines)


def main() -> None:
    """Record every seed named (0, 1, 2) that is not recorded yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1, 2], metavar="SEED")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for seed in options.seeds:
        for agreement in PUBLISHED:
            if str(seed) not in results.setdefault(agreement, {}):
                results[agreement][str(seed)] = one_seed(agreement, seed)
                write_json(RESULTS, results)
    print(table(results))


if __name__ == "__main__":
    main()
