"""``tinykd compress``: prune a student's vocabulary, heads and neurons, and distil it again."""

from pathlib import Path

from tinykd.commands import corpus_of, progress, quoted, shared


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("compress", help="prune a student and distil it again")
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="the student")
    parser.add_argument("--teacher", required=True, type=Path, metavar="DIR", help="whom it recovers from")
    parser.add_argument("--data", required=True, metavar="NAME|FOLDER")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the pruned student goes to DIR/student")
    parser.add_argument("--heads", type=float, default=0.5, metavar="N", help="share that goes, default %(default)s")
    parser.add_argument("--neurons", type=float, default=0.5, metavar="N", help="share that goes, default %(default)s")
    parser.add_argument("--vocabulary", type=int, metavar="N", help="pieces that stay (default: those that train uses)")
    parser.add_argument("--rank", type=int, metavar="N", help="of the table of pieces (default: as it is)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="prune and distil, so often: %(default)s")
    parser.add_argument("--epochs", type=int, metavar="N", help="of each round (default: what suits the corpus)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    return shared(parser)


def call(options) -> None:
    """Prune, recover, and say what it cost."""
    from dataclasses import replace

    from tinykd import data, evaluation, models, pruning, recipes, samples
    from tinykd.pruning.gradual import plan_of

    corpus = corpus_of(options)
    train, valid = corpus["train"], corpus["valid"]
    teacher, its_tokenizer = models.load(options.teacher)
    student, tokenizer = models.load(options.model)
    plan_of(student, options.rounds, options.heads, options.neurons)  # what cannot be is refused before any work
    settings = replace(recipes.suited(len(train))[1], seed=options.seed, max_length=options.max_length)
    if options.epochs is not None:
        settings = replace(settings, epochs=options.epochs)
    small, pieces = pruning.prune_vocabulary(student, tokenizer, [train], options.vocabulary)
    if options.rank is not None:
        small = pruning.factorize_table(small, pieces, [train], options.rank)
    before = evaluation.evaluate(student, tokenizer, valid, options.max_length)
    weights = {"model": models.weights_digest(student), "teacher": models.weights_digest(teacher)}
    with recipes.claimed(options.out, weights | {"corpus_digest": data.digest(corpus)}):
        stored = [
            samples.with_teacher(part, teacher, its_tokenizer, options.out / f"signals-{name}", options.max_length)
            for name, part in (("train", train), ("valid", valid))
        ]
        small = pruning.gradually(
            small, pieces, *stored, options.out / "rounds", settings, options.rounds, options.heads, options.neurons,
            progress=progress(),
        )  # fmt: skip
        models.save(small, pieces, options.out / "student")
        after = evaluation.evaluate(small, pieces, valid, options.max_length)
    score = recipes.main_score(before)
    for name, folder, scores in (("before", options.model, before), ("after", options.out / "student", after)):
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        print(f"{name:<8}{score.replace('_', ' ')} on valid {scores[score]:.3f}, {size / 1e6:.1f} MB")
    print(f"\nopen next: tinykd export --model {quoted(options.out / 'student')} --int8 --out DIR")
