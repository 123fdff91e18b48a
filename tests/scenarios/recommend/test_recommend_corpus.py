"""The catalogue *recommend*, its reader, its simulated users, and the figures on its page."""

import importlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from scenarios import recommend
from scenarios.recommend import library
from scenarios.recommend.measuring import by_score, measure
from scenarios.shared import encoder
from tinykd.errors import DataError
from tinykd.text import words

simulation = importlib.import_module("scenarios.recommend.simulate")  # the package shows its function
PAGE = Path(__file__).parents[3] / "book" / "recommend_corpus.md"
KINDS = {"a": "audio drama", "g": "board game"}
ITEM = "## b001 | Low Water | 2014\ncategories: crime\nthemes: sea, islands\nThe tide goes out.\n  And in.  \n"


@pytest.fixture(scope="module")
def rows():
    return list(library.read())


@pytest.fixture(scope="module")
def items(rows):
    return recommend.catalogue(rows)


@pytest.fixture(scope="module")
def loans(items):
    return pd.DataFrame(simulation.simulate(items))


def page(name):
    """The numbers behind ``| name |`` in the tables of the page."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", PAGE.read_text(), re.M)
    return [float(cell) for cell in re.findall(r"[0-9.]+", line)]


def test_a_block_is_an_item_and_its_themes_stay_behind(write):
    more = "## x | Y: 2 | 1999\ncategories: a, b c\nthemes of it: none\ncategories: are text here\n"
    first, second = library.read(write({"items.txt": ITEM + more}) / "items.txt")
    assert (first["themes"], second["themes"]) == (["sea", "islands"], [])
    assert recommend.catalogue([first, second]) == [
        recommend.Item("b001", "Low Water", ("crime",), 2014, "The tide goes out. And in."),
        recommend.Item("x", "Y: 2", ("a", "b c"), 1999, "themes of it: none categories: are text here"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" | 2014", "", ":1: expected '## id | title | year', not 'b001 | Low Water'"),
        ("2014", "MMXIV", ":1: expected '## id | title | year', not 'b001 | Low Water | MMXIV'"),
        ("Low Water", "", ":1: expected '## id | title | year', not 'b001 |  | 2014'"),
        ("Low", "Low | High", ":1: expected '## id | title | year', not 'b001 | Low | High Water | 2014'"),
        ("categories: crime\n", "", ":1: 'b001' has 0 categories; give it 1 to 3, as in 'categories: crime, humour'"),
        ("crime", "a, b, c, d", ":1: 'b001' has 4 categories; give it 1 to 3, as in 'categories: crime, humour'"),
        ("crime", "a,, b", ":2: categories are words between commas, each once, not 'a,, b'"),
        ("crime", "crime\ncategories: sea", ":3: 'b001' has a second line of categories; write them in one"),
        ("crime", "", ":2: categories are words between commas, each once, not ''"),
        ("sea, islands", "sea, sea", ":3: themes are words between commas, each once, not 'sea, sea'"),
        ("The tide goes out.\n  And in.  \n", "", ":1: 'b001' has no description"),
        ("And in.", "And in.\n" + ITEM.replace("Low", "High"), ":6: item 'b001' stands in line 1 already"),
    ],
)
def test_a_faulty_catalogue_is_named_with_its_line(write, old, new, message):
    folder = write({"items.txt": ITEM.replace(old, new)})
    with pytest.raises(DataError) as error:
        list(library.read(folder / "items.txt"))
    assert str(error.value) == f"{folder / 'items.txt'}{message}"


def test_items_are_as_the_page_says(rows):
    kinds = Counter(row["item"][0] for row in rows)
    assert 400 <= len(rows) <= 440 and len({row["title"] for row in rows}) == len(rows)
    assert page("books") == [kinds["b"]] and page("audio dramas") == [kinds["a"]]
    assert page("board games") == [kinds["g"]] and page("together") == [len(rows)]
    for row in rows:
        assert re.fullmatch(r"[bag][0-9]{3}", row["item"]) and 1900 < row["year"] < 2030
        assert all((KINDS[kind] in row["categories"]) == (row["item"][0] == kind) for kind in KINDS)
    ids = [row["item"] for row in rows]
    assert ids == [f"{kind}{i + 1:03d}" for kind in "bag" for i in range(kinds[kind])]


@pytest.mark.parametrize(("name", "many", "least"), [("categories", 16, 15), ("themes", 28, 15)])
def test_no_tag_is_rare(rows, name, many, least):
    assert all(1 <= len(row[name]) <= 3 for row in rows)
    counts = Counter(tag for row in rows for tag in row[name])
    assert len(counts) == many and min(counts.values()) >= least
    for tag, n in counts.items():
        assert page(f"`{tag}`") == [n]


def test_descriptions_have_25_to_60_words_and_their_own(rows):
    lengths = [len(row["text"].split()) for row in rows]
    assert min(lengths) >= 25 and max(lengths) <= 60 and np.std(lengths) > 4
    texts = [[word.text.lower() for word in words(row["text"])] for row in rows]
    grams = Counter(gram for text in texts for gram in {tuple(text[i : i + 5]) for i in range(len(text) - 4)})
    assert sum(n > 1 for n in grams.values()) / len(grams) <= 0.01
    assert max(Counter(tuple(text[:2]) for text in texts).values()) <= 6, "openings come too often"


@pytest.fixture(scope="module")
def texts(rows):
    return [f"{row['title']}. {row['text']}" for row in rows]


def test_the_text_carries_the_themes(items, rows, texts, vectors):
    names = sorted({theme for row in rows for theme in row["themes"]})
    themes = np.array([[name in row["themes"] for name in names] for row in rows])
    counted = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform(texts)
    readers = {
        "embedded teacher": vectors,
        "word counts": counted,
        "categories": simulation._rows([item.categories for item in items]),
    }
    for name, features in readers.items():
        model = LogisticRegression(C=10, max_iter=500)
        chances = [cross_val_predict(model, features, theme, cv=5, method="predict_proba")[:, 1] for theme in themes.T]
        found = np.mean([roc_auc_score(theme, chance) for theme, chance in zip(themes.T, chances, strict=True)])
        assert [found] == pytest.approx(page(name), abs=0.02)


@pytest.fixture(scope="module")
def vectors(texts):
    return encoder().encode(texts, show_progress_bar=False)


def test_loans_are_those_of_the_seed(items, loans):
    assert list(loans.columns) == ["user", "item", "time", "rating"]
    assert loans.equals(pd.DataFrame(simulation.simulate(items)))
    assert not loans.equals(pd.DataFrame(simulation.simulate(items, seed=1)))
    few = pd.DataFrame(simulation.simulate(items, users=3))
    assert set(few.user) == {"u001", "u002", "u003"}


def test_loans_are_possible(items, loans):
    assert not loans.duplicated(["user", "item"]).any()
    assert loans.time.is_monotonic_increasing and loans.rating.isin(range(1, 6)).all()
    assert str(simulation.START) <= loans.time.min() and loans.time.max() < str(simulation.END)
    assert loans.user.nunique() == 600 and loans.groupby("user").size().min() > 10
    arrival = simulation.world(items).arrival
    first = loans.groupby("item").time.min()
    for item, day in zip([item.id for item in items], arrival, strict=True):
        if item in first:
            assert (np.datetime64(first[item]) - np.datetime64(simulation.START)).astype(int) >= day


def test_a_fifth_is_cold_and_a_tenth_nearly(items, loans):
    first = loans.groupby("item").time.min()
    test, valid = (str(day) for day in (simulation.TEST_FROM, simulation.VALID_FROM))
    assert (first >= test).sum() == pytest.approx(0.2 * len(items), abs=8)
    assert ((first >= valid) & (first < test)).sum() == pytest.approx(0.1 * len(items), abs=4)
    late = loans[loans.time >= test]
    assert 0.25 < late.item.map(first).ge(test).mean() < 0.5


def test_taste_fame_and_drift_are_in_the_loans(items, loans):
    hidden = simulation.world(items)
    place = {item.id: i for i, item in enumerate(items)}
    day = (np.array(loans.time, "datetime64[D]") - np.datetime64(simulation.START)).astype(int)
    user, item = loans.user.str[1:].astype(int).to_numpy() - 1, loans.item.map(place).to_numpy()
    taste = np.array([hidden.taste(d, u)[i] for d, u, i in zip(day, user, item, strict=True)])
    every = hidden.taste(0)
    assert every.std() == pytest.approx(1, abs=0.1) and taste.mean() > 0.5, "users borrow what suits them"
    assert np.corrcoef(taste, loans.rating)[0, 1] > 0.5
    unexplained = loans.rating - np.polyval(np.polyfit(taste, loans.rating, 1), taste)
    assert abs(np.corrcoef(hidden.fame[item], unexplained)[0, 1]) < 0.05, "fame pleases nobody"
    counts = np.sort(np.bincount(item, minlength=len(items)))[::-1]
    assert counts[: len(items) // 10].sum() / counts.sum() > 0.25, "a few items are taken by many"
    assert 0.5 < np.corrcoef(hidden.first.ravel(), hidden.last.ravel())[0, 1] < 0.9, "tastes drift"


def test_a_small_catalogue_is_borrowed_empty(items):
    loans = pd.DataFrame(simulation.simulate(items[:5], users=4))
    assert loans.groupby("user").size().tolist() == [5] * 4


def test_a_user_needs_themes_and_somebody(items):
    with pytest.raises(DataError, match="the themes of item 'b001' are not known"):
        simulation.simulate(items, themes={"b002": []})
    with pytest.raises(DataError, match="users is 0; a simulation needs at least one"):
        simulation.simulate(items, users=0)
    own = {item.id: [] for item in items}
    assert len(simulation.simulate(items[:30], users=2, themes=own)) > 20


def test_the_ceiling_is_as_the_page_says(items):
    found: dict[str, list] = {"nobody, at random": [], "popularity": [], "the oracle": []}
    for seed in range(3):
        catalogue, likes, stretches = recommend.embedded(seed=seed)
        asked = recommend.cases(likes, *stretches["test"])
        before = np.bincount(likes.between(end=stretches["test"][0]).item, minlength=len(catalogue))
        chance, known = np.random.default_rng(seed), simulation.oracle(items, seed=seed)
        scores = {
            "nobody, at random": lambda case, chance=chance: chance.random(len(items)),
            "popularity": lambda case, before=before: before,
            "the oracle": lambda case, known=known: known[int(case.user[1:]) - 1],
        }
        for name, score in scores.items():
            shelves = (None, before > 0, before == 0)
            values = [np.nanmean(measure(by_score(score), asked, catalogue, shelf)["ndcg"]) for shelf in shelves]
            found[name].append(values)
    means = {name: np.mean(values, axis=0) for name, values in found.items()}
    assert (means["the oracle"] > 3 * means["popularity"]).all()
    for name, values in means.items():
        assert page(name) == pytest.approx(values, abs=0.01)
