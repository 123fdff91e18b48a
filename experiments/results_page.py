"""Write ``book/results.md`` from ``experiments/results/*.json``: every recorded table, grouped by its question.

python experiments/results_page.py
"""

import json
import shlex
import statistics
from collections.abc import Iterable
from pathlib import Path

import base_teacher
import conll2003
import distillation
import few_labels
import finance
import fusion
import phrasebank
import pruning
import scoreboard
import small_changes

from tinykd.evaluation import mean_and_spread

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = RESULTS.parent.parent / "book" / "results.md"

HEAD = """\
# Recorded results

Every experiment that runs too long for a lesson, with the command that repeats it. A figure is the mean over the seeds
with the standard deviation behind ±; one seed has no deviation. All choices were made on the validation split unless a
section says otherwise, and all figures here are of the test split. `python experiments/results_page.py`
writes this page from `experiments/results/`.

```{raw} html
<label class="filter">Show only rows that contain <input type="search" id="filter"></label>
<script src="../_static/filter.js" defer></script>
```
"""

DECODED = """\
## CoNLL-2003, by the decoded tag sequence

tinykd predicts the best tag sequence that IOB2 allows, and the lessons score that sequence. *Entity F1* counts an
entity if its words and its type are right.
"""

WORD_BY_WORD = """\
## CoNLL-2003, word by word

These experiments took the likeliest tag of each word, which is what most published code counts. Their F1 is about 0.01
lower than that of the decoded sequence, for teacher and student alike. Compare them among themselves, never with a
figure of the section above.
"""

OTHERS = "## Other corpora\n"

SEEN_ON_TEST = """
One choice of this table is an exception: the number of *newswire*'s labels was one of two that we tried, with scores of
the test split in view. Read that lead over the twin as optimistic. The latencies are those of one round.
"""


def text() -> str:
    """Return the page as the results have it."""
    by_rule = distillation.by_rule(read("distillation"))
    parts = [HEAD, DECODED, main_job("decoded"), *methods(by_rule.get("decoded", []), "decoded")]
    parts += [WORD_BY_WORD, main_job("word by word"), *methods(by_rule["word by word"], "word by word")]
    parts += [larger_teacher(), labels(), parts_cut(), variants(), adapters(), *fusions()]
    parts += [OTHERS, course(), sentiment(), intents(), alerts(), *recommendations()]
    return "\n".join(parts)


def read(name: str) -> dict:
    """Return a file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def section(title: str, finding: str, table: str, runs: Iterable[dict], script: str) -> str:
    """Return one question: the finding, the table with it as caption, how many seeds, where it ran and the command."""
    runs = list(runs)
    seeds = {run["seed"] for run in runs if "seed" in run}
    processors = sorted({run["processor"].partition("(R)")[0] for run in runs})
    precisions = sorted({run["precision"].partition(" ")[0] for run in runs})
    source = f"{len(seeds)} seeds; " if len(seeds) > 1 else "One seed; " if seeds else ""
    source += f"{' and '.join(processors)}, {' and '.join(precisions)}. `python experiments/{script}`"
    return f"### {title}\n\n```{{table}} {finding}\n:class: numbers filtered\n{table}\n```\n\n{source}\n"


def rows_of(heads: list[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table: the first column to the left, the others to the right."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def course() -> str:
    """What does each step of the course cost, and what does it bring?"""
    results = read("scoreboard")
    runs = [run for of in results.values() for run in of.values()]
    finding = (
        "On few labels and much text the student beats its twin, on CoNLL-2003 it does not; sizes and times of newswire"
    )
    script = "scoreboard.py newswire|conll2003 0 1 2"
    table = section("The course's scoreboard", finding, scoreboard.table(results), runs, script)
    return f"{table}{SEEN_ON_TEST}\n{plans()}"


def plans() -> str:
    """How much may be pruned? Chosen on ``valid``."""
    runs = read("pruning_plans")
    assert scoreboard.chosen(runs) == scoreboard.PLAN
    finding = (
        f"The scoreboard prunes by the first plan that keeps {100 * scoreboard.KEPT:.0f} % of the student's F1 on valid"
    )
    return section("How much to prune", finding, scoreboard.plans(runs), runs.values(), "scoreboard.py plans 0 1 2")


def main_job(rule: str) -> str:
    """What is a student worth that is cut out of its teacher?"""
    runs = read("conll2003")
    finding = "Half of the layers keep 97 % of the teacher's F1; cut from the fine-tuned teacher, labels do as well"
    table = conll2003.table(runs, rule).partition("\n\n")[0]
    return section(f"Teacher, student and twins, {rule}", finding, table, runs.values(), "conll2003.py 0 1 2")


def methods(runs: list[dict], rule: str) -> list[str]:
    """Return the comparison of distillation methods that one rule scored, a table for each question."""
    found = []
    for question, names in distillation.QUESTIONS.items():
        of = [run for run in runs if run["row"] in names]
        if of:
            table = "\n".join(distillation.table_of(rule, runs, (question,)))
            finding = distillation.FINDINGS[question]
            command = f"distillation.py --rows {shlex.quote(of[0]['row'])} …"
            found.append(section(f"{question[0].upper()}{question[1:]}", finding, table, of, command))
    return found


def larger_teacher() -> str:
    """Does a larger teacher make a better student?"""
    runs = read("base_teacher")
    finding = "A teacher of 109 M parameters teaches six layers of MiniLM more than MiniLM itself does"
    of = [*runs["teachers"].values(), *runs["students"].values()]
    return section("A teacher five times as large", finding, base_teacher.table(runs), of, "base_teacher.py")


def labels() -> str:
    """What is the teacher worth where labels are few?"""
    runs = read("few_labels")
    finding = "With 5 % of the labels, text that only the teacher labels lifts the student above its teacher"
    return section("Few labels", finding, few_labels.table(runs), runs.values(), "few_labels.py")


def parts_cut() -> str:
    """Which measure of importance finds what a model would miss least?"""
    runs = read("pruning")
    finding = "Heads and neurons chosen by the distillation loss cost least, before and after distilling again"
    return section("Pruned, then distilled", finding, pruning.table(runs), runs.values(), "pruning.py 0 1 2")


def variants() -> str:
    """How small, how fast, how good is each step of compression?"""
    runs = read("ladder")
    by_seed = [{one["name"]: one for one in run["variants"]} for run in runs.values()]
    rows = []
    for name in by_seed[0]:
        cells = [[of[name][key] for of in by_seed] for key in ("entity_f1", "size_bytes", "latency_ms")]
        megabytes = f"{statistics.mean(cells[1]) / 1e6:.1f}"
        rows.append([name, mean_and_spread(cells[0]), megabytes, mean_and_spread(cells[2], 2)])
    finding = "Fifteen times smaller and ten times faster than the teacher, with 98 % of its F1"
    table = rows_of(["variant", "entity F1", "MB", "milliseconds per sentence"], rows)
    return section("Step by step to int8", finding, table, runs.values(), "ladder.py --seed 0")


def adapters() -> str:
    """What do few trained parameters reach?"""
    runs = read("small_changes")
    finding = "LoRA, IA³ and BitFit train under 0.4 % of the parameters and stay below full fine-tuning"
    return section("Small changes", finding, small_changes.table(runs), runs["runs"].values(), "small_changes.py")


def fusions() -> list[str]:
    """Return what teacher and student reach together, a table for each student."""
    recorded = read("fusion")
    found = []
    for student in dict.fromkeys(run["student"] for run in recorded.values()):
        runs = [run for run in recorded.values() if run["student"] == student]
        title, finding = f"Fusion with the student *{student}*", "Cost counts operations; 1 is the teacher alone"
        found.append(section(title, finding, fusion.table(recorded, student), runs, "fusion.py"))
    return found


def sentiment() -> str:
    """Financial PhraseBank."""
    runs = read("phrasebank")
    finding = "Three layers keep the teacher's accuracy within its spread, on both readings of PhraseBank"
    of = [run for seeds in runs.values() for run in seeds.values()]
    return section("Financial PhraseBank", finding, phrasebank.table(runs), of, "phrasebank.py 0 1 2")


def intents() -> str:
    """BANKING77 and the embedded messages."""
    runs = read("banking77")
    rows = []
    for corpus, seeds in runs.items():
        for name in ("teacher", "cut:3", "cut:2", "cut:2, int8"):
            of = [run[name] for run in seeds.values()]
            accuracy, auroc = (mean_and_spread([one[key] for one in of]) for key in ("accuracy", "auroc"))
            latency = mean_and_spread([one["median_ms"] for one in of], 2)
            rows.append([f"{corpus}: {name}", accuracy, auroc, latency, f"{of[0]['size_bytes'] / 1e6:.1f}"])
    heads = ["corpus and model", "accuracy", "AUROC of out-of-scope messages", "milliseconds per message", "MB"]
    finding = "Three layers answer as well as six; messages out of scope are hard to tell for all of them"
    of = [run for seeds in runs.values() for run in seeds.values()]
    return section("Customer service", finding, rows_of(heads, rows), of, "banking77.py")


def alerts() -> str:
    """The simulated stream of opinion."""
    runs = read("finance")
    finding = "The cumulative sum finds more crises than the threshold, at equal false alarms (simulated stream)"
    of = [run for name, run in runs.items() if name != "gold"]
    return section("Opinion monitoring", finding, finance.table(runs), of, "finance.py")


def recommendations() -> list[str]:
    """MovieLens, and the simulated library."""
    found, recorded = [], read("recommend")
    for corpus, title in (("movielens", "MovieLens"), ("embedded", "The library (simulated readers)")):
        runs = recorded[corpus]["joined"]
        rows = []
        for name in runs["all"]["methods"]:
            shelves = (runs[shelf]["methods"].get(name, {}).get("ndcg") for shelf in ("all", "warm", "cold"))
            rows.append([name, *("" if of is None else "{:.3f} ({:.3f} to {:.3f})".format(*of) for of in shelves)])
        heads = ["method", "all items", "warm items", "cold items"]
        finding = "NDCG@10 with the 95 % interval over people and seeds; cold items had no like before the test"
        of = [run for name, run in recorded[corpus].items() if name.startswith("seed")]
        table = rows_of(heads, rows)
        found.append(section(f"Recommendation: {title}", finding, table, of, f"recommend.py --data {corpus}"))
    return found


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    print(f"wrote {PAGE}")
