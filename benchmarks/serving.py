"""How long does a prediction take? Every variant in every runtime, by batch and by length.

The variants: the teacher; a student that keeps three of its layers; that student with the subword tokens of *newswire*
only; and with half of its heads and neurons as well. Speed depends on shapes and not on what was learnt, so nothing is
trained; scores are the business of ``experiments/ladder.py``. Every variant runs in PyTorch and in ONNX Runtime, there
in float32 and in int8.

Texts are words of one token each, so that a row is exactly as long as it says; reading and cutting words counts.

python benchmarks/serving.py [--threads 2] [--batches 1 8 32] [--lengths 16 64 128] [--rounds 3] [--contestants NAME …]
"""

import statistics
import time

import turns

VARIANTS = ("teacher", "student", "vocabulary cut", "heads and neurons cut")
ENGINES = ("PyTorch", "ONNX Runtime", "ONNX Runtime int8")
CONTESTANTS = tuple(f"{variant}, {engine}" for variant in VARIANTS for engine in ENGINES)
OPTIONS = {
    "--threads": {"type": int, "default": 2, "help": "default: %(default)s"},
    "--batches": {"type": int, "nargs": "*", "default": [1, 8, 32]},
    "--lengths": {"type": int, "nargs": "*", "default": [16, 64, 128], "help": "subword tokens"},
    "--seconds": {"type": float, "default": 0.5, "help": "of one cell, at least; default: %(default)s"},
    "--base": {"default": "minilm", "help": "the teacher, as for tinykd distill; default: %(default)s"},
    "--student": {"default": "cut:3", "help": "default: %(default)s"},
}


def prepare(options) -> list[str]:
    """Make a folder for each variant and engine in ``options.work``; return the contestants."""
    from tinykd import data, models, pruning
    from tinykd.deploy import export, int8

    corpus = data.load("newswire")
    train = corpus["train"]
    teacher, tokenizer = models.teacher(options.base, data.label_names(corpus))
    student = models.student(options.student, teacher)
    cut, small = pruning.prune_vocabulary(student, tokenizer, [train])
    halves = pruning.prune(cut, pruning.importance(cut, small, None, "magnitude"), heads=0.5, neurons=0.5)
    variants = ((teacher, tokenizer), (student, tokenizer), (cut, small), (halves, small))
    for name, (model, own) in zip(VARIANTS, variants, strict=True):
        wanted = {c.split(", ")[1] for c in options.contestants if c.startswith(f"{name}, ")}
        folders = {engine: options.work / f"{name}, {engine}" for engine in ENGINES}
        if wanted and not folders["PyTorch"].exists():
            models.save(model, own, folders["PyTorch"])
        if wanted - {"PyTorch"} and not folders["ONNX Runtime"].exists():
            export.to_onnx(model, own, folders["ONNX Runtime"])
        if "ONNX Runtime int8" in wanted and not folders["ONNX Runtime int8"].exists():
            int8.dynamic_int8(folders["ONNX Runtime"], folders["ONNX Runtime int8"])
    return list(CONTESTANTS)


def measure(name: str, options) -> dict:
    """Time every batch and length; milliseconds per batch, and the most memory."""
    from tinykd.deploy import measuring

    logits, figures = _opened(options.work / name, options.threads), {}
    words = _words(options.work / f"{name.split(', ')[0]}, PyTorch")
    for batch in options.batches:
        for length in options.lengths:
            rows = [[words[(31 * i + k) % len(words)] for k in range(length - 2)] for i in range(batch)]
            figures[f"{batch} x {length}, ms"] = _milliseconds(logits, rows, options.seconds)
    return figures | {"memory_bytes": measuring.peak_memory()}


def _opened(folder, threads: int):
    """Return the ``logits`` of a predictor; the process of an exported model imports no torch."""
    if (folder / "export.json").exists():
        from tinykd.deploy import runtime

        return runtime.load(folder, threads=threads).logits
    import torch

    from tinykd.deploy import plain

    torch.set_num_threads(threads)
    return plain.load(folder).logits


def _words(folder) -> list[str]:
    """Words that are one subword token each, for every variant."""
    from tokenizers import Tokenizer

    tokens = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    return sorted(token for token in tokens if token.isascii() and token.isalpha() and len(token) > 2)


def _milliseconds(logits, rows: list, seconds: float) -> float:
    """Median time of all logits of some rows."""
    for _ in range(3):
        list(logits(rows))
    times = []
    while len(times) < 5 or sum(times) < seconds:
        start = time.perf_counter()
        list(logits(rows))
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    return turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, prepare, arguments=arguments)


if __name__ == "__main__":
    main()
