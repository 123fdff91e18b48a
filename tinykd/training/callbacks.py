"""What watches a training: when it saves, the bar that shows it, curves of its own. Taught in lesson 01."""

import contextlib
import os
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from transformers import TrainerCallback

from tinykd import progress

SECONDS = 60.0  #: at least so long between two checkpoints; an interrupted run loses that and an epoch, at most


class SaveRarely(TrainerCallback):
    """Save no checkpoint within ``SECONDS`` of the last, or of the start: it costs several steps.

    The clocks of several processes differ, and all must save or none: they save after every epoch.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        """Start the clock."""
        self.last = time.monotonic()

    on_save = on_train_begin

    def on_epoch_end(self, args, state, control, **kwargs):
        """Let an epoch end unsaved that ended soon after the last save."""
        if args.world_size == 1 and time.monotonic() - self.last < SECONDS:
            control.should_save = False


class Bar(TrainerCallback):
    """One progress bar per model: its title, its steps, its mean loss in the last epoch."""

    def __init__(self, title: str):
        self.title = title

    def on_train_begin(self, args, state, control, **kwargs):
        """Show the bar, from the step at which this run goes on."""
        title = f"{self.title:<10}"
        self.bar = progress.bar(total=state.max_steps, initial=state.global_step, desc=title, unit="step")

    def on_step_end(self, args, state, control, **kwargs):
        """Go one step on."""
        self.bar.update(1)

    def on_log(self, args, state, control, logs, **kwargs):
        """Show the loss."""
        if "loss" in logs:
            self.bar.set_postfix(epoch=round(state.epoch), loss=f"{logs['loss']:.3f}")

    def on_train_end(self, args, state, control, **kwargs):
        """Leave the bar as it is."""
        self.bar.close()


@contextlib.contextmanager
def curves_of(out: Path, report_to: str) -> Iterator[None]:
    """Give a model curves of its own: TensorBoard a folder, unless the environment names one; W&B a run that ends."""
    name = "TENSORBOARD_LOGGING_DIR"
    ours = name not in os.environ
    os.environ.setdefault(name, str(out.parent / "tensorboard" / out.name))
    try:
        yield
    finally:
        if ours:
            del os.environ[name]
        if report_to == "wandb":  # which would write the next model's curves into the same run
            import_module(report_to).finish()
