"""Every private name of another library that tinykd uses: why, and the public name to go to when there is one.

``tests/test_compat.py`` calls each of them, so that a release that moves one is noticed.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import transformers

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
    """transformers' Trainer; a subclass brings ``train_sampler``, ``check_numbers`` and ``after_checkpoint``.

    transformers 5.x: there is no public way to bring a sampler, to act when a checkpoint is complete (the callback
    ``on_save`` comes before the files of other processes), or to leave out the norm of all gradients, which is only
    logged and costs a twentieth of a step on a processor.
    """

    def _get_train_sampler(self, train_dataset=None):
        return self.train_sampler()

    def _get_grad_norm(self, model, grad_norm=None):
        return super()._get_grad_norm(model, grad_norm) if self.args.max_grad_norm else None

    def _save_checkpoint(self, model, trial):
        self.check_numbers()
        with artifacts.clear_disk_errors(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                self.after_checkpoint(Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}")


def one_device(arguments: transformers.TrainingArguments) -> transformers.TrainingArguments:
    """Let each process use one device, because DataParallel cannot copy a model with hooks.

    transformers 5.x: the Trainer reads ``_n_gpu``; ``CUDA_VISIBLE_DEVICES`` is the public way.
    """
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


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


def is_selection(dataset) -> bool:
    """Whether a dataset selects or reorders the rows of its table.

    datasets 5.x: ``Dataset._indices`` has no public name; ``flatten_indices`` is public, but always copies the table.
    """
    return dataset._indices is not None
