"""How many sentences a second does distilling train, on this machine, and how long until a fixed score?

The same student (``cut:3`` of the embedded teacher), the same sentences, batches of 32:

* ``tinykd``       the Trainer path with stored teacher logits: what ``tinykd distill`` runs
* ``tinykd, without speed``  the same without the tricks of ``tinykd.training.speed``: the library's default
* ``by hand``      the fifteen-line loop: forward, backward and step, and PyTorch's own dropout
* ``fine-tuning``  the Trainer path without a teacher
* ``online``       the Trainer path in which the teacher predicts every batch anew
* ``textbrewer``   TextBrewer's GeneralDistiller with dynamic padding, single precision
* ``textbrewer, autocast``  the same with its calls wrapped in bf16 autocast, which it does not do by itself
* ``textbrewer, fixed padding``  every sentence padded to 128 subword tokens, as its examples prepare them
* ``torchdistill``  its DistillationBox and KDLoss, single precision
* ``plain Trainer, online``  a Trainer whose compute_loss runs the teacher, bf16 where that pays
* ``plain Trainer, kept by map``  the same, with the teacher's predictions kept by ``Dataset.map`` before

And the same student matching three layers of a teacher of BERT-base's shape (109 M parameters, random weights):

* ``layers, stored``  the hidden states come from the store, which was written before
* ``layers, online``  the teacher predicts every batch anew

TextBrewer and torchdistill are no requirements of tinykd; without them their contestants are left out
(``pip install -e ".[bench]"``).

python benchmarks/distilling.py [--data newswire] [--rows 640] [--target 0.5] [--rounds 3] [--contestants NAME …]
"""

import contextlib
import importlib.util
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import turns

PEERS = {
    "textbrewer": ("textbrewer", {}),
    "textbrewer, autocast": ("textbrewer", {"autocast": True}),
    "textbrewer, fixed padding": ("textbrewer", {"fixed": True}),
    "torchdistill": ("torchdistill", {}),
    "plain Trainer, online": ("plain_trainer", {}),
    "plain Trainer, kept by map": ("kept_by_map", {}),
}
OWN = ("tinykd", "tinykd, without speed", "by hand", "fine-tuning", "online")
CONTESTANTS = (*OWN, *PEERS, "layers, stored", "layers, online")
OPTIONS = {
    "--data": {"default": "newswire"},
    "--rows": {"type": int, "default": 640, "help": "sentences of train; default: %(default)s"},
    "--target": {"type": float, "default": 0.0, "help": "F1 on valid to reach; 0 (default) times one epoch only"},
    "--epochs": {"type": int, "default": 12, "help": "at most, with a target; default: %(default)s"},
    "--base": {"default": "minilm", "help": "the teacher, as for tinykd distill; default: %(default)s"},
    "--student": {"default": "cut:3", "help": "default: %(default)s"},
    "--batch-size": {"type": int, "default": 32, "help": "default: %(default)s"},
}


class Reached(Exception):
    """The score is there: no error, it ends a training that has come far enough."""


class Clock:
    """Times the steps and, with a target, scores the student after every epoch while the clock stands still."""

    def __init__(self, student, sentences: int, batch_size: int, score=None, target: float = 0.0):
        self.student, self.score, self.target = student, score, target
        self.sentences, self.steps = sentences, -(-sentences // batch_size)
        self.start, self.paused, self.ticks, self.seconds = time.perf_counter(), 0.0, [], None

    def begin(self) -> None:
        """The first step begins: what came before is no part of the throughput."""
        self.began = time.perf_counter()

    def tick(self) -> None:
        """A step is done."""
        now = time.perf_counter()
        self.ticks.append(now - self.paused)
        if self.target and len(self.ticks) % self.steps == 0:
            reached = self.score(self.student) >= self.target
            self.student.train()
            self.paused += time.perf_counter() - now
            if reached:
                self.seconds = self.ticks[-1] - self.start
                raise Reached

    def callback(self):
        """The same for a Trainer."""
        from transformers import TrainerCallback

        clock = self

        class Callback(TrainerCallback):
            def on_train_begin(self, args, state, control, **kwargs):
                clock.begin()

            def on_step_end(self, args, state, control, **kwargs):
                clock.tick()

        return Callback()

    def throughput(self) -> float:
        """Sentences per second, of all steps of the first epoch: grouped by length, no step is like another."""
        return self.sentences / (self.ticks[self.steps - 1] - self.began)


def prepare(options) -> list[str]:
    """With a target, fine-tune the teacher that all shall share; without, any weights cost the same."""
    if options.target and not (options.work / "teacher").exists():
        from tinykd import data, models, recipes, training

        corpus = data.load(options.data, max_train=options.rows)
        teacher, tokenizer = models.teacher(options.base, data.label_names(corpus))
        settings = replace(recipes.suited(options.rows)[0], precision=options.precision, speed=True)
        training.fine_tune(teacher, tokenizer, corpus["train"], options.work / "teacher", settings)
    there = {name for name in PEERS if importlib.util.find_spec(name.split(",")[0]) or name.startswith("plain")}
    if absent := [name for name in options.contestants if name in PEERS and name not in there]:
        print(f"left out, for they are not installed (pip install -e '.[bench]'): {'; '.join(absent)}", flush=True)
    layers = [] if options.target else [name for name in CONTESTANTS if name.startswith("layers")]
    return [*OWN, *there, *layers]


def measure(name: str, options) -> dict:
    """Train one epoch, or until the target. Storing the teacher's logits counts in the time to the target only."""
    from tinykd import data, evaluation, models, training
    from tinykd.deploy import measuring

    corpus = data.load(options.data, max_train=options.rows)
    train = corpus["train"]
    if options.target:
        teacher, tokenizer = models.load(options.work / "teacher")
    else:
        teacher, tokenizer = models.teacher(options.base, data.label_names(corpus))
    student = models.student(options.student, teacher)
    how = {"batch_size": options.batch_size, "precision": options.precision, "speed": "without" not in name}
    settings = training.Settings(epochs=1, **how)
    if options.target:
        settings = training.Settings(epochs=options.epochs, learning_rate=3e-4, **how)
    if name.startswith("layers"):
        teacher, settings = _base_size(teacher), replace(settings, weights=training.Weights(hidden=1.0))

    def score(student) -> float:
        return evaluation.evaluate(student, tokenizer, corpus["valid"])["entity_f1"]

    with tempfile.TemporaryDirectory() as folder:
        _warm_up(student, tokenizer, train, settings)
        clock = Clock(student, len(train), settings.batch_size, score, options.target)
        with contextlib.suppress(Reached):
            _train(name, student, teacher, tokenizer, train, settings, folder, clock)
    figures = {"sentences_per_second": clock.throughput(), "steps": clock.steps}
    figures["memory_bytes"] = measuring.peak_memory()
    return figures | ({"seconds_to_target": clock.seconds} if options.target else {})


def _warm_up(student, tokenizer, train, settings) -> None:
    """Go forward and back once, in either precision: what the first step alone has to pay is not measured."""
    from tinykd import data
    from tinykd.models.precision import autocast

    rows = train.select(range(min(settings.batch_size, len(train))))
    batch = data.collate(tokenizer)(data.encode(rows, tokenizer).to_list())
    del batch["first_subwords"]
    for precision in {"fp32", settings.precision}:
        with autocast(precision):
            student(**batch).loss.backward()
    student.zero_grad()


def _train(name, student, teacher, tokenizer, train, settings, folder, clock) -> None:
    if name in PEERS:
        import peers

        function, options = PEERS[name]
        getattr(peers, function)(student, teacher, tokenizer, train, settings, folder, clock, **options)
    elif name == "by hand":
        _by_hand(student, tokenizer, _stored(train, teacher, tokenizer, folder, settings), settings, clock)
    else:
        from tinykd.training import distill, fine_tune, runs

        runs.Bar, out = lambda title: clock.callback(), Path(folder) / "out"
        if name == "fine-tuning":
            fine_tune(student, tokenizer, train, out, settings)
        elif name in ("online", "layers, online"):
            distill(student, tokenizer, train, out, settings, teacher=teacher)
        else:
            distill(student, tokenizer, _stored(train, teacher, tokenizer, folder, settings, student), out, settings)


def _stored(train, teacher, tokenizer, folder, settings, student=None):
    from tinykd import samples
    from tinykd.models import Layers

    layers = settings.weights.teacher_layers(teacher.config, student.config) if student else Layers()
    return samples.with_teacher(
        train, teacher, tokenizer, Path(folder) / "signals", layers, precision=settings.precision
    )


def _base_size(teacher):
    """A teacher of BERT-base's shape for the same labels; its predictions mean nothing, their cost is the same."""
    from transformers import BertConfig, BertForTokenClassification

    labels = {"id2label": teacher.config.id2label, "label2id": teacher.config.label2id}
    config = BertConfig(vocab_size=teacher.config.vocab_size, architectures=["BertForTokenClassification"], **labels)
    return BertForTokenClassification(config).eval()


def _by_hand(student, tokenizer, train, settings, clock) -> None:
    import torch
    from transformers.trainer_pt_utils import LengthGroupedSampler

    from tinykd import data, losses
    from tinykd.models.precision import autocast

    encoded, collate = data.encode(train, tokenizer), data.collate(tokenizer, train)
    optimizer = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, fused=True)
    student.train()
    clock.begin()
    for _ in range(settings.epochs):
        order = list(LengthGroupedSampler(settings.batch_size, lengths=encoded["length"][:]))
        for start in range(0, len(order), settings.batch_size):
            batch = collate(encoded.select(order[start : start + settings.batch_size]).to_list())
            labels, starts, signal = (batch.pop(key) for key in ("labels", "first_subwords", "teacher_logits"))
            counted = labels != data.IGNORE
            with autocast(settings.precision):
                logits = student(**batch).logits[counted]
            known = signal[starts >= 0]
            losses.kd_loss(logits, known, labels[counted], settings.alpha, settings.temperature).backward()
            optimizer.step()
            optimizer.zero_grad()
            clock.tick()


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""

    def called(options) -> str:
        return f"distilling-{Path(options.data).name}" + ("-target" if options.target else "")

    return turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, prepare, called, arguments)


if __name__ == "__main__":
    main()
