"""How many sentences a second does distilling train, on this machine? One process a contestant, alternating.

Contestants, all on the same batches of the same student (``cut:3`` of the embedded teacher):

* ``tinykd``       the Trainer path with stored teacher logits (what ``tinykd distill`` runs)
* ``by hand``      the fifteen-line loop, nothing but forward, backward and step: the ceiling
* ``fine-tuning``  the Trainer path without a teacher
* ``online``       the Trainer path that asks the teacher at every step

python benchmarks/distilling.py [--data newswire] [--rows 640] [--rounds 3]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTESTANTS = ("tinykd", "by hand", "fine-tuning", "online")


def contestant(name: str, corpus_name: str, rows: int) -> float:
    """Train one epoch and return sentences a second, start-up and checkpoint left out."""
    import torch
    from transformers import TrainerCallback
    from transformers.trainer_pt_utils import LengthGroupedSampler

    from tinykd import data, losses, models, samples, training

    corpus = data.load(corpus_name, max_train=rows)
    teacher, tokenizer = models.teacher("minilm", data.label_names(corpus))
    student, train = models.student("cut:3", teacher), corpus["train"]
    settings = training.Settings(epochs=1)

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 1:
                self.start = time.perf_counter()
            self.end = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        training._Bar = lambda title: clock
        if name == "online":

            class Online(training.DistillationTrainer):
                def compute_loss(self, model, inputs, *args, **kwargs):
                    asked = {key: value for key, value in inputs.items() if key != "labels"}
                    with torch.no_grad():
                        inputs["teacher_logits"] = teacher(**asked).logits[inputs["labels"] != data.IGNORE].float()
                    return super().compute_loss(model, inputs, *args, **kwargs)

            training.DistillationTrainer = Online
        if name in ("tinykd", "by hand"):
            train = samples.with_teacher(train, teacher, tokenizer, Path(folder) / "signals")
        if name != "by hand":
            training.distill(student, tokenizer, train, Path(folder) / "out", settings)
            return (len(train) - settings.batch_size) / (clock.end - clock.start)

        encoded, collate = data.encode(train, tokenizer), data.collate(tokenizer)
        optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, fused=True)
        order = list(LengthGroupedSampler(settings.batch_size, lengths=encoded["length"][:]))
        student.train()
        for start in range(0, len(order), settings.batch_size):
            batch = collate(encoded.select(order[start : start + settings.batch_size]).to_list())
            labels, signal = batch.pop("labels"), batch.pop("teacher_logits")
            counted = labels != data.IGNORE
            with torch.autocast("cpu", torch.bfloat16, enabled=training.has_bf16()):
                logits = student(**batch).logits[counted]
            losses.mixture(logits, signal, labels[counted], settings.alpha, settings.temperature).backward()
            optimizer.step()
            optimizer.zero_grad()
            if start == 0:
                began = time.perf_counter()
        return (len(train) - settings.batch_size) / (time.perf_counter() - began)


def main() -> None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="newswire")
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CONTESTANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(contestant(options.only, options.data, options.rows)))
        return
    from tinykd.recipes import processor

    print(f"{processor()}; {options.rows} sentences of {options.data}, batch 32, sentences a second", flush=True)
    paces: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(options.rounds):
        for name in CONTESTANTS:
            command = [sys.executable, __file__, "--only", name, "--data", options.data, "--rows", str(options.rows)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            paces[name].append(float(done.stdout.splitlines()[-1]))
    for name, values in paces.items():
        print(f"{name:<12} {statistics.median(values):7.0f}   (from {min(values):.0f} to {max(values):.0f})")


if __name__ == "__main__":
    main()
