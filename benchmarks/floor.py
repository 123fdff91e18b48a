"""What share of our time is matrix products? The same shapes at the same precision, and nothing else.

* ``training, products``    for each batch, the products of forward and backward: what no program can save
* ``training, by hand``     the fifteen-line loop of ``distilling.py``
* ``training, tinykd``      the Trainer path of ``distilling.py``
* ``answering, products``   the products of the forward pass, float32
* ``answering, tinykd``     ``inference.logits``

Batches of 32, grouped by length as training does it, sorted by length as answering does it; padding counts, since it is
multiplied. Training runs in bf16 autocast where the processor has it.

python benchmarks/floor.py [--rows 640] [--rounds 3]
"""

import time

import distilling
import turns

CONTESTANTS = (
    "training, products", "training, by hand", "training, tinykd", "answering, products", "answering, tinykd",
)  # fmt: skip
OPTIONS = {key: distilling.OPTIONS[key] for key in ("--data", "--rows", "--base", "--student", "--batch-size")}


def measure(name: str, options) -> dict:
    """Sentences a second, after a warm-up."""
    what, how = name.split(", ")
    if what == "training" and how != "products":
        options.target, options.epochs = 0.0, 1
        return {"sentences_per_second": distilling.measure(how, options)["sentences_per_second"]}
    import torch

    from tinykd import data, hardware, inference, models

    corpus = data.load(options.data, max_train=options.rows)
    teacher, tokenizer = models.teacher(options.base, data.label_names(corpus))
    student = models.student(options.student, teacher)
    train = corpus["train"]
    if how == "tinykd":
        inference.logits(student, tokenizer, train.select(range(options.batch_size)), batch_size=options.batch_size)
        start = time.perf_counter()
        inference.logits(student, tokenizer, train, batch_size=options.batch_size)
        return {"sentences_per_second": len(train) / (time.perf_counter() - start)}
    kind = torch.bfloat16 if what == "training" and hardware.prefers_bf16() else torch.float32
    batches = shapes(data.encode(train, tokenizer)["length"][:], options.batch_size, grouped=what == "training")
    prepared = {shape: products(student.config, *shape, backward=what == "training") for shape in set(batches)}
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
    """Return (rows, longest row) of every batch, as training groups them or answering sorts them."""
    import torch
    from transformers.trainer_pt_utils import LengthGroupedSampler

    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    if grouped:
        order = list(LengthGroupedSampler(batch_size, lengths=lengths, generator=torch.Generator().manual_seed(0)))
    parts = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    return [(len(part), max(lengths[i] for i in part)) for part in parts]


def products(config, batch: int, length: int, backward: bool) -> list[tuple[tuple[int, int, int, int], int]]:
    """Return ``((copies, rows, inner, columns), times)`` of every kind of product of one batch.

    Going back, each product has two of the same size: for the gradient of either factor.
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
