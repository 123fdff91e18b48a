"""``tinykd evaluate``: score a model, or a fusion of models, on a split of a corpus."""

import json
from pathlib import Path

from tinykd.commands import corpus_of, progress, shared


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("evaluate", help="score a model, or a fusion, on a split of a corpus")
    parser.add_argument("--model", required=True, type=Path, metavar="DIR")
    parser.add_argument("--data", required=True, metavar="NAME|FOLDER")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    return shared(parser)


def call(options) -> None:
    """Print the scores as JSON."""
    from tinykd import data, evaluation, fusion, models, text

    part = data.split_of(corpus_of(options), options.split, options.data)
    if (options.model / "fusion.json").exists():
        fused = fusion.load(options.model)
        models.check_labels(fused.labels, data.label_names(part), "the fusion", "the corpus")
        answers = fused.logits(part, options.max_length)
        labels = fused.labels
        found = [[labels[k] for k in text.decode(row, labels)] for row in answers]
        scores = evaluation.scores(data.task(part), evaluation.gold(part), found)
    else:
        model, tokenizer = models.load(options.model)
        bar = options.split if progress() else None
        scores = evaluation.evaluate(model, tokenizer, part, options.max_length, progress=bar)
    print(json.dumps(scores, indent=2))
