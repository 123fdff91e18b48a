"""The recorded shop: teacher, students and ranker on MovieLens and on the embedded library, against three baselines.

MovieLens (Harper and Konstan 2015), ml-latest-small, is read from ``$TINYKD_DATA/movielens``: titles, genres, and the
tags that users gave before the valid stretch; four stars or more are a like. Its licence allows no redistribution: only
aggregate figures are recorded. The library's users are simulated. ``python experiments/recommend.py [SEED ...]
[--data movielens|embedded]``; each seed is kept when it is done, so an interrupted call goes on where it stopped.
"""

import csv
import os
import re
from pathlib import Path

from tinykd.errors import DataError
from tinykd.scenarios import recommend
from tinykd.scenarios.recommend import Item, Likes

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "recommend.json"
RUNS = ROOT / "runs" / "experiments"


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
