"""``tinykd fuse``: let teacher and student predict together, by cascade or in parallel."""

from pathlib import Path

from tinykd.commands import corpus_of, quoted, shared
from tinykd.errors import SettingError


def add(commands):
    """Describe the options."""
    parser = shared(commands.add_parser("fuse", help="let teacher and student predict together, fitted on valid"))
    parser.add_argument("--teacher", required=True, type=Path, metavar="DIR")
    parser.add_argument("--student", required=True, type=Path, metavar="DIR")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--how", choices=("cascade", "parallel"), default="cascade")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--budget", type=float, metavar="N", help="cascade: at most so much of the teacher's cost")
    limit.add_argument("--target", type=float, metavar="N", help="cascade: at least so much of the teacher's score")
    parser.add_argument("--space", choices=("logits", "probabilities"), help="parallel: what is added; default: logits")
    return parser


def call(options) -> None:
    """Fit on ``valid``, save one folder, print what was chosen."""
    from tinykd import data, fusion, models

    for name, of in (("budget", "cascade"), ("target", "cascade"), ("space", "parallel")):
        if getattr(options, name) is not None and options.how != of:
            raise SettingError(f"--{name} is for --how {of}; --how is {options.how}")
    valid = data.split_of(corpus_of(options), "valid", options.data)
    teacher, student = models.load(options.teacher), models.load(options.student)
    if options.how == "cascade":
        budget = 1.0 if options.budget is None and options.target is None else options.budget
        fused = fusion.Cascade.fit(teacher, student, valid, budget, options.target, max_length=options.max_length)
        print(f"below a confidence of {fused.threshold:.4f} the teacher predicts")
    else:
        members = {"teacher": teacher, "student": student}
        fused = fusion.Parallel.fit(members, valid, options.space or "logits", max_length=options.max_length)
        print("weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in fused.weights.items()))
    fused.save(options.out)
    print(f'try it: tinykd predict --model {quoted(options.out)} "Mara Hope left Jordan for Nice."')
