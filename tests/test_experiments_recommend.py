"""The recorded shop: MovieLens as it is read, a whole seed with tiny models, and what the recorded file holds."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from tests import tiny
from tinykd.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("recommend_experiment", ROOT / "experiments" / "recommend.py")
recorded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorded)


@pytest.fixture
def films(write, monkeypatch):
    """Thirty films in two genres and twenty-four users; films 27 to 29 come in the last days."""
    random, ratings = np.random.default_rng(0), ["userId,movieId,rating,timestamp"]
    for user in range(24):
        for day in sorted(random.choice(100, 10, replace=False)):
            film = random.choice(range(user % 2, 30 if day > 86 else 27, 2))
            ratings.append(f"{user},{film},{random.choice([3.5, 4.0, 5.0], p=[0.1, 0.4, 0.5])},{86400 * day}")
    movies = ["movieId,title,genres"] + [
        f'{n},"Film {n}, The ({1990 + n})",{("Crime", "Comedy|War")[n % 2]}' for n in range(30)
    ]
    tags = ["userId,movieId,tag,timestamp", "1,3,dry,86400", "1,3,dry,86400", "1,4,late,8640000000"]
    files = {"movies.csv": movies, "ratings.csv": ratings, "tags.csv": tags}
    folder = write({name: "\n".join(lines) + "\n" for name, lines in files.items()}, "movielens")
    monkeypatch.setenv("TINYKD_DATA", str(folder.parent))
    return folder


def test_films_have_titles_years_genres_and_the_tags_of_the_past(films):
    items, likes, stretches = recorded.movielens()
    assert (items[3].title, items[3].year, items[3].categories) == ("The Film 3", 1993, ("Comedy", "War"))
    assert (items[3].text, items[4].text) == ("dry", "")
    assert len(likes) < (films / "ratings.csv").read_text().count("\n") - 1, "3.5 stars are no like"
    assert list(stretches) == ["towers", "ranker", "valid", "test"]
    for title, found in (
        ("Beautiful Mind, A (2001)", ("A Beautiful Mind", 2001)),
        ("Amélie (Fabuleux destin, Le) (2001)", ("Amélie (Fabuleux destin, Le)", 2001)),
        ("Nameless", ("Nameless", None)),
    ):
        film = recorded.film({"movieId": "1", "title": title, "genres": "(no genres listed)"})
        assert (film["title"], film["year"], film["categories"]) == (*found, [])


def test_a_missing_movielens_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYKD_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"movies\.csv: not there; set TINYKD_DATA"):
        recorded.movielens()


def test_a_seed_is_recorded_and_joined(films, tmp_path, monkeypatch, capsys):
    base = tiny.base_model(tmp_path / "base")
    monkeypatch.setattr(recorded, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(recorded, "RESULTS", tmp_path / "recommend.json")
    small = recorded.Setup(str(base), "cut:1", lists=16, epochs=1, batch_size=16, rounds=3)
    monkeypatch.setattr(recorded, "SETUPS", {"movielens": small})
    encoder = recorded.encoder
    monkeypatch.setattr(recorded, "encoder", lambda name, length: encoder(base, length))
    monkeypatch.setattr(recorded.recommend, "throughput", lambda shop: {"items": 1.0})
    monkeypatch.setattr("sys.argv", ["recommend.py", "0", "1", "--data", "movielens"])
    recorded.main()
    found = json.loads((tmp_path / "recommend.json").read_text())["movielens"]
    assert set(found) == {"seed 0", "seed 1", "joined"} and found["joined"]["seeds"] == [0, 1]
    one, both = found["seed 0"]["test"], found["joined"]
    for shelf in ("all", "warm", "cold"):
        for name, row in both[shelf]["methods"].items():
            mean = np.mean([found[f"seed {n}"]["test"][shelf]["methods"][name]["ndcg"][0] for n in (0, 1)])
            assert row["ndcg"][0] == pytest.approx(mean)
        assert both[shelf]["gain"][recorded.SHOP] == [0, 0, 0]
    assert set(one["pairs"]) == {"teacher", "categories", "MiniLM", "student, labels", "student"}
    assert {"command", "versions", "processor", "date"} <= set(found["seed 0"])
    table = capsys.readouterr().out
    assert "movielens, seeds [0, 1]" in table and "| item-kNN |" in table
    before = (tmp_path / "recommend.json").read_bytes()
    monkeypatch.setattr(recorded, "one_seed", lambda *args: 1 / 0)
    recorded.main()
    assert (tmp_path / "recommend.json").read_bytes() == before, "what is recorded is not done again"
    again = []
    monkeypatch.setattr(
        recorded, "one_seed", lambda corpus, seed: again.append(seed) or found["seed 0"] | {"seed": seed}
    )
    monkeypatch.setattr(recorded, "joined", lambda corpus, seeds: {"seeds": seeds} | both)
    monkeypatch.setattr("sys.argv", ["recommend.py", "2", "--data", "movielens"])
    recorded.users_of("movielens", 0).unlink()  # as on another machine
    recorded.main()
    assert again == [0, 2], "a seed is joined with others, user by user"


def test_who_liked_everything_cannot_be_asked():
    everything = recorded.Case("u", list(range(20)), list(range(20, 40)))
    likes = recorded.Likes(np.array(["v"] * 40, object), np.arange(40), np.arange(40.0))
    with pytest.raises(DataError, match="user 'u' liked every item"):
        recorded.question_lists([everything], likes)


def test_question_lists_ask_for_the_first_target(films):
    _, likes, stretches = recorded.movielens()
    asked = recorded.recommend.cases(likes, *stretches["test"])
    lists = recorded.question_lists(asked, likes)
    assert len(asked)
    for case, history, candidates in zip(asked, lists.history, lists.candidates, strict=True):
        assert candidates[0] == case.targets[0] and history[0] == case.history[-1]
        assert not set(candidates[1:].tolist()) & {*case.history, *case.targets}


def test_reciprocal_rank_counts_equals_against_the_target():
    assert recorded.reciprocal_rank(np.array([[3, 1, 2], [1, 1, 0], [0, 1, 2]])).tolist() == [1, 1 / 2, 1 / 3]
    assert recorded.reciprocal_rank(np.array([[np.nan, 1, 2], [1, np.nan, 0]])).tolist() == [1 / 3, 1 / 2]


def test_the_recorded_file_holds_aggregates_and_where_they_came_from():
    results = json.loads(recorded.RESULTS.read_text(encoding="utf-8"))
    assert set(results) == {"movielens", "embedded"}
    for runs in results.values():
        for name, run in runs.items():
            if name != "joined":
                assert {"command", "versions", "processor", "corpus", "throughput", "chosen"} <= set(run)
        assert set(runs["joined"]) == {"seeds", "all", "warm", "cold"}
    assert max(len(json.dumps(run)) for runs in results.values() for run in runs.values()) < 60_000
