"""What share of our time is matrix multiplications? The same shapes at the same precision, and nothing else.

* ``training, matmul``    for each batch, those of forward and backward: what no program can save
* ``training, by hand``   the fifteen-line loop of ``distilling.py``
* ``training, tinykd``    the Trainer path of ``distilling.py``
* ``predicting, matmul``  those of the forward pass, float32
* ``predicting, tinykd``  ``models.logits``

Batches of 32, grouped by length as training does it, sorted by length as prediction does it; padding counts, since it
is multiplied. Training runs in bf16 autocast where that pays.

python benchmarks/floor.py [--rows 640] [--rounds 3]
"""

import time

import distilling
import turns

CONTESTANTS = (
    "training, matmul", "training, by hand", "training, tinykd", "predicting, matmul", "predicting, tinykd",
)  # fmt: skip
OPTIONS = {key: distilling.OPTIONS[key] for key in ("--data", "--rows", "--base", "--student", "--batch-size")}
OPTIONS["--batch-size"] = OPTIONS["--batch-size"] | {
    "help": "in training, and counted in prediction; default: %(default)s"
}


def measure(name: str, options) -> dict:
    """Sentences per second, after a warm-up."""
    what, how = name.split(", ")
    if what == "training" and how != "matmul":
        options.target, options.epochs = 0.0, 1
        return {"sentences_per_second": distilling.measure(how, options)["sentences_per_second"]}
    import torch

    from tinykd import data, models

    corpus = data.load(options.data, max_train=options.rows)
    teacher, tokenizer = models.teacher(options.base, data.label_names(corpus))
    student = models.student(options.student, teacher)
    train = corpus["train"]
    if how == "tinykd":
        models.logits(student, tokenizer, train.select(range(min(options.batch_size, len(train)))))
        start = time.perf_counter()
        models.logits(student, tokenizer, train)
        return {"sentences_per_second": len(train) / (time.perf_counter() - start)}
    kind = torch.bfloat16 if what == "training" and options.precision == "bf16" else torch.float32
    batches = shapes(data.encode(train, tokenizer)["length"][:], options.batch_size, grouped=what == "training")
    prepared = {shape: multiplications(student.config, *shape, backward=what == "training") for shape in set(batches)}
    operands = {size: _operands(size, kind) for listed in prepared.values() for size, _ in listed}
    with torch.inference_mode():
        for listed in (batches[:1], batches):  # the first batch alone, to warm up
            start = time.perf_counter()
            for size, times in (one for shape in listed for one in prepared[shape]):
                left, right = operands[size]
                for _ in range(times):
                    torch.matmul(left, right)
    return {"sentences_per_second": len(train) / (time.perf_counter() - start)}


def shapes(lengths: list[int], batch_size: int, grouped: bool) -> list[tuple[int, int]]:
    """Return (rows, longest row) of every batch, as training groups them or prediction sorts them."""
    import torch
    from transformers.trainer_pt_utils import LengthGroupedSampler

    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    if grouped:
        order = list(LengthGroupedSampler(batch_size, lengths=lengths, generator=torch.Generator().manual_seed(0)))
    parts = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    return [(len(part), max(lengths[i] for i in part)) for part in parts]


def multiplications(config, batch: int, length: int, backward: bool) -> list[tuple[tuple[int, int, int, int], int]]:
    """Return ``((copies, rows, inner, columns), times)`` of every kind of matrix multiplication of one batch.

    Going back, each has two of the same size: for the gradient of either factor.
    """
    d, f, heads, layers = (
        config.hidden_size, config.intermediate_size, config.num_attention_heads, config.num_hidden_layers,
    )  # fmt: skip
    once, rows = 3 if backward else 1, batch * length
    return [
        ((1, rows, d, d), 4 * layers * once),  # queries, keys, values, output
        ((batch * heads, length, d // heads, length), layers * once),  # scores
        ((batch * heads, length, length, d // heads), layers * once),  # scores times values
        ((1, rows, d, f), layers * once),
        ((1, rows, f, d), layers * once),
        ((1, rows, d, config.num_labels), once),
    ]


def _operands(size, kind):
    import torch

    copies, rows, inner, columns = size
    left, right = torch.randn(copies, rows, inner, dtype=kind), torch.randn(copies, inner, columns, dtype=kind)
    return (left[0], right[0]) if copies == 1 else (left, right)


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    return turns.run(__file__, __doc__, CONTESTANTS, measure, OPTIONS, arguments=arguments)


if __name__ == "__main__":
    main()
