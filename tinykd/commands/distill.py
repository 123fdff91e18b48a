"""``tinykd distill``: fine-tune a teacher, distil a student, compare them."""

from argparse import ArgumentTypeError
from dataclasses import fields
from pathlib import Path

from tinykd.commands import quoted, trains


def _selection(words: str) -> tuple[str, int]:
    rule, _, count = words.partition(":")
    if not count.isdecimal():
        raise ArgumentTypeError(f"{words!r}; expected a rule and a number, such as random:100")
    return rule, int(count)


def _line(words: str) -> tuple[float, ...]:
    values = words.split(":")
    if len(values) > 2:
        raise ArgumentTypeError(f"{words!r}; expected one number or two, such as 0.5:1")
    return tuple(map(float, values))


def add(commands):
    """Describe the options."""
    parser = trains(commands.add_parser("distill", help="fine-tune a teacher, distil a student, compare them"))
    parser.add_argument("--teacher", default="minilm", metavar="minilm|FOLDER|HUB_ID", help="default: %(default)s")
    parser.add_argument("--student", default="cut:3", metavar="cut:3|tinybert-4|FOLDER", help="default: %(default)s")
    methods = "logits, hidden, attention, relations or two-stage"
    parser.add_argument("--method", default="logits", metavar="NAME", help=f"{methods} (default: %(default)s)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where models, report and figure go")
    for name, kind, meaning in (
        ("alpha", float, "weight of the labels in the loss, 0 to 1"),
        ("temperature", float, "softness of both models' distributions, above 0"),
        ("epochs", int, "epochs of the student; the twin takes as many steps"),
        ("teacher-epochs", int, "epochs of the teacher"),
        ("learning-rate", float, "of all three models, above 0"),
        ("batch-size", int, "sentences per step"),
        ("max-train", int, "use only so many training sentences"),
        ("dropout", float, "of student and twin, 0 to 1"),
    ):
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=f"{meaning} (default: what suits the corpus)")
    select = "random, stratified or uncertain: N labelled sentences for student and twin"
    parser.add_argument("--select", type=_selection, metavar="RULE:N", help=select)
    copies = "of each sentence, with other entities, for student and twin"
    parser.add_argument("--copies", type=int, metavar="N", help=copies)
    texts = "one per line, or the corpus's split: the teacher labels them for the student"
    parser.add_argument("--texts", metavar="FILE|transfer", help=texts)
    dynamic = "samples where student and teacher disagree, from so many candidates each (2.0 if not said)"
    parser.add_argument("--dynamic", type=float, nargs="?", const=2.0, metavar="CANDIDATES", help=dynamic)
    mixing = "share of the teacher in the student's targets, at the start and at the end"
    parser.add_argument("--mixing", type=_line, metavar="START[:END]", help=mixing)
    parser.add_argument("--fuse", choices=("cascade", "parallel"), help="teacher and student, fitted on valid")
    parser.add_argument("--report", choices=("article",), help="print the article's table, too: a row per tag")
    boards = "curves to tensorboard, wandb or trackio"
    parser.add_argument("--report-to", default="none", metavar="NAME", help=f"{boards} (default: %(default)s)")
    return parser


def call(options) -> None:
    """Run the main job."""
    from tinykd import recipes

    setup = recipes.Run(**{field.name: getattr(options, field.name) for field in fields(recipes.Run)})
    report = recipes.run(setup, options.out, options.report_to)
    if report is None:  # one of several processes; the first one speaks
        return
    print(recipes.table(report))
    for name in recipes.present(report) if options.report == "article" else ():
        print(f"\n{name}\n\n{report[name]['token_report']}")
    print(f"\nopen next: {options.out / 'scoreboard.png'}")
    print(f'try it:    tinykd predict --model {quoted(options.out / "student")} "Mara Hope left Jordan for Nice."')
