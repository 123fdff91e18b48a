"""A student under a megabyte, for what the article calls embedded devices: how much of the teacher's F1 fits into it?

On CoNLL-2003 two of the teacher's six layers are distilled, on one renamed copy of each sentence and on real newswire
that the teacher labels. Then ``PLANS`` prune that student, from a few megabytes down to half of one: fewer subword
tokens, an embedding matrix of lower rank, fewer heads and neurons. Each is distilled again and exported: layers in 8
bits, the embedding matrix in 4. What is scored is the exported file, and its bytes are those on disk.
``python experiments/tiny_student.py [SEED ...]``; interrupted, it goes on where it stopped.
"""

import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path

import distillation
import reuters
from datasets import Dataset, DatasetDict, concatenate_datasets

import tinykd
from tinykd import data, evaluation, models, pruning, quantization, recipes, samples
from tinykd.artifacts import write_json
from tinykd.deploy import export, int8
from tinykd.evaluation import mean_and_spread
from tinykd.training import distill_by, teacher_layers

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "tiny_student.json"
OUTSIDE = 10_000
#: Subword tokens, rank of their matrix, and the shares of heads and of neurons that go
PLANS = ((12_000, 128, 0.25, 0.5), (8_000, 96, 0.5, 0.75), (5_000, 64, 0.75, 0.85), (3_000, 48, 0.75, 0.94))
FIRST = replace(distillation.SHORT, epochs=4, dropout=0.0)
AGAIN = replace(FIRST, epochs=4, learning_rate=4e-4)


def named(plan: tuple) -> str:
    """Return what the table calls a plan."""
    tokens, rank, heads, neurons = plan
    return f"{tokens:,} tokens of rank {rank}, {100 * heads:.0f} % of heads and {100 * neurons:.0f} % of neurons cut"


def transfer_set(corpus: DatasetDict, teacher: tuple, seed: int, precision: str) -> Dataset:
    """Return the sentences of all distillations, with labels; those of the outside text are the teacher's."""
    copies = samples.swap_entities(corpus["train"], 1, seed)
    texts = samples.labelled_by(*teacher, reuters.sentences(OUTSIDE, seed), precision=precision)
    return concatenate_datasets([corpus["train"], copies, texts.cast(corpus["train"].features)])


def one(seed: int, corpus: DatasetDict) -> dict:
    """Return F1 and bytes of the teacher, of the student before pruning, and of every plan."""
    out = distillation.RUNS / f"tiny-seed{seed}"
    teacher = distillation.teacher_of(seed, corpus["train"], data.label_names(corpus))
    settings, again = (distillation.here(part, seed) for part in (FIRST, AGAIN))
    texts = transfer_set(corpus, teacher, seed, settings.precision)
    student = models.student("cut:2", teacher[0], seed)
    layers = teacher_layers("hidden", teacher[0], student)
    transfer = samples.with_teacher(texts, *teacher, out / "signals", layers, precision=settings.precision)
    watched = samples.with_teacher(corpus["valid"], *teacher, out / "watched", precision=settings.precision)
    student = distill_by("hidden", student, teacher[1], transfer, out / "student", settings)
    found = {"teacher": exported(*teacher, out / "onnx-teacher", corpus, 8)}
    found["two layers"] = exported(student, teacher[1], out / "onnx-student", corpus, 8)
    for plan in PLANS:
        tokens, rank, heads, neurons = plan
        small, reads = pruning.prune_vocabulary(student, teacher[1], [texts], tokens)
        small = pruning.prune(small, pruning.importance(small, reads, watched), heads, neurons, per_layer=True)
        small = pruning.factorize_embeddings(small, reads, [texts], rank)
        matrix = small.get_input_embeddings().narrow.weight
        matrix.data = quantization.blockwise(matrix)  # the layers learn to read it as it will be stored
        folder = "-".join(map(str, plan))
        small = distill_by("hidden", small, reads, transfer, out / folder, again)
        found[named(plan)] = exported(small, reads, out / f"onnx-{folder}", corpus, 4)
    return {"seed": seed, "settings": asdict(settings), "variants": found} | recipes.provenance()


def exported(model, tokenizer, folder: Path, corpus: DatasetDict, bits: int) -> dict:
    """Export in 8 bits, the embedding matrix in ``bits``; return F1 on both splits and the bytes of the model file."""
    if not folder.exists():
        plain = export.to_onnx(model, tokenizer, folder.with_name(f"{folder.name}-plain"))
        int8.weight_only_int8(plain, folder, embedding_bits=bits)
    predictor = tinykd.open(folder)
    scores = {split: evaluation.score(predictor, corpus[split])["entity_f1"] for split in ("valid", "test")}
    return scores | {"bytes": Path(predictor.path).stat().st_size, "parameters": model.num_parameters()}


def table(results: dict) -> str:
    """Return the variants as Markdown: bytes on disk, entity F1, share of the teacher's."""
    lines = ["| CoNLL-2003 | on disk | valid | test | of the teacher |", "|---|--:|--:|--:|--:|"]
    for name in next(iter(results.values()))["variants"]:
        runs = [run["variants"] for run in results.values()]
        size = max(run[name]["bytes"] for run in runs) / 1e6
        f1 = [mean_and_spread([run[name][split] for run in runs]) for split in ("valid", "test")]
        share = mean_and_spread([100 * run[name]["test"] / run["teacher"]["test"] for run in runs], 1)
        lines.append(f"| {name} | {size:.2f} MB | {' | '.join(f1)} | {share}\N{NO-BREAK SPACE}% |")
    return "\n".join(lines)


def main() -> None:
    """Record the seeds named (0, 1, 2) that are missing."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    corpus = data.load("conll2003")
    for seed in [int(argument) for argument in sys.argv[1:]] or [0, 1, 2]:
        if str(seed) not in results:
            results[str(seed)] = one(seed, corpus)
            write_json(RESULTS, dict(sorted(results.items())))
    print(table(results))


if __name__ == "__main__":
    main()
