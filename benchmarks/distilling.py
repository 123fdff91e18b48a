"""How many sentences a second does distilling train, on this machine? One process a contestant, alternating.

The same student (``cut:3`` of the embedded teacher), the same sentences, batches of 32:

* ``tinykd``       the Trainer path with stored teacher logits: what ``tinykd distill`` runs
* ``by hand``      the fifteen-line loop, nothing but forward, backward and step: the ceiling
* ``fine-tuning``  the Trainer path without a teacher
* ``online``       the Trainer path that asks the teacher at every step
* ``textbrewer``   TextBrewer's GeneralDistiller with dynamic padding, as its examples use it, single precision
* ``textbrewer, autocast``  the same with its calls wrapped in bf16 autocast, which it does not do by itself

And the same student matching three layers of a teacher of BERT-base's shape (109 M parameters, random weights):

* ``layers, stored``  the hidden states come from the store, which was written before
* ``layers, online``  the teacher is asked at every step

TextBrewer is not a requirement of tinykd; its contestants are left out where it is not installed
(``pip install textbrewer``).

python benchmarks/distilling.py [--data newswire] [--rows 640] [--rounds 3] [--contestants NAME …]
"""

import argparse
import contextlib
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTESTANTS = (
    "tinykd", "by hand", "fine-tuning", "online",
    "textbrewer", "textbrewer, autocast", "layers, stored", "layers, online",
)  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent


def contestant(name: str, corpus_name: str, rows: int) -> float:
    """Train one epoch and return sentences a second, start-up and checkpoint left out."""
    from tinykd import data, models, training
    from tinykd.objective import Weights

    corpus = data.load(corpus_name, max_train=rows)
    labels, train = data.label_names(corpus), corpus["train"]
    teacher, tokenizer = models.teacher("minilm", labels)
    student = models.student("cut:3", teacher)
    settings = training.Settings(epochs=1)
    if name.startswith("layers"):
        teacher = _base_size(teacher)
        settings = training.Settings(epochs=1, weights=Weights(hidden=1.0))
    with tempfile.TemporaryDirectory() as folder:
        clock = _Clock(len(train) - settings.batch_size)
        if name == "by hand":
            _by_hand(student, tokenizer, _stored(train, teacher, tokenizer, folder, settings), settings, clock)
        elif name.startswith("textbrewer"):
            _textbrewer(student, teacher, tokenizer, train, settings, folder, clock, autocast=name.endswith("autocast"))
        else:
            asked = {}
            if name in ("tinykd", "layers, stored"):
                train = _stored(train, teacher, tokenizer, folder, settings, student)
            elif name in ("online", "layers, online"):
                layers = settings.weights.teacher_layers(teacher.config, student.config)
                asked = {"teacher": teacher, "teacher_layers": layers}
            training._Bar = lambda title: clock.callback()
            training.distill(student, tokenizer, train, Path(folder) / "out", settings, **asked)
        return clock.pace()


class _Clock:
    """Times all steps of an epoch but the first."""

    def __init__(self, sentences: int):
        self.sentences, self.ticks = sentences, []

    def tick(self) -> None:
        self.ticks.append(time.perf_counter())

    def callback(self):
        from transformers import TrainerCallback

        clock = self

        class Callback(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                clock.tick()

        return Callback()

    def pace(self) -> float:
        return self.sentences / (self.ticks[-1] - self.ticks[0])


def _stored(train, teacher, tokenizer, folder, settings, student=None):
    from tinykd import samples
    from tinykd.internals import Layers

    layers = settings.weights.teacher_layers(teacher.config, student.config) if student else Layers()
    return samples.with_teacher(train, teacher, tokenizer, Path(folder) / "signals", layers=layers)


def _base_size(teacher):
    """A teacher of BERT-base's shape for the same labels; its answers mean nothing, their cost is the same."""
    from transformers import BertConfig, BertForTokenClassification

    labels = {"id2label": teacher.config.id2label, "label2id": teacher.config.label2id}
    config = BertConfig(vocab_size=teacher.config.vocab_size, architectures=["BertForTokenClassification"], **labels)
    return BertForTokenClassification(config).eval()


def _by_hand(student, tokenizer, train, settings, clock) -> None:
    import torch
    from transformers.trainer_pt_utils import LengthGroupedSampler

    from tinykd import data, losses, training

    encoded, collate = data.encode(train, tokenizer), data.collate(tokenizer, train)
    optimizer = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, fused=True)
    order = list(LengthGroupedSampler(settings.batch_size, lengths=encoded["length"][:]))
    student.train()
    for start in range(0, len(order), settings.batch_size):
        batch = collate(encoded.select(order[start : start + settings.batch_size]).to_list())
        labels, starts, signal = (batch.pop(key) for key in ("labels", "word_starts", "teacher_logits"))
        counted = labels != data.IGNORE
        with torch.autocast("cpu", torch.bfloat16, enabled=training.has_bf16()):
            logits = student(**batch).logits[counted]
        known = signal[starts >= 0]
        losses.mixture(logits, known, labels[counted], settings.alpha, settings.temperature).backward()
        optimizer.step()
        optimizer.zero_grad()
        clock.tick()


def _textbrewer(student, teacher, tokenizer, train, settings, folder, clock, autocast: bool) -> None:
    import torch
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig
    from torch.utils.data import DataLoader

    from tinykd import data

    collate = data.collate(tokenizer)

    def batches(rows):
        return {key: value for key, value in collate(rows).items() if key != "word_starts"}

    loader = DataLoader(data.encode(train, tokenizer), settings.batch_size, shuffle=True, collate_fn=batches)

    def adaptor(batch, outputs):
        return {"logits": outputs.logits, "logits_mask": batch["labels"] != data.IGNORE, "losses": outputs.loss}

    class Timed(GeneralDistiller):
        def train_on_batch(self, batch, args):
            with torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext():
                result = super().train_on_batch(batch, args)
            clock.tick()
            return result

    how = TrainingConfig(device="cpu", output_dir=folder, log_dir=None, ckpt_frequency=0, ckpt_steps=10**9)
    what = DistillationConfig(temperature=settings.temperature, kd_loss_weight=0.5, hard_label_weight=0.5)
    distiller = Timed(how, what, teacher, student, adaptor, adaptor)
    optimizer = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, fused=True)
    with distiller:
        distiller.train(optimizer, loader, num_epochs=1)


def main() -> None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="newswire")
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestants", nargs="*", default=list(CONTESTANTS), choices=CONTESTANTS, metavar="NAME")
    parser.add_argument("--only", choices=CONTESTANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(contestant(options.only, options.data, options.rows)))
        return
    from tinykd.files import write_json
    from tinykd.recipes import provenance

    about = provenance()
    print(f"{about['processor']}; {options.rows} sentences of {options.data}, sentences a second", flush=True)
    there = importlib.util.find_spec("textbrewer") is not None
    names = [name for name in options.contestants if there or not name.startswith("textbrewer")]
    paces: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            command = [sys.executable, __file__, "--only", name, "--data", options.data, "--rows", str(options.rows)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
            paces[name].append(float(done.stdout.splitlines()[-1]))
    for name, values in paces.items():
        print(f"{name:<22} {statistics.median(values):7.0f}   (from {min(values):.0f} to {max(values):.0f})")
    result = about | {"data": options.data, "rows": options.rows, "sentences_per_second": paces}
    write_json(ROOT / "benchmarks" / "results" / f"distilling-{options.data}.json", result)


if __name__ == "__main__":
    main()
