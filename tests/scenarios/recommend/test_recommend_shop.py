"""Catalogue, likes, shop, ranker, figures: what is read, what is refused, what is recommended and why."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from scenarios import recommend
from scenarios.recommend import Case, Item, Likes, Shop, baselines, measuring, ranking
from scenarios.recommend.shop import EMPTY, load_shop
from tinykd.errors import DataError, ModelError

KINDS = ("crime", "food", "birds", "ships")


def rows(size=40):
    """A catalogue in four kinds; item n is of kind n % 4."""
    return [
        {
            "item": f"b{n:02d}",
            "title": f"Title {n}",
            "categories": [KINDS[n % 4]],
            "year": 1990 + n % 20,
            "text": f"t {n}",
        }
        for n in range(size)
    ]


def vectors(size=40, seed=0):
    """Vectors that lie near to one of four directions."""
    noise = np.random.default_rng(seed).normal(size=(size, 8)).astype(np.float32)
    found = np.eye(8, dtype=np.float32)[np.arange(size) % 4] + 0.2 * noise
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def readers(users=40, size=40, days=100, seed=0):
    """Users who like one kind, and now and then another; the last four items come in the last days."""
    random, found = np.random.default_rng(seed), []
    for user in range(users):
        for day in sorted(random.integers(days, size=14)):
            there = size if day > 0.85 * days else size - 4
            mine = [n for n in range(there) if n % 4 == user % 4] if random.random() < 0.8 else list(range(there))
            found.append({"user": f"u{user}", "item": f"b{random.choice(mine):02d}", "time": float(day)})
    return found


@pytest.fixture(scope="module")
def world():
    items = recommend.catalogue(rows())
    found = recommend.likes_of(readers(), items)
    return items, found, recommend.periods(found)


@pytest.fixture(scope="module")
def shop(world):
    items, found, stretches = world
    plain = Shop(items, vectors(), found, embed=lambda texts: vectors(len(texts), 1))
    return Shop(items, plain.vectors, found, ranking.fit(plain, found, stretches["ranker"]), plain.embed)


# the catalogue


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"title": "x"}, "films.jsonl:2: item must be text, at least one character; found None"),
        ({"item": "b2", "title": "  "}, "films.jsonl:2: title must be text"),
        ({"item": "b2", "title": "x", "categories": "crime"}, "films.jsonl:2: categories must be a list of words"),
        ({"item": "b2", "title": "x", "categories": 5}, "films.jsonl:2: categories must be a list of words"),
        ({"item": "b2", "title": "x", "year": "1999"}, "films.jsonl:2: year must be a whole number or missing"),
        ({"item": "b2", "title": "x", "text": 3}, "films.jsonl:2: text must be text"),
        ({"item": "b2", "title": "x", "text": 0}, "films.jsonl:2: text must be text"),
        ({"item": "b2", "title": "x", "categories": {}}, "films.jsonl:2: categories must be a list of words"),
        ({"item": "b1", "title": "x"}, "films.jsonl:2: there is an item 'b1' already, 'One'"),
    ],
)
def test_a_wrong_item_is_named_with_its_line(row, message):
    with pytest.raises(DataError) as error:
        recommend.catalogue([{"item": "b1", "title": "One"}, row], "films.jsonl")
    assert str(error.value).startswith(message)


def test_an_empty_catalogue_is_refused_at_once(world):
    with pytest.raises(DataError, match=r"films.jsonl is empty: there is nothing to recommend"):
        recommend.catalogue([], "films.jsonl")
    with pytest.raises(DataError, match="the catalogue is empty"):
        Shop([], np.zeros((0, 8)), world[1])
    with pytest.raises(DataError, match="40 items and 3 vectors"):
        Shop(world[0], np.zeros((3, 8)), world[1])


def test_json_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "likes.jsonl"
    path.write_text('{"user": "u", "item": "b00", "time": 1}\n\n{"user": "u", "item": "nothing", "time": 1}\n')
    with pytest.raises(DataError, match=r"likes\.jsonl:3: item 'nothing' is not in the catalogue"):
        recommend.likes_of(recommend.read_rows(path), recommend.catalogue(rows()), str(path))
    for line, message in (("{", "not JSON"), ("[" * 100_000, "not JSON"), ("[1]", "expected an object")):
        path.write_text(f"{{}}\n{line}\n")
        with pytest.raises(DataError, match=f":2: {message}"):
            recommend.read_rows(path)


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
def test_any_text_is_described_and_nothing_of_it_is_lost(title, text):
    row = {"item": "b", "title": title or "x", "text": text}
    if not row["title"].strip():
        return
    (item,) = recommend.catalogue([row])
    assert (item.title, item.text) == tuple(one.encode("utf-8", "replace").decode() for one in (row["title"], text))
    recommend.describe(item).encode()  # no half characters


def test_half_a_character_is_saved_and_read_again(shop, tmp_path):
    more = recommend.catalogue([*rows(), {"item": "h\udc80", "title": "Half \ud83d", "categories": ["\udfff"]}])[-1]
    larger = shop.with_items([more])
    larger.save(tmp_path / "shop")
    assert load_shop(tmp_path / "shop").items[-1] == larger.items[-1] == Item("h?", "Half ?", ("?",))


# likes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"user": "", "item": "b00", "time": 0}, "l:1: user must be text"),
        ({"user": "u", "item": "b99", "time": 0}, "l:1: item 'b99' is not in the catalogue"),
        ({"user": "u", "item": ["b00"], "time": 0}, "l:1: item"),
        ({"user": "u", "item": "b00"}, "l:1: time must be a number"),
        ({"user": "u", "item": "b00", "time": math.nan}, "l:1: time must be a number"),
        ({"user": "u", "item": "b00", "time": 10**400}, "l:1: time must be a number"),
        ({"user": "u", "item": "b00", "time": "soon"}, "l:1: time 'soon': write it as"),
        ({"user": "u", "item": "b00", "time": 0, "rating": "5"}, "l:1: rating must be a number"),
    ],
)
def test_a_wrong_like_is_named_with_its_line(row, message):
    with pytest.raises(DataError) as error:
        recommend.likes_of([row], recommend.catalogue(rows()), "l")
    assert str(error.value).startswith(message)


def test_likes_are_in_order_of_time_once_each_from_four_stars_on():
    items = recommend.catalogue(rows())
    given_ = [("u", "b02", "2031-03-02", 5), ("u", "b01", "2031-03-01T12:00", 4), ("u", "b02", "2031-03-05", 5)]
    given_ += [("u", "b03", "2031-03-01", 3.5), ("v", "b04", "2031-03-01T10:00:00+02:00", 4)]
    found = recommend.likes_of(
        [dict(zip(("user", "item", "time", "rating"), row, strict=True)) for row in given_], items
    )
    assert found.histories() == {"v": [4], "u": [1, 2]}
    assert np.allclose(np.diff(found.time), [4 / 24, 0.5])


def test_time_parts_past_and_future_for_everybody(world):
    _, found, stretches = world
    assert list(stretches) == ["towers", "ranker", "valid", "test"]
    assert sum(len(found.between(*span)) for span in stretches.values()) == len(found)
    for case in recommend.cases(found, *stretches["test"]):
        own = {
            item: time for user, item, time in zip(found.user, found.item, found.time, strict=True) if user == case.user
        }
        assert case.history + case.targets == list(own)
        assert all(own[item] >= stretches["test"][0] for item in case.targets) and len(case.history) >= 3
    with pytest.raises(DataError, match="too few"):
        recommend.periods(found.between(end=2))


def test_lists_hold_what_was_liked_next_and_what_was_not(world):
    _, found, stretches = world
    known = found.between(*stretches["towers"])
    lists, again = (recommend.draw(known, 200, 3) for _ in range(2))
    assert (lists.history == again.history).all() and (lists.candidates == again.candidates).all()
    lives = list(known.histories().values())
    for history, candidates in zip(lists.history, lists.candidates, strict=True):
        past = history[history >= 0][::-1].tolist()
        assert any(
            items[place - len(past) : place] == past and not set(candidates[1:].tolist()) & set(items)
            for items in lives
            for place, item in enumerate(items)
            if item == candidates[0] and place >= 2
        )
    with pytest.raises(DataError, match="nobody liked more than 2"):
        recommend.draw(known.between(end=1), 5)
    one = Likes(np.array(["u"] * 4, object), np.zeros(4, int), np.arange(4.0))
    with pytest.raises(DataError, match="all likes are of one item"):
        recommend.draw(one, 5)
    everything = Likes(np.array(["u"] * 4, object), np.arange(4), np.arange(4.0))
    assert (recommend.draw(everything, 9).candidates[:, 1:] != recommend.draw(everything, 9).candidates[:, :1]).all()


def test_stretches_that_cross_or_are_empty_are_refused(world):
    found = world[1]
    for days in ({"valid": 95.0}, {"valid": 50.0, "test": 40.0}, {"valid": -5.0}, {"test": 500.0}):
        with pytest.raises(DataError, match="one of these is left empty"):
            recommend.periods(found, **days)


# the shop


def test_a_user_gets_items_of_his_kind_that_he_does_not_know_with_reasons(shop):
    found = shop.recommend("u1", 5)
    assert len(found) == 5 and len({one.item for one in found}) == 5
    known = {shop.items[i].id for i in shop.history("u1")}
    assert not known & {one.item for one in found} and all(one.reasons for one in found)
    first = [int(shop.recommend(f"u{user}", 1)[0].item[1:]) % 4 == user % 4 for user in range(40)]
    assert np.mean(first) > 0.35, "by chance it is 0.25"
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert any("which you liked" in reason or "as in what you liked" in reason for reason in found[0].reasons)


def test_a_user_and_his_history_get_the_same(shop):
    history = [shop.items[i].id for i in shop.history("u1")]
    assert shop.recommend(history) == shop.recommend("u1")
    assert shop.recommend([*history, history[0]]) == shop.recommend("u1"), "a second time says nothing new"


def test_an_empty_history_falls_back_to_what_is_liked_of_late_and_says_so(shop):
    found = shop.recommend([], 3)
    assert [one.reasons[0] for one in found] == [EMPTY] * 3
    assert shop.items.index(next(i for i in shop.items if i.id == found[0].item)) == shop.recent.argmax()
    nobody = Shop(shop.items, shop.vectors, shop.likes.between(end=-1))
    assert len(nobody.recommend([], 3)) == 3 and nobody.recommend([])[0].reasons[1].startswith("new here")


def test_nobody_is_said_to_have_liked_what_nobody_liked(shop):
    """Some trees lift an item *because* no one who liked the history liked it."""

    class Contrary:
        def predict(self, features, pred_contrib=False):
            parts = np.zeros((len(features), len(ranking.FEATURES) + 1))
            parts[:, ranking.FEATURES.index("together")] = features[:, ranking.FEATURES.index("together")] == 0
            return parts if pred_contrib else parts.sum(1)

    lone = replace(shop, ranker=Contrary(), likes=shop.likes.between(end=20.0))
    for user in ("u1", "u2", "u3"):
        for one in lone.recommend(user, 40):
            place = lone._places[one.item]
            said = any("liked it, too" in reason for reason in one.reasons)
            assert not said or lone.together[lone.history(user)[-30:], place].max() > 0


def test_a_history_is_not_the_shops_own_list(shop):
    shop.history("u1").append(99)
    assert 99 not in shop.history("u1")


def test_the_day_of_the_last_like_may_lie_before_1970(shop):
    early = replace(shop, likes=replace(shop.likes, time=shop.likes.time - 1000.0))
    assert np.allclose(early.recent, shop.recent)


def test_what_is_unknown_is_named(shop):
    with pytest.raises(DataError, match="no user 'nobody' is known; a list"):
        shop.recommend("nobody")
    with pytest.raises(DataError, match="item 'b77' is not in the catalogue of 40 items"):
        shop.recommend(["b01", "b77"])
    with pytest.raises(ValueError, match="k is 0"):
        shop.recommend("u1", 0)


def test_who_liked_everything_gets_nothing_and_a_small_shop_gives_what_it_has(shop):
    assert shop.recommend([item.id for item in shop.items]) == []
    assert len(shop.recommend([item.id for item in shop.items[:38]])) == 2


def test_the_interest_counts_the_latest_most_and_is_that_of_the_towers(shop):
    import torch

    from scenarios.recommend import towers

    history = [1, 2, 3, 5]
    mine = shop.interest(history)
    batch = torch.tensor(shop.vectors[history[::-1]])[None]
    assert np.allclose(towers.interest(batch, torch.ones(1, 4, dtype=bool))[0].numpy(), mine, atol=1e-6)
    padded = torch.cat([batch, batch[:, :2]], 1)
    kept = torch.tensor([[True] * 4 + [False] * 2])
    assert np.allclose(towers.interest(padded, kept)[0].numpy(), mine, atol=1e-6)
    assert shop.interest([0, 1]) @ shop.vectors[1] > shop.interest([1, 0]) @ shop.vectors[1]


def test_what_the_same_people_liked_is_the_cosine_of_who_liked_it(shop):
    who = [
        {user for user, item in zip(shop.likes.user, shop.likes.item, strict=True) if item == one} for one in range(40)
    ]
    for a, b in ((1, 5), (1, 2), (0, 39)):
        expected = len(who[a] & who[b]) / (len(who[a]) * len(who[b])) ** 0.5
        assert shop.together[a, b] == shop.together[b, a] == pytest.approx(expected, abs=1e-6)
    assert not shop.together.diagonal().any()
    found = shop.features([1, 5], np.array([2, 9]))[:, ranking.FEATURES.index("together")]
    assert np.allclose(found, [shop.together[[1, 5], i].sum() for i in (2, 9)])
    nobody = Shop(shop.items, shop.vectors, shop.likes.between(end=-1))
    assert nobody.together.nnz == 0 and len(nobody.recommend(["b01"], 3)) == 3


def test_without_a_ranker_all_items_are_in_the_order_of_the_cosine():
    items = [Item(f"i{n}", f"I{n}") for n in range(400)]
    none = Likes(np.array([], object), np.array([], np.int64), np.array([]))
    bare = Shop(items, vectors(400), none)
    found, scores = bare.rank([0, 1], 400)
    assert len(found) == 398 and (np.diff(scores) <= 0).all()
    assert np.allclose(scores, bare.vectors[found] @ bare.interest([0, 1]))


def test_what_nobody_liked_yet_is_short_listed_in_turn():
    """One draw for all would keep most of the new items from everybody."""
    items = [Item(f"i{n}", f"I{n}") for n in range(1000)]
    none = Likes(np.array([], object), np.array([], np.int64), np.array([]))
    new = Shop(items, vectors(1000), none)
    one = new.shortlist([0, 1])
    assert len(set(one.tolist())) == 300 and one.tolist() == new.shortlist([0, 1]).tolist()
    by_counts = {tuple(sorted(new.shortlist([n, n + 1])[150:].tolist())) for n in range(20)}
    assert len(set().union(*by_counts)) > 900


def test_without_a_ranker_the_text_alone_decides(shop):
    plain = Shop(shop.items, shop.vectors, shop.likes)
    found, _scores = plain.rank([1, 5], 10)
    best = np.argsort(-(shop.vectors @ plain.interest([1, 5])))
    assert found.tolist() == [i for i in best if i not in (1, 5)][:10]
    assert "its text is near to" in plain.recommend(["b01"])[0].reasons[0]


def test_the_shop_knows_nothing_of_the_future(shop, world):
    start = world[2]["test"][0]
    then = shop.at(start)
    assert then.likes.time.max() < start and then.popularity.sum() == len(then.likes) < len(shop.likes)
    later = Shop(shop.items, shop.vectors, shop.likes.between(end=start), shop.ranker, now=start)
    assert then.rank([1, 5], 10)[0].tolist() == later.rank([1, 5], 10)[0].tolist()


def test_a_new_item_can_be_recommended_at_once(shop):
    from dataclasses import replace

    twin = shop.vectors[1]
    larger = replace(shop, embed=lambda texts: np.stack([twin] * len(texts))).with_items(
        [Item("new", "Brand new", ("food",))]
    )
    assert len(larger.items) == 41 and larger.popularity[40] == 0
    assert "new" in [one.item for one in replace(larger, ranker=None).recommend(["b01"], 1)]
    told = next(one for one in larger.recommend(["b01"], 40) if one.item == "new")
    assert any("nobody has liked it yet" in reason for reason in told.reasons)
    with pytest.raises(DataError, match="there is an item 'b01' already"):
        shop.with_items([Item("b01", "Again")])
    with pytest.raises(ModelError, match="without its student"):
        replace(shop, embed=None).with_items([Item("new", "x")])


def test_a_saved_shop_recommends_the_same_and_a_damaged_one_is_refused(shop, tmp_path):
    shop.save(tmp_path / "shop")
    again = load_shop(tmp_path / "shop")
    for who in ("u1", ["b03"], []):
        assert again.recommend(who) == shop.recommend(who)
    assert again.items == shop.items
    path = tmp_path / "shop" / "ranker.txt"
    path.write_text(path.read_text()[:-100])
    with pytest.raises(ModelError, match=r"ranker\.txt: missing, cut short or altered; delete the shop"):
        load_shop(tmp_path / "shop")
    path.unlink()
    with pytest.raises(ModelError, match=r"ranker\.txt: missing"):
        load_shop(tmp_path / "shop")
    with pytest.raises(ModelError, match="no shop"):
        load_shop(tmp_path / "nowhere")


# the ranker


def test_the_ranker_beats_its_parts_on_valid(world, shop):
    items, found, stretches = world
    then, asked = shop.at(stretches["valid"][0]), recommend.cases(found, *stretches["valid"])

    def score(rank):
        return measuring.measure(rank, asked, items)["ndcg"].mean()

    ours = score(measuring.by_shop(then))
    assert ours > score(measuring.by_score(baselines.popularity(then)))
    assert ours > 1.5 * score(measuring.by_score(baselines.chance(then)))


def test_hiding_the_crowd_keeps_new_items_from_being_buried(world):
    items, found, stretches = world
    plain = Shop(items, vectors(), found)
    first = []
    for hidden in (0.0, 0.5):
        ranker = ranking.fit(plain, found, stretches["ranker"], hidden=hidden)
        features = np.array([[0.9, 0.9, crowd, crowd, crowd, 1.0, 10.0] for crowd in (0.0, 3.0)])
        new, old = ranker.predict(features)
        first.append(old - new)
    assert first[1] < first[0]


def test_a_ranker_needs_somebody_to_learn_from(world):
    items, found, stretches = world
    with pytest.raises(DataError, match="nothing to learn a ranking from"):
        ranking.fit(Shop(items, vectors(), found), found, (500, 600))
    last = ranking.fit(Shop(items, vectors(), found), found, (found.time.max(), math.inf))
    assert last.num_trees(), "the last day is learnt from, too"
    shares = ranking.importance(ranking.fit(Shop(items, vectors(), found), found, stretches["ranker"]))
    assert sum(shares.values()) == pytest.approx(1) and set(shares) == set(ranking.FEATURES)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 12))
def test_the_best_come_first_and_equals_are_drawn(values, k):
    scores, among = np.array(values, float), np.array(values) != 3
    found = ranking.top(scores, among, k)
    assert len(found) == min(k, among.sum()) == len(set(found.tolist())) and among[found].all()
    assert scores[found].tolist() == sorted(scores[among], reverse=True)[:k]
    assert not len(ranking.top(scores, among, 0))
    ties = {tuple(ranking.top(np.zeros(6), np.ones(6, bool), 3, seed)) for seed in range(9)}
    assert len(ties) > 3


def test_equals_are_drawn_for_each_history_anew():
    """One draw for all would show everybody the same ten items, and their luck would be the mean."""
    items = [Item(f"i{n}", f"I{n}") for n in range(200)]
    asked = [Case(f"u{n}", [n], [(n + 1) % 200]) for n in range(200)]
    nothing = measuring.by_score(lambda case: np.zeros(200))
    found = measuring.measure(nothing, asked, items)
    assert found["coverage"] > 0.95
    _, low, high = recommend.interval(found["recall"])
    assert low <= 10 / 199 <= high
    assert nothing(asked[0], 10, None).tolist() == nothing(asked[0], 10, None).tolist()


# the figures


@given(st.lists(st.booleans(), min_size=10, max_size=10), st.integers(0, 4))
def test_ndcg_is_that_of_scikit_learn(hits, missed):
    targets = sum(hits) + missed
    if not targets:
        return
    gold = np.array([[*hits, *[True] * missed]], float)
    assert measuring.ndcg(np.array(hits), targets) == pytest.approx(
        ndcg_score(gold, -np.arange(gold.shape[1])[None].astype(float), k=10)
    )


def test_figures_by_hand():
    items = [Item("a", "A", ("x",)), Item("b", "B", ("x",)), Item("c", "C", ("y",)), Item("d", "D", ("y",))]
    asked = [Case("u", [3], [0, 2]), Case("v", [0], [3])]
    cold = np.array([False, True, True, False])
    scores = measuring.by_score(lambda case: np.array([4.0, 3.0, 2.0, 1.0]))
    found = measuring.measure(scores, asked, items)
    assert found["recall"].tolist() == [1.0, 1.0] and found["coverage"] == 1.0
    assert found["ndcg"][0] == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3))) and found["ndcg"][1] == pytest.approx(
        0.5
    )
    assert found["diversity"][0] == pytest.approx(2 / 3)
    shelf = measuring.measure(scores, asked, items, cold)
    assert shelf["recall"][0] == 1.0 and np.isnan(shelf["recall"][1]) and shelf["coverage"] == 1.0
    assert np.isnan(measuring.diversity(np.ones((1, 2))))
    one = measuring.measure(lambda case, k, among: np.array([0]), [Case("u", [], [0, 1, 2])], items)
    assert one["ndcg"][0] == pytest.approx(1 / (1 + 1 / np.log2(3) + 1 / 2)), "a short list is no perfect one"
    assert measuring.summary(one)["diversity"] is None
    with pytest.raises(ValueError, match="an item is shown twice to user 'u'"):
        measuring.measure(lambda case, k, among: np.array([0, 0]), [Case("u", [], [0])], items)


def test_the_interval_holds_the_mean_and_shrinks_with_users():
    random = np.random.default_rng(0)
    few, many = (recommend.interval(random.normal(1, 1, size)) for size in (20, 2000))
    for mean, low, high in (few, many):
        assert low < mean < high
    assert many[2] - many[1] < 0.2 * (few[2] - few[1]) and abs(many[2] - many[1] - 2 * 1.96 / 2000**0.5) < 0.01
    assert recommend.interval(np.array([1.0, np.nan])) == (1.0, 1.0, 1.0)


def test_the_interval_of_several_seeds_has_the_doubt_of_both():
    people = np.random.default_rng(1).normal(0, 1, 500)
    alike, apart = np.stack([people] * 3), people + np.array([[-1.0], [0.0], [1.0]])
    alone, same, wide = recommend.interval(people), recommend.interval(alike), recommend.interval(apart)
    assert same == pytest.approx(alone)
    assert wide[0] == pytest.approx(alone[0])
    two_degrees = 4.303  # of Student's distribution: of the three seeds, which decide here
    assert wide[2] - wide[1] == pytest.approx(2 * two_degrees * np.hypot(1 / 3**0.5, 1 / 500**0.5), rel=0.03)
    assert recommend.interval(np.ones((3, 5))) == (1.0, 1.0, 1.0)
    assert recommend.interval(np.array([[1.0, np.nan], [2.0, 3.0]]))[0] == 1.5, "nan in one seed is nan in all"


@pytest.mark.parametrize("of_seeds", [0.0, 0.1, 1.0])
def test_the_interval_holds_what_is_true_nineteen_times_in_twenty(of_seeds):
    random = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        parts = random.normal(0, of_seeds, (3, 1)), random.exponential(1, 60) - 1, random.normal(0, 0.5, (3, 60))
        _, low, high = recommend.interval(sum(parts))
        held += low <= 0 <= high
    assert 0.90 * 400 <= held <= 0.98 * 400


def test_a_report_is_json_and_has_every_shelf(shop, world):
    report = recommend.evaluate(shop, world[1], *world[2]["test"])
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) == {"users", "all", "warm", "cold"}
    early = recommend.evaluate(shop, world[1], *world[2]["ranker"])
    assert early["cold"]["shop"]["ndcg"] is None, "nothing was new then"


def test_the_throughput_is_measured_over_a_catalogue_of_any_size(shop, monkeypatch):
    with pytest.raises(ValueError, match="a catalogue of 1 items; the shop has"):
        recommend.throughput(shop, 1, 5)
    clock, rank, reasons = [0.0], Shop.rank, Shop._reasons

    def taking(seconds, call):
        def slow(shop, *asked):
            clock[0] += seconds
            assert len(shop.items) == 500
            return call(shop, *asked)

        return slow

    monkeypatch.setattr(Shop, "rank", taking(0.25, rank))
    monkeypatch.setattr(Shop, "_reasons", taking(0.75, reasons))
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock[0])
    assert recommend.throughput(shop, 500, 5) == {"items": 500, "ranked": 4, "with_reasons": 1}


# baselines


def test_item_knn_and_bpr_follow_the_crowd_and_know_nothing_of_what_is_cold(world, shop):
    items, found, stretches = world
    start = stretches["test"][0]
    then, asked = shop.at(start), recommend.cases(found, *stretches["test"])
    cold = then.popularity == 0
    assert cold.sum() == 4
    chance = measuring.measure(measuring.by_score(baselines.chance(then)), asked, items)["ndcg"].mean()
    for scores in (baselines.item_knn(then), baselines.bpr(then, asked, factors=8)):
        assert measuring.measure(measuring.by_score(scores), asked, items)["ndcg"].mean() > chance
    knn = baselines.item_knn(then)
    assert not any(knn(case)[cold].any() for case in asked)
    likers = then.likes
    a, b = 1, 5
    who = [{user for user, item in zip(likers.user, likers.item, strict=True) if item == one} for one in (a, b)]
    expected = len(who[0] & who[1]) / (len(who[0]) * len(who[1])) ** 0.5
    assert baselines.item_knn(then, 41)(Case("x", [a], []))[b] == pytest.approx(expected, abs=1e-5)
    stranger = Case("stranger", [int(np.flatnonzero(cold)[0])], [0])
    assert not baselines.bpr(then, [stranger], factors=4, rounds=2)(stranger).any()
