"""How long does an answer take? Every rung of the ladder in every runtime, by batch and by length.

The rungs: the teacher; a student that keeps three of its layers; that student with the word pieces of *newswire* only;
and with half of its heads and neurons as well. Speed depends on shapes and not on what was learnt, so nothing is
trained; scores are the business of ``experiments/ladder.py``. Every rung runs in PyTorch, ONNX Runtime and OpenVINO, in
float32, and in the latter two in int8 (OpenVINO is an extra; without it, its contestants are left out).

Texts are words of one piece each, so that a row is exactly as long as it says; reading and cutting words counts.

python benchmarks/serving.py [--threads 2] [--batches 1 8 32] [--lengths 16 64 128] [--rounds 3] [--contestants NAME …]
"""

import importlib.util
import statistics
import time

import turns

RUNGS = ("teacher", "student", "vocabulary cut", "heads and neurons cut")
ENGINES = ("PyTorch", "ONNX Runtime", "ONNX Runtime int8", "OpenVINO", "OpenVINO int8")
CONTESTANTS = tuple(f"{rung}, {engine}" for rung in RUNGS for engine in ENGINES)
OPTIONS = {
    "--threads": {"type": int, "default": 2, "help": "default: %(default)s"},
    "--batches": {"type": int, "nargs": "*", "default": [1, 8, 32]},
    "--lengths": {"type": int, "nargs": "*", "default": [16, 64, 128], "help": "word pieces"},
    "--seconds": {"type": float, "default": 0.5, "help": "of one cell, at least; default: %(default)s"},
    "--base": {"default": "minilm", "help": "the teacher, as for tinykd distill; default: %(default)s"},
    "--student": {"default": "cut:3", "help": "default: %(default)s"},
}


def prepare(options) -> list[str]:
    """Make a folder for each rung and engine in ``options.work``; return the contestants that are there."""
    from tinykd import data, export, models, pruning, quantization

    corpus = data.load("newswire")
    train = corpus["train"]
    with_openvino = all(importlib.util.find_spec(name) for name in ("openvino", "nncf"))
    teacher, tokenizer = models.teacher(options.base, data.label_names(corpus))
    student = models.student(options.student, teacher)
    cut, small = pruning.prune_vocabulary(student, tokenizer, [train])
    halves = pruning.prune(
        cut, pruning.importance(cut, small, train.select(range(8)), by="magnitude"), heads=0.5, neurons=0.5
    )
    rungs = ((teacher, tokenizer), (student, tokenizer), (cut, small), (halves, small))
    for name, (model, own) in zip(RUNGS, rungs, strict=True):
        wanted = {c.split(", ")[1] for c in options.contestants if c.startswith(f"{name}, ")}
        folders = {engine: options.work / f"{name}, {engine}" for engine in ENGINES}
        if wanted and not folders["PyTorch"].exists():
            models.save(model, own, folders["PyTorch"])
        if wanted - {"PyTorch"} and not folders["ONNX Runtime"].exists():
            export.to_onnx(model, own, folders["ONNX Runtime"])
        if "ONNX Runtime int8" in wanted and not folders["ONNX Runtime int8"].exists():
            quantization.dynamic_int8(folders["ONNX Runtime"], folders["ONNX Runtime int8"])
        if "OpenVINO int8" in wanted and with_openvino and not folders["OpenVINO int8"].exists():
            quantization.openvino_int8(folders["ONNX Runtime"], folders["OpenVINO int8"], train["tokens"][:64])
    return [c for c in CONTESTANTS if with_openvino or "OpenVINO" not in c]


def measure(name: str, options) -> dict:
    """Time every batch and length; milliseconds a batch, and the most memory."""
    from tinykd import ladder, runtime

    rung, engine = name.split(", ")
    folder = options.work / f"{rung}, {'ONNX Runtime' if engine == 'OpenVINO' else engine}"
    if engine == "OpenVINO":
        runtime.session = runtime._openvino  # the same file; opened by the one that is measured, and by no other
        answer = runtime.load(folder, quantized=False, threads=options.threads).logits
    else:
        answer = ladder.open_rung(folder, options.threads)[0]
    words, found = _words(options.work / f"{rung}, PyTorch"), {}
    for batch in options.batches:
        for length in options.lengths:
            rows = [[words[(31 * i + k) % len(words)] for k in range(length - 2)] for i in range(batch)]
            found[f"{batch} x {length}, ms"] = _median_milliseconds(lambda rows=rows: answer(rows), options.seconds)
    return found | {"memory_bytes": ladder.peak_memory()}


def _words(folder) -> list[str]:
    """Words that are one piece each, for every rung."""
    from tokenizers import Tokenizer

    pieces = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    return sorted(piece for piece in pieces if piece.isascii() and piece.isalpha() and len(piece) > 2)


def _median_milliseconds(call, seconds: float) -> float:
    for _ in range(3):
        call()
    times = []
    while len(times) < 5 or sum(times) < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    return turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, prepare, arguments=arguments)


if __name__ == "__main__":
    main()
