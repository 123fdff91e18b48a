"""What pages show of recorded runs: the cost explorer's data, the lessons' minutes, the microscope's builds."""

import json
import statistics
from collections import defaultdict
from pathlib import Path

from . import reference

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "experiments" / "results"
MINUTES = ROOT / "notebooks" / "minutes.json"
PIECES = 30  #: subword tokens of the sentence that costs are counted for


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def costs(*_: str) -> str:
    """Return the data of the cost explorer, as a block that its script reads, and the same as a table for readers."""
    pairs, alone = cascades(), students()
    data = json.dumps({"pairs": pairs, "students": alone}, ensure_ascii=False, separators=(",", ":")).replace(
        "<", r"\u003c"
    )
    rows = ["```{list-table} Recorded on CoNLL-2003, test: each student alone", ":header-rows: 1", ""]
    rows += ["* - student", "  - cost", "  - entity F1", "  - seeds"]
    for row in alone:
        spread = f" ± {row['spread']:.3f}" if row["seeds"] > 1 else ""
        rows += [f"* - {row['name']}", f"  - {row['cost']:.2f}", f"  - {row['score']:.3f}{spread}"]
        rows += [f"  - {row['seeds']}"]
    block = f'<script type="application/json" id="cost-data">{data}</script>'
    return "\n".join(["```{raw} html", block, "```", "", *rows, "```"])


def cascades() -> list[dict]:
    """Return every recorded pair, with its cascades: [threshold, deferral rate, cost, F1] each."""
    found = []
    for name, run in _read(RESULTS / "fusion.json").items():
        ways = {}
        for by, way in run["cascade"].items():
            curve = way["curve"]
            points = zip(curve["thresholds"], curve["deferral_rates"], curve["costs"], curve["scores"], strict=True)
            ways[by] = [[round(number, 4) for number in point] for point in points]
        ends = {who: {key: run["members"][who][key] for key in ("test", "cost")} for who in ("teacher", "student")}
        found.append({"name": name, "ways": ways} | ends)
    return found


def students() -> list[dict]:
    """Return every student that was recorded alone: name, cost (the teacher is 1), mean F1, spread, seeds."""
    scores: dict[str, dict[int, float]] = defaultdict(dict)  # name → seed → F1; a run stands in one file or in both
    for run in _read(RESULTS / "conll2003.json").values():
        scores["teacher"][run["seed"]] = run["teacher"]["word_by_word"]["test"]
        scores["cut:3, logits"][run["seed"]] = run["student"]["word_by_word"]["test"]
        scores["cut:3, labels only, cut before fine-tuning"][run["seed"]] = run["baseline"]["word_by_word"]["test"]
    for run in _read(RESULTS / "distillation.json").get("students", {}).values():
        if "rule" not in run:  # word by word, as the cascades
            scores[run["row"]][run["seed"]] = run["test"]
    if not scores:
        return []
    price = prices({name.split(",")[0] for name in scores} - {"teacher"}) | {"teacher": 1.0}
    rows = [
        {
            "name": name,
            "cost": round(price[name.split(",")[0]], 4),
            "score": round(statistics.mean(runs.values()), 4),
            "spread": round(statistics.stdev(runs.values()), 4) if len(runs) > 1 else 0,
            "seeds": len(runs),
        }
        for name, runs in scores.items()
    ]
    return sorted(rows, key=lambda row: (-row["cost"], -row["score"]))


def prices(specs: set[str]) -> dict[str, float]:
    """Return what each student costs, in multiply-accumulate operations of the MiniLM teacher."""
    from tinykd import fusion, models

    teacher, _ = models.teacher(
        "minilm", ["O", *(f"{b}-{name}" for name in ("PER", "ORG", "LOC", "MISC") for b in "BI")]
    )
    whole = fusion.macs(teacher.config, PIECES)
    return {spec: fusion.macs(models.student(spec, teacher).config, PIECES) / whole for spec in sorted(specs)}


def minutes(*_: str) -> str:
    """Return how long each lesson took, on a first day without trained models, as a table."""
    times, numbers = _read(MINUTES), reference.lessons()
    if not times:
        return "The times are not recorded yet."
    rows = ["```{list-table} Each lesson from top to bottom, with no model trained before", ":header-rows: 1", ""]
    rows += ["* - lesson", "  - minutes", "  - measured on"]
    total = 0.0
    for number, page in numbers.items():
        took = times.get(page.removeprefix("notebooks/"))
        told = f"{took['seconds'] / 60:.1f}" if took else "not recorded"
        cores = "core" if took and took["cores"] == 1 else "cores"
        machine = f"{took['processor']}, {took['cores']} {cores}, {took['date']}" if took else ""
        total += took["seconds"] if took else 0
        rows += [f"* - {{doc}}`{number} </{page}>`", f"  - {told}", f"  - {machine}"]
    rows += ["* - sum", f"  - {total / 60:.1f}", "  -"]
    if took := times.get("together"):
        rows += ["* - together", f"  - {took['clock_seconds'] / 60:.1f}"]
        rows += [f"  - {took['processor']}, {took['cores']} cores, {took['date']}"]
    return "\n".join([*rows, "```"])


def builds(*_: str) -> str:
    """Return what each recorded build of the microscope's models took and what its smallest variant keeps."""
    found = _read(RESULTS / "microscope_builds.json").values()
    if not found:
        return "No builds are recorded yet."
    rows = ["```{list-table} The models built again: what the smallest variant keeps of its teacher's F1"]
    rows += [":header-rows: 1", "", "* - built on", "  - seeds from", "  - minutes", "  - on *valid*", "  - on *test*"]
    shares: dict[str, tuple[list, list]] = defaultdict(lambda: ([], []))  # built on → on valid, on test
    for build in found:
        built_on = f"{build['processor']}, {build['precision']}"
        rows += [f"* - {built_on}", f"  - {build['seed']}"]
        rows += [f"  - {build['minutes']:.1f}" if build["minutes"] else "  - –"]
        for share, split in zip(shares[built_on], ("valid_f1", "entity_f1"), strict=True):
            share.append(100 * build["variants"]["pruned-int8"][split] / build["variants"]["teacher-int8"][split])
            rows += [f"  - {share[-1]:.1f} %"]
    for built_on, of in shares.items():
        if len(of[0]) > 1:
            rows += [f"* - {built_on}: mean", "  -", "  -"]
            told = (f"  - {statistics.mean(share):.1f}_±_{statistics.stdev(share):.1f}_%" for share in of)
            rows += [cell.replace("_", "\N{NO-BREAK SPACE}") for cell in told]
    return "\n".join([*rows, "```"])
