"""The recorded sparsification on *newswire*: zeros by magnitude or by movement, with the teacher's predictions.

The student is the demo's. In each of three rounds it is distilled for one epoch and then loses weights of its
Transformer layers until 50, 75 or 90 % of them are zero; a last epoch recovers it. ``magnitude`` removes the smallest
weights, ``movement`` those that the epoch has pushed towards zero (Sanh et al. 2020, their first-order score with a
hard threshold: the sum of -gradient · weight). ``nothing removed`` is the same training without zeros. A seed is
recorded when it is done. ``python experiments/sparsity.py [SEED ...]``.
"""

import gzip
import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch
from datasets import Dataset, concatenate_datasets
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, evaluation, models, pruning, recipes, samples
from tinykd.artifacts import write_json
from tinykd.deploy import measuring
from tinykd.deploy.plain import PlainPredictor
from tinykd.evaluation import mean_and_spread
from tinykd.models.hooks import stack_of_layers
from tinykd.training import Settings, distill

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "sparsity.json"
RUNS = ROOT / "runs" / "experiments"
AMOUNTS, ROUNDS = (0.5, 0.75, 0.9), 3
SCORES = ("magnitude", "movement")


def matrices(model: PreTrainedModel) -> list[nn.Parameter]:
    """Return the weights that may become zero: the matrices of the Transformer layers."""
    return [module.weight for module in stack_of_layers(model).modules() if isinstance(module, nn.Linear)]


def watch(model: PreTrainedModel) -> list[Tensor]:
    """Return a score per weight that grows, while ``model`` is trained, when a step moves the weight away from zero."""
    moved = []
    for weight in matrices(model):
        moved.append(torch.zeros_like(weight))

        def add(gradient: Tensor, weight=weight, score=moved[-1]) -> None:
            score.sub_(gradient * weight.detach())

        weight.register_hook(add)
    return moved


@torch.no_grad()
def remove(model: PreTrainedModel, scores: list[Tensor], amount: float) -> PreTrainedModel:
    """Set the ``amount`` of lowest scores to zero, over all matrices together; zeros stay zeros in later training."""
    for weight, score in zip(matrices(model), scores, strict=True):
        score[weight == 0] = -torch.inf
    every = torch.cat([score.flatten() for score in scores])
    gone = torch.zeros_like(every)
    gone[every.topk(round(amount * len(every)), largest=False).indices] = 1
    for weight, part in zip(matrices(model), gone.split([score.numel() for score in scores]), strict=True):
        weight.masked_fill_(part.view_as(weight).bool(), 0.0)
    return pruning.mask_gradients(model)


def sparse(
    by: str,
    amount: float,
    student: tuple[PreTrainedModel, PreTrainedTokenizerBase],
    transfer: Dataset,
    out: Path,
    settings: Settings,
) -> PreTrainedModel:
    """Return the student with so many zeros, distilled in ``ROUNDS`` epochs on the way there and one after it."""
    model, tokenizer = student
    for number in range(1, ROUNDS + 1):
        moved = watch(model)
        model = distill(model, tokenizer, transfer, out / f"round-{number}", settings)
        scores = moved if by == "movement" else [weight.detach().abs() for weight in matrices(model)]
        assert by == "nothing removed" or all(score.any() for score in scores)
        model.zero_grad()
        if by != "nothing removed":
            model = remove(model, scores, amount * number / ROUNDS)
    return distill(model, tokenizer, transfer, out / "recovered", settings)


def one(seed: int) -> dict:
    """Return what is measured of every variant of one seed."""
    setup = recipes.Run(seed=seed, max_train=400, texts="transfer", precision=models.best_precision())
    out, corpus = RUNS / f"newswire-seed{seed}", data.load("newswire", max_train=400, seed=seed)
    recipes.run(setup, out)
    teacher, how = models.load(out / "teacher"), {"precision": setup.precision}
    texts = samples.labelled_by(*teacher, data.texts("transfer", corpus), **how)
    read = concatenate_datasets([corpus["train"].select_columns(texts.column_names), texts])
    read = samples.with_teacher(read, *teacher, RUNS / f"sparsity-seed{seed}" / "signals", **how)
    settings = replace(recipes.suited(400)[1], epochs=1, learning_rate=2e-4, alpha=0.0, seed=seed, speed=True, **how)
    found = {}
    for by, amount in [("nothing removed", 0.0), *((by, amount) for by in SCORES for amount in AMOUNTS)]:
        name = f"{by}, {100 * amount:.0f} %" if amount else by
        folder = RUNS / f"sparsity-seed{seed}" / name.replace(",", "").replace(" ", "-").replace("%", "percent")
        model = sparse(by, amount, models.load(out / "student"), read, folder, settings)
        tokenizer = models.load(out / "student")[1]
        models.save(model, tokenizer, folder / "saved")
        weights = (folder / "saved" / "model.safetensors").read_bytes()
        predictor = PlainPredictor(model, tokenizer)
        found[name] = evaluation.score(predictor, corpus["test"]) | {
            "zeros": pruning.sparsity(model),
            "bytes": len(weights),
            "compressed": len(gzip.compress(weights)),
            "latency_ms": measuring.latency(predictor, evaluation.rows_of(corpus["test"])),
        }
    return {"seed": seed, "settings": asdict(settings), "variants": found} | recipes.provenance()


def table(results: dict) -> str:
    """Return the variants as Markdown: zeros, entity F1, megabytes as they are and compressed by gzip, milliseconds."""
    lines = ["| newswire | zeros | entity F1 | on disk | by gzip | per sentence |", "|---|--:|--:|--:|--:|--:|"]
    for name in results["0"]["variants"]:
        runs = [run["variants"][name] for run in results.values()]
        zeros, size, small, pace = (
            sum(run[key] for run in runs) / len(runs) for key in ("zeros", "bytes", "compressed", "latency_ms")
        )
        f1 = mean_and_spread([run["entity_f1"] for run in runs])
        sizes = f"{size / 1e6:.1f} MB | {small / 1e6:.1f} MB | {pace:.1f} ms"
        lines.append(f"| {name} | {100 * zeros:.0f}\N{NO-BREAK SPACE}% | {f1} | {sizes} |")
    return "\n".join(lines)


def main() -> None:
    """Record the seeds named (0, 1, 2) that are missing."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for seed in [int(argument) for argument in sys.argv[1:]] or [0, 1, 2]:
        if str(seed) not in results:
            results[str(seed)] = one(seed)
            write_json(RESULTS, dict(sorted(results.items())))
    print(table(results))


if __name__ == "__main__":
    main()
