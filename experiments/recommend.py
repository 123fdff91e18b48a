"""The recorded shop: teacher, students and ranker on MovieLens and on the embedded library, against three baselines.

MovieLens (Harper and Konstan 2015), ml-latest-small, is read from ``$TINYKD_DATA/movielens``: titles, genres, and the
tags that users gave before the valid stretch; four stars or more are a like. Its licence allows no redistribution: only
aggregate figures are recorded. The library's users are simulated. ``python experiments/recommend.py [SEED ...]
[--data movielens|embedded]``; each seed is kept when it is done, so an interrupted call goes on where it stopped. Seeds
are joined user by user, and those figures stay on the machine: who adds a seed elsewhere repeats the others.
"""

import argparse
import csv
import json
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the scenarios are

from scenarios import recommend
from scenarios.recommend import (
    Case,
    Item,
    Likes,
    Lists,
    Setup,
    Shop,
    baselines,
    measuring,
    ranking,
    teacher,
    towers,
    work,
)
from scenarios.recommend.items import multi_hot
from scenarios.recommend.simulate import oracle
from scenarios.shared import encoder, precision_of
from tinykd import recipes
from tinykd.artifacts import alone, fingerprint, write_json
from tinykd.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "recommend.json"
RUNS = ROOT / "runs" / "experiments"
NEIGHBOURS, FACTORS = (20, 100), (16, 64)  # of item-kNN and BPR; chosen on valid
QUESTIONS = 120  # users at most whose lists the teacher scores; it reads ten pairs for each
SHOP = "student + ranker"
#: The library is small, and its teacher reads long texts: it is trained as in lesson 15
SETUPS = {"movielens": Setup(others=1), "embedded": Setup(lists=192, batch_size=96)}


def movielens(folder: Path | None = None) -> tuple[list[Item], Likes, dict[str, tuple[float, float]]]:
    """Return films, likes and stretches of time of MovieLens.

    Raises:
        DataError: it is not there, or a line is of another form.
    """
    folder = folder or Path(os.environ.get("TINYKD_DATA", "")) / "movielens"
    films = {row["movieId"]: film(row) for row in table(folder / "movies.csv")}
    ratings = [
        {
            "user": row["userId"],
            "item": row["movieId"],
            "time": float(row["timestamp"]) / 86400,
            "rating": float(row["rating"]),
        }
        for row in table(folder / "ratings.csv")
    ]
    likes = recommend.likes_of(ratings, recommend.catalogue(films.values(), "movies.csv"), "ratings.csv")
    stretches = recommend.periods(likes)
    for row in table(folder / "tags.csv"):
        if float(row["timestamp"]) / 86400 < stretches["valid"][0] and row["tag"] not in films[row["movieId"]]["tags"]:
            films[row["movieId"]]["tags"].append(row["tag"])
    rows = [row | {"text": ", ".join(row["tags"])} for row in films.values()]
    return recommend.catalogue(rows, "movies.csv"), likes, stretches


def film(row: dict[str, str]) -> dict:
    """Return a film as a catalogue wants it: ``Matrix, The (1999)`` becomes ``The Matrix`` of 1999."""
    found = re.fullmatch(r"(.*?)\s*\((\d{4})\)", row["title"].strip())
    title, year = (found[1], int(found[2])) if found else (row["title"].strip(), None)
    title = re.sub(r"^(.*), (The|A|An)$", r"\2 \1", title)
    genres = [] if row["genres"] == "(no genres listed)" else row["genres"].split("|")
    return {"item": row["movieId"], "title": title, "year": year, "categories": genres, "tags": []}


def table(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with a header."""
    if not path.is_file():
        raise DataError(f"{path}: not there; set TINYKD_DATA to the folder that holds movielens/")
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def one_seed(corpus: str, seed: int) -> dict:
    """Train (or load) what a seed needs and return all that is recorded of it."""
    began = time.process_time()
    items, likes, stretches = (movielens if corpus == "movielens" else recommend.embedded)()
    out, setup = RUNS / f"recommend-{corpus}-seed{seed}", replace(SETUPS[corpus], seed=seed)
    setup = replace(setup, precision=precision_of(out))
    shop = recommend.train(out, items, likes, stretches, setup)
    lists = recommend.draw(likes.between(*stretches["towers"]), setup.lists, seed)
    work.train_student(out / "labels", items, lists, None, setup)
    alone = work.open_student(out / "labels", out / "labels-vectors", items, likes)
    shops = {
        "categories": replace(shop, vectors=multi_hot(items)),
        "MiniLM": replace(shop, vectors=untrained(items)),
        "student, labels": alone,
        "student": shop,
    }
    shops = {name: replace(one, ranker=ranker(one, likes, stretches, setup)) for name, one in shops.items()}
    found = {"seed": seed, "setup": asdict(setup), "corpus": facts(items, likes, stretches), "chosen": {}}
    methods(*at(shops, likes, stretches["valid"]), found["chosen"], seed)
    then, asked = at(shops, likes, stretches["test"])
    ranks, shelves = methods(then, asked, found["chosen"], seed), recommend.shelves(then["student"])
    if corpus == "embedded":  # who knows all tastes
        known = oracle(items)
        ranks["ceiling"] = measuring.by_score(lambda case: known[int(case.user[1:]) - 1])
    values = {
        shelf: {method: measuring.measure(rank, asked, items, among) for method, rank in ranks.items()}
        for shelf, among in shelves.items()
    }
    keep(users_of(corpus, seed), values)
    found["test"] = report(values) | {"users": len(asked), "cold_items": int(shelves["cold"].sum())}
    found["test"]["pairs"] = pairs(out, then, asked)
    found["importance"] = ranking.importance(shop.ranker)
    found["throughput"] = recommend.throughput(shop)
    return found | {"cpu_seconds": time.process_time() - began} | recipes.provenance()


def at(shops: dict[str, Shop], likes: Likes, span: tuple[float, float]) -> tuple[dict[str, Shop], list[Case]]:
    """Return the shops as they were at the beginning of a stretch of time, and the cases of that stretch."""
    return {name: shop.at(span[0]) for name, shop in shops.items()}, recommend.cases(likes, *span)


def ranker(shop: Shop, likes: Likes, stretches: dict, setup: Setup):
    """Fit a ranker for the vectors of a shop, as ``recommend.train`` does."""
    return ranking.fit(replace(shop, ranker=None), likes, stretches["ranker"], setup.seed, setup.rounds, setup.hidden)


def untrained(items: Sequence[Item]) -> np.ndarray:
    """Return the vectors of the embedded MiniLM as it comes, all six layers."""
    texts = [recommend.describe(item) for item in items]
    return towers.embed(encoder("minilm", towers.MAX_LENGTH), texts)


def methods(shops: dict[str, Shop], asked: list[Case], chosen: dict, seed: int) -> dict[str, measuring.Rank]:
    """Return every row of the table as a ranking.

    Args:
        shops: as they were when the cases were asked.
        chosen: filled if it is empty, as on valid; then used.
    """
    one, choosing = shops["student"], not chosen
    scores = {name: getattr(baselines, name)(one) for name in ("chance", "popularity", "recent")}
    for name, options, make in (
        ("item-kNN", NEIGHBOURS, lambda n: baselines.item_knn(one, n)),
        ("BPR", FACTORS, lambda n: baselines.bpr(one, asked, n, seed=seed)),
    ):
        made = {n: make(n) for n in (options if choosing else [chosen[name]])}
        if choosing:
            worth = {n: ndcg(measuring.by_score(scored), asked, one) for n, scored in made.items()}
            chosen[name] = max(worth, key=worth.get)
        scores[name] = made[chosen[name]]
    scores |= {f"{name}, cosine": baselines.by_text(shop) for name, shop in shops.items()}
    ranks = {name: measuring.by_score(score) for name, score in scores.items()}
    if choosing:
        worth = {name: ndcg(ranks[name], asked, one) for name in ("popularity", "recent", "item-kNN", "BPR")}
        chosen["best baseline"] = max(worth, key=worth.get)
    return ranks | {f"{name} + ranker": measuring.by_shop(shop) for name, shop in shops.items()}


def ndcg(rank: measuring.Rank, asked: list[Case], shop: Shop) -> float:
    """Return the mean NDCG@10 over all items."""
    return float(np.nanmean(measuring.measure(rank, asked, shop.items)["ndcg"]))


def pairs(out: Path, shops: dict[str, Shop], asked: list[Case]) -> dict[str, list[float]]:
    """Return how high each puts what was liked next, among nine that were not: the mean reciprocal rank, low, high."""
    lists = question_lists(asked[:: -(-len(asked) // QUESTIONS)], shops["student"].likes)
    found = {"teacher": teacher.scores(teacher.load(out / "teacher"), shops["student"].items, lists)}
    for name, shop in shops.items():
        rows = zip(lists.history, lists.candidates, strict=True)
        found[name] = np.stack([shop.vectors[c] @ shop.interest(h[h >= 0][::-1]) for h, c in rows])
    return {name: list(recommend.interval(reciprocal_rank(scores))) for name, scores in found.items()}


def question_lists(asked: Sequence[Case], likes: Likes, seed: int = 0, length: int = 10, others: int = 9) -> Lists:
    """Return a list for each case, to compare models on: its first target among others that the user never liked.

    Args:
        likes: the others are items of these, each as likely.

    Raises:
        DataError: somebody liked all of them.
    """
    random = np.random.default_rng(seed)
    history = np.full((len(asked), length), -1)
    candidates = np.zeros((len(asked), 1 + others), np.int64)
    for row, case in enumerate(asked):
        past = case.history[-length:][::-1]
        history[row, : len(past)] = past
        pool = np.setdiff1d(likes.item, [*case.history, *case.targets])
        if not len(pool):
            raise DataError(f"user {case.user!r} liked every item; there is nothing to compare with")
        candidates[row] = [case.targets[0], *random.choice(pool, others, replace=len(pool) < others)]
    return Lists(history, candidates)


def reciprocal_rank(scores: np.ndarray) -> np.ndarray:
    """Return 1 / the place of the first candidate of each list; of equals, and of what is no number, the worst counts.

    Args:
        scores: (lists, candidates), of a teacher or a student.
    """
    return 1 / (~(scores < scores[:, :1])).sum(-1)


def facts(items: list[Item], likes: Likes, stretches: dict) -> dict:
    """Return the size of a corpus and a digest; two runs with one digest read the same."""
    return {
        "items": len(items),
        "users": len(set(likes.user.tolist())),
        "likes": len(likes),
        "split": {name: len(likes.between(*span)) for name, span in stretches.items()},
        "digest": fingerprint([*map(recommend.describe, items)], likes.fingerprint())[:16],
    }


def report(values: dict) -> dict:
    """Return, by shelf, each method's figures, and what the shop has over the others, user by user: mean, low, high."""
    return {
        shelf: {
            "methods": {name: measuring.summary(row) for name, row in rows.items()},
            "gain": {name: list(recommend.interval(rows[SHOP]["ndcg"] - row["ndcg"])) for name, row in rows.items()},
        }
        for shelf, rows in values.items()
    }


def users_of(corpus: str, seed: int) -> Path:
    """Return the file of every user's figures."""
    return RUNS / f"recommend-{corpus}-seed{seed}" / "test.npz"


def keep(path: Path, values: dict) -> None:
    """Write the figures of every user, without names, beside the models: seeds are joined user by user."""
    flat = {
        f"{shelf}|{method}|{metric}": np.asarray(value)
        for shelf, rows in values.items()
        for method, row in rows.items()
        for metric, value in row.items()
    }
    np.savez(path, **flat)


def joined(corpus: str, seeds: list[int]) -> dict:
    """Return the report of all seeds together; the intervals are over users, whom all have in common, and seeds."""
    arrays = [np.load(users_of(corpus, seed)) for seed in seeds]
    values: dict = {}
    for key in arrays[0].files:
        shelf, method, metric = key.split("|")
        of_seeds = np.stack([found[key] for found in arrays])
        row = values.setdefault(shelf, {}).setdefault(method, {})
        row[metric] = of_seeds if of_seeds.ndim == 2 else float(of_seeds.mean())
    return {"seeds": seeds} | report(values)


def markdown(found: dict) -> str:
    """Return the joined report as a Markdown table."""
    rows = [
        "| method | all, NDCG@10 | warm | cold | recall@10 | diversity | coverage |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in found["all"]["methods"].items():
        ndcgs = [found[shelf]["methods"][name]["ndcg"] for shelf in ("all", "warm", "cold")]
        cells = ["none" if one is None else "{:.3f} ({:.3f} to {:.3f})".format(*one) for one in ndcgs]
        cells += [f"{row['recall'][0]:.3f}", f"{row['diversity'][0]:.2f}", f"{row['coverage']:.3f}"]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def record(corpus: str, name: str, value: dict) -> None:
    """Add to the results; two processes may write at a time."""
    with alone(RUNS / "recommend"):
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        results.setdefault(corpus, {})[name] = value
        write_json(RESULTS, results)


def recorded(corpus: str) -> dict:
    """Return what is recorded of a corpus."""
    return json.loads(RESULTS.read_text(encoding="utf-8")).get(corpus, {}) if RESULTS.exists() else {}


def main() -> None:
    """Record every seed named (0, 1, 2) that is not recorded yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--data", choices=["movielens", "embedded"], help="one corpus only")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    RUNS.mkdir(parents=True, exist_ok=True)
    corpora = [options.data] if options.data else ["movielens", "embedded"]
    for corpus in corpora:
        digest = facts(*(movielens if corpus == "movielens" else recommend.embedded)())["digest"]
        known = recorded(corpus)
        runs = [run for name, run in known.items() if name.startswith("seed")]
        done = {run["seed"] for run in runs if run["corpus"]["digest"] == digest}
        if done.issuperset(options.seeds) and known.get("joined", {}).get("seeds") == sorted(done):
            continue
        for seed in sorted({*done, *options.seeds}):
            if seed not in done or not users_of(corpus, seed).exists():
                record(corpus, f"seed {seed}", one_seed(corpus, seed))
        record(corpus, "joined", joined(corpus, sorted({*done, *options.seeds})))
    for corpus in corpora:
        found = recorded(corpus)["joined"]
        print(f"\n{corpus}, seeds {found['seeds']}\n{markdown(found)}")


if __name__ == "__main__":
    main()
