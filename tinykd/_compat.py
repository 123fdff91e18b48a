"""Every private name of another library that tinykd uses: why, and the public name to go to when there is one.

``tests/test_compat.py`` calls each of them, so that a new release that moves one is found there.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import transformers
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tinykd import artifacts


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware. torch 2.x: no public name; ``torch.cpu`` may get one."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def arrow_writer(path, features):
    """Return datasets' writer of one Arrow file, row by row.

    datasets 5.x: ``datasets.arrow_writer`` is in no public list; ``Dataset.from_generator`` is public, and keeps its
    file in a cache of its own instead of where we want it.
    """
    from datasets.arrow_writer import ArrowWriter

    return ArrowWriter(path=str(path), features=features, writer_batch_size=256)


class Trainer(transformers.Trainer):
    """transformers' Trainer with its private hooks under public names.

    transformers 5.x: there is no public way to bring a sampler, to act when a checkpoint is complete, or to leave out
    the norm of all gradients, which costs a twentieth of a step on a processor and is only logged. The first could
    become an argument of the Trainer, the second is near the callback ``on_save`` (which runs before the files of other
    processes are there).
    """

    def train_sampler(self):
        """Return the sampler of the training rows."""
        raise NotImplementedError

    def before_checkpoint(self) -> None:
        """Do what must be done before a checkpoint is written."""

    def after_checkpoint(self, folder: Path) -> None:
        """Do what must be done when the checkpoint in ``folder`` is complete; the first process calls it."""

    def _get_train_sampler(self, train_dataset=None):
        return self.train_sampler()

    def _get_grad_norm(self, model, grad_norm=None):
        return super()._get_grad_norm(model, grad_norm) if self.args.max_grad_norm else None

    def _save_checkpoint(self, model, trial):
        self.before_checkpoint()
        with artifacts.clear_disk_errors(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                self.after_checkpoint(Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}")


def one_device(arguments: transformers.TrainingArguments) -> transformers.TrainingArguments:
    """Let each process use one device; several are torchrun's, for DataParallel cannot copy a model with hooks.

    transformers 5.x: the Trainer asks ``_n_gpu``; ``CUDA_VISIBLE_DEVICES`` is the public way.
    """
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


@contextlib.contextmanager
def attention_function(function) -> Iterator[None]:
    """Let models with SDPA attention call ``function`` in its place.

    transformers 5.x: ``AttentionInterface.register`` is public and cannot take back what it registers.
    """
    before, ALL_ATTENTION_FUNCTIONS["sdpa"] = ALL_ATTENTION_FUNCTIONS["sdpa"], function
    try:
        yield
    finally:
        del ALL_ATTENTION_FUNCTIONS["sdpa"]  # the library's is below it
        if ALL_ATTENTION_FUNCTIONS["sdpa"] is not before:  # the program had laid another one over it
            ALL_ATTENTION_FUNCTIONS["sdpa"] = before


@contextlib.contextmanager
def recorded(operations: set) -> Iterator[list[Callable]]:
    """Yield a list that gets a call, with its operands, for each of these tensor operations that is run.

    torch 2.x: ``TorchDispatchMode`` has no public name; ``torch.profiler`` is public, but does not keep the operands.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    calls: list[Callable] = []

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            if operation in operations:
                calls.append(functools.partial(operation, *args))
            return operation(*args, **(kwargs or {}))

    with Recorder():
        yield calls


def sdpa_attention(*inputs, **others):
    """Attend with transformers' own SDPA function.

    transformers 5.x: ``transformers.integrations`` is in no list of public names.
    """
    return sdpa_attention_forward(*inputs, **others)


def is_selection(dataset) -> bool:
    """Whether a corpus shows chosen rows, or another order, of a table that holds more.

    datasets 5.x: ``Dataset._indices`` has no public name; ``flatten_indices`` is public, and copies the table of a
    corpus that selects nothing, too.
    """
    return dataset._indices is not None
