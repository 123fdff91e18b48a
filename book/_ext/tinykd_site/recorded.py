"""What pages show of recorded runs: the cost figure's data, the lessons' minutes, the microscope's builds."""

import json
import statistics
from collections import defaultdict
from pathlib import Path

from . import reference

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "experiments" / "results"
MINUTES = ROOT / "notebooks" / "minutes.json"
FACTS = ROOT / "book" / "_static" / "microscope" / "microscope.json"
#: run of experiments/results/fusion.json → its student, as the cost figure names it
PAIRS = {
    "cut:3, hidden, long, augmented, deeper, seed 0": "three layers, pruned further",
    "cut:3, hidden, long, augmented, ladder, seed 0": "three layers, half pruned",
    "cut:2, hidden, long, augmented, seed 2": "two layers",
    "cut:3, hidden, long, augmented, seed 0": "three layers",
}


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def cascades() -> list[dict]:
    """Return the recorded pairs of the cost figure, with their cascades: [threshold, deferral rate, cost, F1] each."""
    found = []
    for key, name in PAIRS.items():
        run, ways = _read(RESULTS / "fusion.json")[key], {}
        for by, way in run["cascade"].items():
            curve = way["curve"]
            points = zip(curve["thresholds"], curve["deferral_rates"], curve["costs"], curve["scores"], strict=True)
            ways[by] = [[round(number, 4) for number in point] for point in points]
        ends = {who: {key: run["members"][who][key] for key in ("test", "cost")} for who in ("teacher", "student")}
        found.append({"key": key, "name": name, "ways": ways} | ends)
    return found


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


def everyday(*_: str) -> str:
    """Return how many names of the everyday sentences the smallest variant of the page finds, known and new ones."""
    found = _read(FACTS)["variants"][-1]["everyday_found"]
    (known, all_known), (new, all_new) = found["known"], found["new"]
    return (
        "The everyday sentences are full of famous names, and most of these stand in the training text, too. Of "
        f"{all_known} such names in the 60 sentences the smallest variant finds {known}; of the {all_new} other names "
        f"it finds {new}. So on names that it doesn't know, expect less than the F1 in the table."
    )


def builds(*_: str) -> str:
    """Return what each recorded build of the microscope's models took and what its smallest variant keeps."""
    found = _read(RESULTS / "microscope_builds.json").values()
    if not found:
        return "No builds are recorded yet."
    splits = {"valid_f1": "*valid*", "entity_f1": "*test*", "everyday_f1": "everyday sentences"}
    rows = ["```{list-table} The models built again: F1 of the smallest variant, and what it keeps of its teacher's"]
    rows += [":header-rows: 1", "", "* - seed", "  - minutes", *(f"  - {split}" for split in splits.values())]
    shares: dict[str, list[float]] = defaultdict(list)
    for build in found:
        rows += [f"* - {build['seed']}", f"  - {build['minutes']:.1f}" if build["minutes"] else "  - –"]
        for split in splits:
            teacher, smallest = (build["variants"][key][split] for key in ("teacher-int8", "pruned-int8"))
            shares[split].append(100 * smallest / teacher)
            rows += [f"  - {smallest:.3f}, {shares[split][-1]:.1f} %"]
    if len(found) > 1:
        means = (f"{statistics.mean(of):.1f} ± {statistics.stdev(of):.1f} %" for of in shares.values())
        rows += ["* - mean", "  -", *(f"  - {mean}" for mean in means)]
    return "\n".join([*rows, "```"])
