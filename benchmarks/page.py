"""Write ``book/benchmarks.md`` from ``benchmarks/results/*.json``: every number on that page comes from there.

python benchmarks/page.py
"""

import json
import statistics
from pathlib import Path

import growing
import serving
import speed
import starting
import turns

PAGE = Path(__file__).resolve().parent.parent / "book" / "benchmarks.md"

HEAD = """\
# Benchmarks

How fast tinykd trains and predicts, beside other libraries. Each contestant runs in a process of its own. The
contestants take turns, so that other load on the machine slows all of them alike. A cell is the median of the rounds,
with the lowest and the highest in brackets. Other machines give other times; the order should be similar. `make bench`
writes this page; do not edit it.
"""

#: Of results that were measured before every step counted
FIRST_STEP = """\
These were measured without the first step of each contestant. Where sentences are grouped by length, that step is the
longest. tinykd, *by hand*, *fine-tuning* and *online* are therefore up to 5 % slower than the table says. A new
`make bench` counts the step.

"""

SECTIONS = {
    "distilling-conll2003": (
        "Distilling: sentences per second",
        """\
All contestants have the same student, teacher and sentences, and 32 sentences per batch. One epoch is timed, without
start-up and checkpoints.

- *tinykd* reads the teacher's predictions from its store and uses `tinykd.training.speed`, as the command line does.
- *without speed* is the library's default.
- *by hand* is a loop of fifteen lines: forward, backward and step.
- *online* runs the teacher on every batch.
- *fine-tuning* has no teacher.
- *fixed padding* makes every sentence as long as the longest that is allowed.
- The peers are {cite:t}`yang2020textbrewer`, {cite:t}`matsubara2021torchdistill`, and a `Trainer` as in tutorials.

The store explains only a part of each ratio. tinykd, *by hand* and the Trainers group sentences of similar length, or
compute in bf16 where that is faster; the peers as published do neither. With few sentences, few have similar lengths,
and the ratio is smaller.
""",
    ),
    "earlier": (
        "The same on other machines",
        """\
Our targets are 5 times TextBrewer and 0.97 of plain fine-tuning. This table has the ratios of the table above and of
earlier measurements with the same bench, each with its commit. Only times of the same round are compared.

The first target is reached on AMD processors with bf16, where TextBrewer computes in fp32. It is missed on both Intel
machines, and wherever TextBrewer's calls are wrapped in bf16. The second is within the noise of a round: two of the
five medians reach it.
""",
    ),
    "distilling-newswire": (
        "Distilling on the embedded corpus",
        """\
The same on *newswire*, the corpus of the package: fewer sentences, of which fewer have similar lengths. *Autocast*
wraps TextBrewer's calls in bf16, which is slower on a processor that is not made for it. *Layers* match hidden states
of a teacher of BERT-base's size.
""",
    ),
    "distilling-newswire-target": (
        "Distilling: time to a score",
        """\
The same, with a fine-tuned teacher, until the student reaches a fixed entity F1 on the validation split. The time to
store the teacher's predictions is included; scoring is not. Each contestant has its usual learning rate (tinykd and the
Trainers decay it, *by hand* and the peers keep it), and none was tuned. A dash means not reached. Labels alone reach a
score this low quickly, because the student is cut out of the fine-tuned teacher.
""",
    ),
    "speed": (
        "Training: what each trick brings",
        """\
The demo's student, distilled with all tricks of `tinykd.training.speed` and with each one left out, in turns. A gain is
the median of the rounds' ratios. A trick that gains less than 5 % is not worth its code.
""",
    ),
    "serving": (
        "Serving: milliseconds per batch",
        """\
Every variant in every runtime, by batch size and length in subword tokens. The weights are untrained, because latency
depends on shapes alone. [Lesson 10](../notebooks/10_out_of_the_door.ipynb) has the scores of the variants.
""",
    ),
    "fusing": (
        "Fusion: milliseconds per sentence",
        """\
A cascade against either model alone and against both on every sentence. The pair is untrained, so the deferral rate is
set by hand. *Cost* is counted in multiplications, where 1 is the teacher alone ([lesson
11](../notebooks/11_fusion.ipynb)). Latency need not follow cost: with larger batches a cascade can take longer than the
teacher.
""",
    ),
    "growing": (
        "Growth: ten times the corpus, a hundred times",
        """\
*Newswire* repeated, with a tiny model, so that data handling dominates. Time should grow in proportion, memory hardly:
a hundred times the sentences may take up to a fifth more memory.
""",
    ),
    "starting": (
        "Start-up: seconds of a whole process",
        "From the command to its prediction for one sentence. Differences of a hundredth of a second are noise.\n",
    ),
    "floor": (
        "The floor: how much of it is matrix multiplications",
        """\
The time of the matrix multiplications alone, in torch, for the same batches at the same precision. No program that
multiplies with torch can be faster. The last column is their share of our time.
""",
    ),
}


def text() -> str:
    """Return the page as the results have it."""
    parts = [HEAD]
    for name, (title, about) in SECTIONS.items():
        path = turns.RESULTS / f"{name}.json"
        parts.append(f"## {title}\n\n{about}")
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            parts += [_earlier(result["runs"])] if name == "earlier" else [_tables(name, result), _source(result)]
        else:
            parts.append("Not measured yet; `make bench` does it.\n")
    return "\n".join(parts)


def _tables(name: str, result: dict) -> str:
    runs = result["runs"]
    if name.startswith("distilling"):
        return _distilling(runs)
    if name == "speed":
        return _speed(runs)
    if name == "serving":
        return _serving(runs)
    if name == "growing":
        return _growing(runs)
    if name == "floor":
        return _floor(runs)
    if name == "starting":
        limits = {key: f"{limit} s" for key, limit in starting.LIMITS.items()}
        rows = [[f"`{key}`", _cell(of, "seconds", 3), limits.get(key, "")] for key, of in runs.items()]
        return _table("From the command to the prediction", ["", "seconds", "limit"], rows)
    figures = [figure for figure in next(iter(runs.values()))[0] if figure.startswith("batch")]
    rows = [[key, _cell(of, "cost", 2), *(_cell(of, figure, 2) for figure in figures)] for key, of in runs.items()]
    heads = ["", "cost", *(figure.split(",")[0] for figure in figures)]
    return _table("Milliseconds per sentence of each way to predict, by batch", heads, rows)


def _distilling(runs: dict) -> str:
    rows, best = [], turns.middle(runs["tinykd"], "sentences_per_second")
    for key, of in runs.items():
        found = turns.middle(of, "sentences_per_second")
        times = "" if key == "tinykd" or key.startswith("layers") else f"{best[0] / found[0]:.1f}"
        row = [key, _cell(of, "sentences_per_second", 0), times]
        rows.append([*row, _cell(of, "memory_bytes", 0, 1e6), _cell(of, "seconds_to_target", 0)])
    heads = ["", "sentences per second", "tinykd is faster by a factor of", "memory, MB", "seconds to the score"]
    kept = [i for i in range(len(heads)) if i == 0 or any(row[i] not in ("", "–") for row in rows)]
    of_rounds = (
        "one round"
        if all(len(of) == 1 for of in runs.values())
        else "the median of the rounds, with the lowest and the highest"
    )
    caption = f"Each way to train the student: {of_rounds}"
    first = "" if all("steps" in run for of in runs.values() for run in of) else FIRST_STEP
    return first + _table(caption, [heads[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _earlier(measured: list[dict]) -> str:
    now = json.loads((turns.RESULTS / "distilling-conll2003.json").read_text(encoding="utf-8"))
    rates = {key: [run["sentences_per_second"] for run in of] for key, of in now["runs"].items()}
    rows = []
    for one in [
        now | {"sentences": now["options"]["rows"], "revision": "above", "sentences_per_second": rates},
        *measured,
    ]:
        ours = one["sentences_per_second"]["tinykd"]
        cells = [one["revision"], f"{one['processor']}, {one['precision']}", f"{one['sentences']:,}"]
        for other in ("fine-tuning", "textbrewer", "textbrewer, autocast"):
            theirs = one["sentences_per_second"].get(other, [])
            ratios = [mine / its for mine, its in zip(ours, theirs, strict=False)]
            spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
            cells.append(f"{statistics.median(ratios):.2f}{spread}" if ratios else "–")
        rows.append(cells)
    heads = ["commit", "measured on", "sentences", "of fine-tuning", "of TextBrewer", "of TextBrewer, autocast"]
    return _table(
        "CoNLL-2003, tinykd against others: the median of the rounds' ratios, the lowest and the highest", heads, rows
    )


def _speed(runs: dict) -> str:
    rows = [
        [f"{trick}, {threads} thread{'s' * (threads > 1)}", f"{base:.0f}", f"{bare:.0f}", f"{gain:+.0f} %"]
        for threads, trick, base, bare, gain in speed.gains(runs)
    ]
    return _table("Sentences per second with a trick and without it", ["", "with", "without", "gain"], rows)


def _serving(runs: dict) -> str:
    parts = []
    for variant in serving.VARIANTS:
        there = {key.split(", ")[1]: of for key, of in runs.items() if key.startswith(f"{variant}, ")}
        if there:
            cells = [figure for figure in next(iter(there.values()))[0] if figure.endswith(", ms")]
            rows = [
                [
                    engine,
                    *(_milliseconds(of, cell) for cell in cells),
                    _cell(of, "memory_bytes", 0, 1e6, False),
                ]
                for engine, of in there.items()
            ]
            heads = [cell.removesuffix(", ms").replace("x", "×") for cell in cells]
            caption = f"Milliseconds of *{variant}*, by batch × length, and the memory in MB"
            parts.append(_table(caption, ["", *heads, "MB"], rows))
    return "\n".join(parts) + "\nThe spread of each cell is in the JSON file.\n"


def _milliseconds(runs: list[dict], figure: str) -> str:
    found = turns.middle(runs, figure)
    return _cell(runs, figure, 0 if found and found[0] >= 100 else 1, spread=False)


def _growing(runs: dict) -> str:
    rows = []
    for job in growing.JOBS:
        first = runs.get(f"{job} x1")
        for times in growing.TIMES:
            of = runs.get(f"{job} x{times}")
            if of:
                row = [
                    f"{job} ×{times}",
                    f"{of[0]['sentences']:,}",
                    _cell(of, "seconds", 2),
                    _cell(of, "memory_bytes", 0, 1e6),
                ]
                ratios = [
                    turns.middle(of, key)[0] / turns.middle(first, key)[0] if first else None
                    for key in ("seconds", "memory_bytes")
                ]
                rows.append(row + ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios])
    heads = ["", "sentences", "seconds", "memory, MB", "time of ×1", "memory of ×1"]
    return _table("Time and memory by the size of the corpus", heads, rows)


def _floor(runs: dict) -> str:
    rows = []
    for key, of in runs.items():
        floor = runs.get(key.split(",")[0] + ", matmul")
        ours, its = (turns.middle(r, "sentences_per_second")[0] if r else None for r in (of, floor))
        rows.append([key, _cell(of, "sentences_per_second", 0), f"{100 * ours / its:.0f} %" if its else ""])
    heads = ["", "sentences per second", "share of the time that is matrix multiplications"]
    return _table("Our speed, and that of its matrix multiplications alone", heads, rows)


def _cell(runs: list[dict], figure: str, digits: int, unit: float = 1.0, spread: bool = True) -> str:
    found = turns.middle(runs, figure)
    if found is None:
        return "–"
    median, low, high = (f"{value / unit:,.{digits}f}" for value in found)
    return f"{median} ({low} to {high})" if spread and len(runs) > 1 else median


def _table(caption: str, heads: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *rows]]
    return "\n".join([f"```{{table}} {caption}", ":class: numbers", *lines, "```"]) + "\n"


def _source(result: dict) -> str:
    load = [value for value in result.get("load", []) if value is not None]
    busy = f", load {load[0]} before and {load[-1]} after" if load else ""
    cores = f", {result['cores']} cores" if result.get("cores") else ""
    least, most = (pick(map(len, result["runs"].values())) for pick in (min, max))
    rounds = "1 round" if most == 1 else f"{most} rounds" if least == most else f"{least} to {most} rounds"
    return (
        f"`python {result['command']}`: {rounds} on {result['date']}; {result['processor']}{cores}, "
        f"{result['threads']} threads, {result['precision']}{busy}; torch {result['versions']['torch']}.\n"
    )


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    print(f"wrote {PAGE}")
