"""The order of the samples, and one loss over several processes: that of a single one. Taught in lesson 16."""

import torch
from torch import Tensor
from transformers.trainer_pt_utils import LengthGroupedSampler


class ByLength(LengthGroupedSampler):
    """Sentences of like length together; the order comes from seed and step, so that a resumed run draws the same."""

    def __init__(self, trainer, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.trainer = trainer

    def __iter__(self):
        """Yield the indices of one epoch."""
        seed, step = self.trainer.args.data_seed, self.trainer.state.global_step
        self.generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        return super().__iter__()


def own_rows(trainer, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Take away the rows that fill up the last step of an epoch: another process, or this one, trained on them.

    Of a step's rows each process has its part, in order. Where there is none for it, one row stays for the shape, and
    must not count.
    """
    size, step = trainer.args.per_device_train_batch_size, trainer.state.global_step
    whole = size * trainer.accelerator.num_processes
    left = len(trainer.train_dataset) - step % -(-len(trainer.train_dataset) // whole) * whole
    own = min(max(left - trainer.accelerator.process_index * size, 0), size)
    return {name: value[: max(own, 1)] for name, value in batch.items()}, own > 0


def weigh(trainer, terms: dict[str, Tensor], batch: dict[str, Tensor], own: bool) -> dict[str, Tensor]:
    """Weight each loss so that its mean over the processes is the mean over what it counts in all of them.

    The Trainer's ``num_items_in_batch`` counts labels alone; a loss on layers counts words, with labels or without.
    """
    words = (batch["first_subwords"] >= 0).sum()
    labels = batch.get("labels")
    texts = torch.full_like(words, len(labels)) if labels is not None and labels.dim() == 1 else words
    counts = torch.stack([words, texts]) * float(own)
    processes = trainer.accelerator.num_processes
    shares = counts / trainer.accelerator.reduce(counts.clone(), "mean").clamp(min=1 / processes)
    return {name: term * shares[int(name == "prediction")] for name, term in terms.items()}
