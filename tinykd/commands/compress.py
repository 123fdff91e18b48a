"""``tinykd compress``: prune a student's vocabulary, heads and neurons, and distil it again."""

from pathlib import Path

from tinykd.commands import corpus_of, quoted, trains

NOTE = "run.json"


def add(commands):
    """Describe the options."""
    parser = trains(commands.add_parser("compress", help="prune a student and distil it again"))
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="the student")
    parser.add_argument("--teacher", required=True, type=Path, metavar="DIR", help="whom it recovers from")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the pruned student goes to DIR/student")
    parser.add_argument("--heads", type=float, default=0.5, metavar="N", help="share that goes, default %(default)s")
    parser.add_argument("--neurons", type=float, default=0.5, metavar="N", help="share that goes, default %(default)s")
    parser.add_argument("--vocabulary", type=int, metavar="N", help="tokens that stay (default: those train uses)")
    parser.add_argument("--rank", type=int, metavar="N", help="of the embedding matrix (default: as it is)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="prune and distil, so often: %(default)s")
    parser.add_argument("--epochs", type=int, metavar="N", help="of each round (default: what suits the corpus)")
    return parser


def call(options) -> None:
    """Prune, recover, and print what it cost."""
    from tinykd import artifacts, data, evaluation, models, pruning, samples

    corpus = corpus_of(options)
    train, valid = corpus["train"], corpus["valid"]
    teacher, student = models.load(options.teacher), models.load(options.model)
    plan = _plan(options, len(train))
    plan.check(student[0])  # what cannot be is refused before any work
    small, tokenizer = pruning.prune_vocabulary(*student, [train], options.vocabulary)
    if options.rank is not None:
        small = pruning.factorize_embeddings(small, tokenizer, [train], options.rank)
    facts = {"model": models.weights_digest(student[0]), "teacher": models.weights_digest(teacher[0])}
    facts |= {"corpus": data.digest(corpus), "precision": plan.settings.precision}
    with artifacts.claim(options.out, NOTE, facts):
        how = {"max_length": options.max_length, "precision": plan.settings.precision}
        transfer = samples.with_teacher(train, *teacher, options.out / "signals-train", **how)
        validation = samples.with_teacher(valid, *teacher, options.out / "signals-valid", **how)
        small = pruning.gradually(small, tokenizer, transfer, validation, options.out / "rounds", plan)
        models.save(small, tokenizer, options.out / "student")
    for name, folder in (("before", options.model), ("after", options.out / "student")):
        scores = evaluation.evaluate(*models.load(folder), valid, options.max_length)
        score, size = evaluation.main_score(scores), sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        print(f"{name:<8}{score.replace('_', ' ')} on valid {scores[score]:.3f}, {size / 1e6:.1f} MB")
    print(f"\nopen next: tinykd export --model {quoted(options.out / 'student')} --int8 --out DIR")


def _plan(options, sentences: int):
    """What suits the corpus and the machine, with what the options say put over it."""
    from dataclasses import replace

    from tinykd import artifacts, models, pruning, recipes

    settings, note = recipes.suited(sentences)[1], options.out / NOTE
    how = {name: getattr(options, name) for name in ("seed", "max_length", "speed", "precision")}
    if options.precision is None:  # an interrupted run goes on in its own
        how["precision"] = artifacts.read_json(note).get("precision") if note.is_file() else models.best_precision()
    if options.epochs is not None:
        how["epochs"] = options.epochs
    recipes.tell(how["precision"], options.speed)
    return pruning.Plan(replace(settings, **how), options.rounds, options.heads, options.neurons)
