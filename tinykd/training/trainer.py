"""The Trainer that people know, with three things of its own: the loss, its terms in the log, the order of the samples.

Taught in lesson 01; the same loop by hand in lesson 02.
"""

import math
import shutil
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

from tinykd import _compat, artifacts, losses
from tinykd.errors import RunError
from tinykd.samples import DisagreementSampler
from tinykd.training.processes import ByLength, own_rows, weigh
from tinykd.training.settings import Settings

MARK = "finished.json"  #: the note of a checkpoint that was written to its end


class DistillationTrainer(_compat.Trainer):
    """A ``Trainer`` of an :class:`~tinykd.training.Objective`, which brings its own losses."""

    def __init__(self, *args, settings: Settings, **kwargs):
        """Take the Trainer's own arguments, and how alpha, temperature and the choice of samples go."""
        super().__init__(*args, **kwargs)
        self.settings = settings
        self.model_accepts_loss_kwargs = False  # our losses are means over a batch already
        self.terms: dict[str, list[Tensor]] = defaultdict(list)
        if settings.dynamic:
            collate = self.data_collator
            # Looked up while a batch is fetched: the loader is a batch ahead, and the next draw may come before.
            self.data_collator = lambda rows: (
                collate(rows) | {"weight": self.sampler.weight[[row["index"] for row in rows]]}
            )

    def now(self) -> dict[str, float]:
        """Return ``alpha``, ``temperature`` and ``mixing`` of the present step."""
        return self.settings.at(self.state.global_step / self.state.max_steps)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Return the loss of one batch, and keep its terms for the log."""
        several = self.accelerator.num_processes > 1
        if several:
            inputs, own = own_rows(self, inputs)
        outputs = model(**inputs, **self.now())
        terms = {name: value for name, value in outputs.items() if name not in ("loss", "logits")}
        if several:
            terms = weigh(self, terms, inputs, own)
            outputs["loss"] = sum(getattr(self.settings.weights, name) * term for name, term in terms.items())
        for name, value in terms.items():
            self.terms[name].append(value.detach())
        return (outputs["loss"], outputs) if return_outputs else outputs["loss"]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log each loss by its name, beside their sum; a RunError if it is no number."""
        if "loss" in logs:
            means = {name: torch.stack(values).mean() for name, values in self.terms.items()}
            logs |= {name: self.accelerator.reduce(value, "mean").item() for name, value in means.items()}
            self.terms.clear()
            self.check_numbers(logs["loss"])
        super().log(logs, start_time)

    def check_numbers(self, loss: float = 0.0) -> None:
        """Raise a RunError when the loss or the weights are no longer numbers.

        Not called at every step: an accelerator would have to wait each time.
        """
        if math.isfinite(loss) and all(torch.isfinite(p).all() for p in self.model.parameters()):
            return
        what = "the weights are no longer numbers" if math.isfinite(loss) else f"the loss is {loss}"
        kept = f"the last good checkpoint, if there was one, is kept in {self.args.output_dir}"
        smaller = f"Delete that and try a smaller learning rate than {self.args.learning_rate:g}"
        raise RunError(f"{what} at step {self.state.global_step}; {kept}. {smaller}")

    def train_sampler(self) -> torch.utils.data.Sampler:
        """Return the order of the samples: like lengths together, or chosen by disagreement with the teacher.

        It is the same in every process.
        """
        rows, settings = self.train_dataset, self.settings
        if settings.dynamic is None:
            return ByLength(self, settings.batch_size, lengths=rows["length"][:])
        self.sampler = DisagreementSampler(
            rows, settings.batch_size, settings.dynamic, settings.seed, self._disagreement, lambda: self.state
        )
        return self.sampler

    @torch.inference_mode()
    def _disagreement(self, rows: list[dict]) -> Tensor:
        """(rows,), the mean over its words of T² KL(teacher ‖ student), of the student as it is now."""
        temperature = self.now()["temperature"]
        batch = {key: value.to(self.args.device) for key, value in self.data_collator(rows).items() if key != "weight"}
        if "teacher_logits" not in batch:
            raise RunError("dynamic samples need the teacher's logits; make them with samples.with_teacher")
        self.model.eval()
        with self.compute_loss_context_manager():
            logits = self.model(**batch)["logits"]
        self.model.train()
        divergence = temperature**2 * losses.kl_divergence(logits, batch["teacher_logits"], temperature)
        if divergence.dim() == 1:
            return divergence
        mask = batch["first_subwords"] >= 0
        return (divergence * mask).sum(-1) / mask.sum(-1).clamp(min=1)

    def after_checkpoint(self, folder: Path) -> None:
        """Seal a complete checkpoint, for a process can be killed while it writes; keep the last two.

        The first process calls it.
        """
        artifacts.seal(folder, MARK, {})
        for old in checkpoints(folder.parent)[:-2]:
            shutil.rmtree(old)


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints below ``folder``, in the order of their steps: a clock can be set back."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
