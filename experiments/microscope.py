"""The microscope, measured in headless Chromium: the first answer, a sentence, the memory, the second visit.

The site must be built with the models, by ``make book``. Each visit is a browser of its own, with nothing cached; the
files come from this machine. ``python experiments/microscope.py [--site _build/html] [--visits 5]``. Measure on a quiet
machine: the script notes how busy it was.
"""

import argparse
import functools
import http.server
import json
import os
import re
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tinykd import recipes
from tinykd.artifacts import write_json
from tinykd.data import inline
from tinykd.data.corpora import EMBEDDED
from tinykd.errors import RunError
from tinykd.text import words

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "microscope.json"
PAGE = "book/microscope.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")  # a reader's own first
FLAGS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
SENTENCES = 200  #: that are typed in a visit
PAUSE = 0.1  #: seconds between two of them, as a reader pauses: the page has drawn the last one and is at rest
PROC = Path("/proc/self/status")  #: where Linux tells how much memory a process has
ASK = """
new Promise((resolve) => {
  const box = document.getElementById("ms-text");
  const names = document.getElementById("ms-names");
  const watcher = new MutationObserver(() => { watcher.disconnect(); resolve(performance.now() - start); });
  watcher.observe(names, { childList: true, subtree: true, characterData: true });
  box.value = TEXT;
  const start = performance.now();
  box.dispatchEvent(new Event("input"));
})
"""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def sentences(length: int = 12) -> list[str]:
    """Return sentences of *newswire* ``train`` that have so many words."""
    lines = (EMBEDDED / "newswire" / "train.txt").read_text(encoding="utf-8").splitlines()
    texts = [inline.parse(line.strip())[0] for line in lines if line.strip() and not line.startswith("#")]
    return [text for text in texts if len(words(text)) == length]


def visit(chromium, address: str, texts: list[str], pause: float) -> dict:
    """Open the page in a context of its own, type the sentences, and return what was seen."""
    context = chromium.new_context()
    page, elsewhere, errors = context.new_page(), [], []
    page.on("request", lambda asked: asked.url.startswith((address, "data:", "blob:")) or elsewhere.append(asked.url))
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    first = _open(page, address)
    session = context.new_cdp_session(page)
    times, shown, heap, resident = [], [], [], []
    for number in range(SENTENCES):
        text = f"{texts[number % len(texts)]}{' ' * (number // len(texts))}"  # a space more: the page keeps its answers
        result = session.send(
            "Runtime.evaluate",
            {"expression": ASK.replace("TEXT", json.dumps(text)), "awaitPromise": True, "returnByValue": True},
        )
        times.append(result["result"]["value"])
        time.sleep(pause)
        shown.append(float(re.search(r"([\d.]+) ms", page.inner_text("#ms-numbers"))[1]))
        if number in (SENTENCES // 4, SENTENCES - 1):
            session.send("HeapProfiler.collectGarbage")
            heap.append(session.send("Runtime.getHeapUsage")["usedSize"])
            resident += [renderer_bytes(chromium)] if PROC.exists() else []
    again = _open(context.new_page(), address)
    start = time.perf_counter()
    page.locator("#ms-teacher").click()
    page.wait_for_selector("#ms-kl:has-text('The mean KL per word')", timeout=120_000)
    teacher = time.perf_counter() - start
    context.close()
    return {
        "first_answer_s": first,
        "second_visit_s": again,
        "model_ms": shown[-1],  # the page's own figure: the median of the last 25
        "typed_to_drawn_ms": statistics.median(times),
        "teacher_s": teacher,
        "heap_growth_bytes": heap[1] - heap[0],
        "requests_elsewhere": len(elsewhere),
        "console_errors": len(errors),
    } | ({"renderer_growth_bytes": growth(*resident)} if resident else {})


def renderer_bytes(chromium) -> dict[int, int]:
    """Return the resident memory of each of the browser's renderer processes, by its number.

    The heap of a page is only its own: the models, their tensors and WebAssembly's memory live in a worker's.
    """
    session = chromium.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    told = {one["id"]: PROC.parents[1] / str(one["id"]) / PROC.name for one in processes if one["type"] == "renderer"}
    return {number: 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", file.read_text())[1]) for number, file in told.items()}


def growth(before: dict[int, int], after: dict[int, int]) -> int:
    """Return by how much these processes have grown; the browser begins others in advance, which are not the page's."""
    return sum(after[number] - size for number, size in before.items() if number in after)


def _open(page, address: str) -> float:
    start = time.perf_counter()
    page.goto(f"{address}/{PAGE}", wait_until="commit")
    page.wait_for_selector("#ms-numbers:has-text(' ms ')", timeout=120_000)
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", metavar="DIR")
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--pause", type=float, default=PAUSE, help="seconds; default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    options = parser.parse_args(arguments)
    facts = options.site / "_static" / "microscope" / "microscope.json"
    if not facts.exists() or not (facts := json.loads(facts.read_text(encoding="utf-8")))["here"]:
        raise RunError(f"{options.site}: no site with the microscope's models; run make book first")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        raise RunError(f"no {BROWSERS[0]} on this machine; apt-get install chromium")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=options.site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    load = os.getloadavg()[0]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        visits = [
            visit(chromium, f"http://127.0.0.1:{server.server_port}", sentences(), options.pause)
            for _ in range(options.visits)
        ]
        version = chromium.version
        chromium.close()
    server.shutdown()
    keys = visits[0].keys()
    recorded = {
        "median": {key: statistics.median(one[key] for one in visits) for key in keys},
        "best": {key: min(one[key] for one in visits) for key in keys},
        "worst": {key: max(one[key] for one in visits) for key in keys},
        "visits": visits,
        "words": 12,
        "pause_s": options.pause,
        "model_threads": 1,
        "variants": [
            {key: variant[key] for key in ("key", "bytes", "parameters", "valid_f1", "entity_f1", "differs")}
            for variant in facts["variants"]
        ],
        "chromium": version,
        "cores": os.cpu_count(),
        "load_before": load,
        **recipes.provenance(),
    }
    write_json(options.results, recorded)
    for key in keys:
        print(
            f"{key:<24}{recorded['median'][key]:>12.3f}   ({recorded['best'][key]:.3f} to {recorded['worst'][key]:.3f})"
        )


if __name__ == "__main__":
    try:
        main()
    except RunError as error:
        sys.exit(str(error))
