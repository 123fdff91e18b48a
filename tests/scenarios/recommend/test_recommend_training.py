"""Teacher, towers, vectors on the disk, a whole run of tiny models, and the command."""

import io
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from scenarios import recommend
from scenarios.__main__ import main
from scenarios.recommend import Item, Lists, teacher, towers, work
from scenarios.shared import encoder, made
from tests import tiny
from tinykd import losses
from tinykd.errors import DataError, ModelError, RunError
from tinykd.training import Settings

WORDS = {
    "crime": "murder knife police",
    "food": "bread salt oven",
    "birds": "wing nest owl",
    "ships": "sail tide harbour",
}
STRANGE = [
    "🎉🎉 👍🏽",
    "我的订单在哪里",
    "أين طلبي",
    "Сколько идёт посылка?",
    "half \ud83d",
    "word " * 2_000,
    "x" * 10_000,
    "\x00",
]


def item_rows(size=24):
    kinds = list(WORDS)
    return [
        {
            "item": f"b{n:02d}",
            "title": f"Title {n}",
            "categories": [kinds[n % 4]],
            "year": 2000 + n,
            "text": WORDS[kinds[n % 4]],
        }
        for n in range(size)
    ]


def like_rows(users=24, size=24, seed=0):
    random = np.random.default_rng(seed)
    return [
        {"user": f"u{user}", "item": f"b{random.choice(range(user % 4, size, 4)):02d}", "time": float(day)}
        for user in range(users)
        for day in random.integers(100, size=12)
    ]


@pytest.fixture(scope="module")
def world():
    items = recommend.catalogue(item_rows())
    found = recommend.likes_of(like_rows(), items)
    return items, found, recommend.periods(found)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(tiny.base_model(tmp_path_factory.mktemp("base") / "base"))


@pytest.fixture(scope="module")
def small(base):
    return towers.student("cut:1", base)


# vectors


def test_vectors_are_of_length_one_and_do_not_depend_on_their_batch(small):
    texts = ["short", "a rather longer text about poles", *STRANGE]
    texts = [recommend.describe(Item("b", "T", text=text)) for text in texts]
    together = towers.embed(small, texts)
    assert np.isfinite(together).all() and np.allclose(np.linalg.norm(together, axis=-1), 1, atol=1e-5)
    assert np.allclose(together, [towers.embed(small, [text])[0] for text in texts], atol=1e-5)


def test_of_a_long_text_the_beginning_is_read_and_all_is_kept(small):
    long = Item("b", "T", text="word " * 2_000)
    (kept,) = recommend.catalogue([{"item": "b", "title": "T", "text": long.text}])
    assert kept.text == long.text
    beginning = " ".join(recommend.describe(long).split()[:200])
    one, other = towers.embed(small, [recommend.describe(long), beginning])
    assert np.allclose(one, other, atol=1e-6)


def test_what_is_made_once_is_made_anew_when_anything_changed(tmp_path):
    calls, folder = [], tmp_path / "vectors"

    def make(facts):
        def write(unfinished):
            calls.append(facts)
            (unfinished / "vectors.npy").write_bytes(b"12345678")

        return made(folder, "note.json", facts, write)

    assert make({"texts": (1, 2)}) == make({"texts": [1, 2]}) == folder and len(calls) == 1
    make({"texts": [1, 3]})
    make({"texts": [1, 3]})
    assert len(calls) == 2
    (folder / "vectors.npy").write_bytes(b"1234567")
    make({"texts": [1, 3]})
    (folder / "note.json").write_text("{")
    make({"texts": [1, 3]})
    assert len(calls) == 4
    with pytest.raises(ZeroDivisionError):
        made(folder, "note.json", {}, lambda unfinished: 1 / 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["vectors"], "nothing half-written is left"
    make({"texts": [1, 3]})
    assert len(calls) == 4, "what was there is kept"


# teacher and towers


def test_a_pair_is_the_candidate_and_the_latest_of_the_history(world, tokenizer):
    items = world[0]
    lists = Lists(np.array([[3, 2], [1, -1]]), np.array([[5, 6, 7], [8, 9, 10]]))
    rows = teacher.pairs(items, lists)
    assert len(rows) == 6 and rows[1][0] == recommend.describe(items[6]) and rows[4][1].startswith("Title 1")
    past = rows[0][1]
    assert past.index("Title 3") < past.index("Title 2")
    assert tokenizer(*rows[0])["input_ids"].count(tokenizer.sep_token_id) == 3
    assert teacher.pairs(items, lists, others=1) == [rows[i] for i in (0, 1, 3, 4)]


def test_the_teacher_learns_what_was_liked_next_and_is_the_same_when_loaded(world, base, tmp_path):
    items, found, _ = world
    lists = recommend.draw(found, 64, others=2)
    model = teacher.load(base)
    assert (teacher.scores(model, items, lists) == teacher.scores(teacher.load(base), items, lists)).all()
    teacher.train(model, items, lists, 2, Settings(30, learning_rate=1e-2))
    scores = teacher.scores(model, items, lists)
    assert scores.shape == (64, 3) and np.mean(scores.argmax(1) == 0) > 0.5, "by chance it is a third"
    model.save_pretrained(str(tmp_path / "teacher"), create_model_card=False)
    assert np.allclose(teacher.scores(teacher.load(tmp_path / "teacher"), items, lists), scores, atol=1e-5)


def test_the_towers_learn_what_the_teacher_says(world, base, tokenizer):
    items, found, _ = world
    texts = [recommend.describe(item) for item in items]
    lists = recommend.draw(found, 48, others=3)
    wanted = 4.0 * np.random.default_rng(0).permuted(np.eye(4)[np.zeros(48, int)], axis=1)  # not what the labels say

    def divergence(student):
        vectors = torch.tensor(towers.embed(student, texts))
        likes = towers.interest(vectors[lists.history], torch.as_tensor(lists.history >= 0))
        logits = towers.SCALE * (vectors[lists.candidates] @ likes[..., None]).squeeze(-1)
        return losses.kl_divergence(logits, torch.tensor(wanted)).mean().item()

    student = towers.student("cut:1", base)
    before = divergence(student)
    towers.teach(
        student, texts, lists, wanted, Settings(15, learning_rate=3e-3, batch_size=48, alpha=0.0, temperature=1)
    )
    assert divergence(student) < 0.9 * before


def test_a_batch_holds_each_text_once_and_says_where_it_stands(small):
    texts = [f"{'word ' * n}{n}" for n in range(40)]
    random = np.random.default_rng(0)
    rows = [
        {"history": [3, 4, -1], "candidates": random.permutation(40)[:30].tolist(), "scores": [0.5] * 30}
        for _ in range(5)
    ]
    batch = towers.Collator(small, texts)(rows)
    label = batch.pop("label")
    parts = [value for name, value in batch.items() if name.endswith("input_ids")]
    assert len(parts) == 2 and sum(map(len, parts)) == len({i for row in rows for i in row["candidates"] + [3, 4]})
    read = [text for part in parts for text in small.tokenizer.batch_decode(part, skip_special_tokens=True)]
    for row, places in zip(rows, label["places"], strict=True):
        assert [read[place] for place in places] == [texts[i] for i in [3, 4, row["candidates"][0], *row["candidates"]]]
    assert label["kept"].tolist() == [[True, True, False]] * 5


def test_a_loss_that_is_no_number_is_one_clear_error(world, base):
    items, found, _ = world
    lists = recommend.draw(found, 8, others=3)
    with pytest.raises(RunError, match="the loss is nan; try a smaller learning rate"):
        towers.teach(
            towers.student("cut:1", base), [item.title for item in items], lists, np.full((8, 4), np.nan), Settings(1)
        )


def test_from_labels_alone_the_towers_learn_who_likes_what(world, base):
    items, found, _ = world
    texts = [recommend.describe(item) for item in items]
    lists = recommend.draw(found, 64, others=3)

    def train():
        student = towers.student("cut:1", base)
        towers.teach(student, texts, lists, None, Settings(epochs=12, learning_rate=3e-3, batch_size=64))
        return student

    vectors, again = (towers.embed(train(), texts) for _ in range(2))
    assert (vectors == again).all(), "the same seed gives the same student"
    scores = vectors @ vectors.T
    kinds = np.arange(len(items)) % 4
    same = kinds[:, None] == kinds
    assert scores[same].mean() > scores[~same].mean() + 0.3


@pytest.mark.parametrize(("share", "expected"), [(None, {0.1}), (0.0, {0.0})])
def test_the_towers_have_the_dropout_of_the_setup_while_they_learn(world, base, tmp_path, monkeypatch, share, expected):
    items, found, _ = world
    seen, original = [], towers.ListwiseLoss.forward

    def look(loss, *arguments):
        seen.append({part.p for part in loss.model.modules() if isinstance(part, torch.nn.Dropout)})
        return original(loss, *arguments)

    monkeypatch.setattr(towers.ListwiseLoss, "forward", look)
    setup = recommend.Setup(base, "cut:1", lists=8, epochs=1, batch_size=8, dropout=share)
    work.train_student(tmp_path / "student", items, recommend.draw(found, 8), None, setup)
    assert seen and all(one == expected for one in seen)


def test_a_student_from_a_folder_keeps_the_tokenizer_there(base, tmp_path):
    other = str(tiny.with_words_of_its_own(tiny.base_model(tmp_path / "other", layers=1)))
    assert "washingtan" in towers.student(other, base).tokenizer.get_vocab()


# a whole run


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommend")
    setup = recommend.Setup(
        teacher=str(tiny.base_model(folder / "base")), student="cut:1", lists=24, epochs=1, batch_size=12, rounds=5
    )
    return folder / "run", setup, recommend.train(folder / "run", *world, setup)


def test_a_finished_run_is_only_opened_and_recommends_the_same(run, world, monkeypatch):
    folder, setup, shop = run
    assert {"teacher", "student", "vectors", "shop", "signals", "setup.json"} <= {p.name for p in folder.iterdir()}
    monkeypatch.setattr(towers, "teach", lambda *args: 1 / 0)
    monkeypatch.setattr(teacher, "scores", lambda *args: 1 / 0)
    again = recommend.train(folder, *world, setup)
    opened = recommend.open_shop(folder)
    for who in ("u1", ["b03"], []):
        assert shop.recommend(who) == again.recommend(who) == opened.recommend(who)
    assert recommend.stretches_of(folder) == world[2]
    assert not list(folder.glob("shop/.*")) and recommend.train(folder, *world, setup).ranker is not None
    larger = opened.with_items([Item("new", "Brand new", ("food",), 2031, "bread")])
    expected = towers.embed(encoder(folder / "student"), ["Brand new (2031). food. bread"])
    assert np.allclose(larger.vectors[-1], expected, atol=1e-6)


def test_a_finished_shop_keeps_what_was_put_in_later(run, world, tmp_path):
    folder, setup, _ = run
    shutil.copytree(folder, tmp_path / "run")
    larger = recommend.open_shop(tmp_path / "run").with_items([Item("new", "Brand new")])
    larger.save(tmp_path / "run" / "shop")
    assert recommend.train(tmp_path / "run", *world, setup).items == larger.items
    (tmp_path / "run" / "shop" / "items.json").write_text("[]")
    with pytest.raises(ModelError, match="delete the shop and train again"):
        recommend.train(tmp_path / "run", *world, setup)
    shutil.rmtree(tmp_path / "run" / "shop")
    assert recommend.train(tmp_path / "run", *world, setup).items == world[0]


def test_one_list_and_none(world, small):
    items, found, _ = world
    texts = [item.title for item in items]
    towers.teach(small, texts, recommend.draw(found, 1, others=2), None, Settings(1, batch_size=1))
    with pytest.raises(DataError, match="nothing to learn from"):
        towers.teach(small, texts, recommend.draw(found, 0), None, Settings(1))


def test_other_settings_or_likes_are_refused(run, world):
    folder, setup, _ = run
    items, found, stretches = world
    with pytest.raises(RunError, match="made with other settings or data"):
        recommend.train(folder, *world, replace(setup, seed=1))
    with pytest.raises(RunError, match="made with other settings or data"):
        recommend.train(folder, items, found.between(start=1), stretches, setup)
    other = stretches | {"ranker": (stretches["ranker"][0], stretches["ranker"][1] - 1)}
    with pytest.raises(RunError, match="made with other settings or data"):
        recommend.train(folder, items, found, other, setup)
    with pytest.raises(RunError, match="made with other settings or data"):
        recommend.train(folder, [items[0]._replace(id="z"), *items[1:]], found, stretches, setup)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"alpha": 2.0}, "alpha is 2.0"),
        ({"lists": 0}, "lists is 0; it must be at least 1"),
        ({"rounds": 0}, "rounds is 0; it must be at least 1"),
        ({"hidden": -1.0}, r"hidden is -1.0; a share lies in \[0, 1\]"),
    ],
)
def test_an_impossible_setup_cannot_be_made(wrong, says):
    with pytest.raises(ValueError, match=says):
        recommend.Setup(**wrong)


def test_a_student_that_cannot_be_is_refused_before_the_teacher_is_trained(run, world, tmp_path):
    setup = replace(run[1], student="cut:9")
    with pytest.raises(ModelError, match="9 layers"):
        recommend.train(tmp_path / "run", *world, setup)
    assert not (tmp_path / "run" / "teacher").exists()


def test_likes_of_one_moment_cannot_be_cut(world):
    found = world[1]
    with pytest.raises(DataError, match="too few different times to cut"):
        recommend.periods(replace(found, time=np.ones_like(found.time)))


def test_an_interrupted_run_ends_with_the_same_student(run, world, tmp_path, monkeypatch):
    folder, setup, _ = run
    teach = towers.teach
    monkeypatch.setattr(towers, "teach", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        recommend.train(tmp_path / "run", *world, setup)
    assert not (tmp_path / "run" / "student").exists()
    monkeypatch.setattr(towers, "teach", teach)
    recommend.train(tmp_path / "run", *world, setup)
    assert tiny.same_weights(folder / "student", tmp_path / "run" / "student")


def test_the_embedded_library_and_its_simulated_readers_fit_together():
    items, found, stretches = recommend.embedded(users=60)
    assert len(found) > 100 and list(stretches) == ["towers", "ranker", "valid", "test"]
    assert all(len(found.between(*span)) for span in stretches.values())
    late = set(found.between(*stretches["test"]).item.tolist()) - set(
        found.between(end=stretches["test"][0]).item.tolist()
    )
    assert late and max(found.item) < len(items)


# the command


def answers(capsys, *arguments):
    code = main(["recommend", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines() if line[0] in "[{"], err


def test_the_command_suggests_for_a_user_a_history_and_from_standard_input(run, capsys, monkeypatch):
    folder, _, shop = run
    expected = [one.item for one in shop.recommend("u1", 3)]
    code, (found,), _ = answers(capsys, "suggest", "--shop", folder, "--user", "u1", "--count", 3)
    assert code == 0 and [one["item"] for one in found] == expected and all(one["reasons"] for one in found)
    _, (found,), _ = answers(capsys, "suggest", "--shop", folder, "b03", "b07", "--count", 2)
    assert [one["item"] for one in found] == [one.item for one in shop.recommend(["b03", "b07"], 2)]
    requests = [
        '{"user": "u1"}',
        "",
        '{"history": ["b03"]}',
        '{"history": []}',
        '{"user": "nobody"}',
        "{",
        '{"history": "b03"}',
    ]
    requests += ['{"history": ["🎉"]}', "7", "[" * 100_000]
    monkeypatch.setattr(sys, "stdin", type("In", (), {"buffer": io.BytesIO("\n".join(requests).encode())}))
    code, found, err = answers(capsys, "suggest", "--shop", folder, "--count", 3)
    assert code == 1 and "6 requests could not be answered" in err
    assert [one["item"] for one in found[0]] == expected and len(found) == 9
    assert "nothing is known of you" in found[2][0]["reasons"][0]
    assert found[3] == {
        "line": 5,
        "error": "no user 'nobody' is known; a list of the items that somebody liked will do, even an empty one",
    }
    assert [one["line"] for one in found[3:]] == [5, 6, 7, 8, 9, 10]
    assert all("not JSON" in found[i]["error"] for i in (4, 8))


def test_the_command_trains_on_files_measures_and_times(run, capsys, tmp_path):
    folder = run[0]
    for name, rows in (("items", item_rows()), ("likes", like_rows())):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["recommend", "measure", "--shop", str(folder)]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"users", "all", "warm", "cold"}
    assert main(["recommend", "throughput", "--shop", str(folder), "--items", "300"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == 300
    out = ("train", "--out", tmp_path / "run", "--items", tmp_path / "items.jsonl")
    code, _, err = answers(capsys, *out)
    assert code == 1 and "--items and --likes belong together" in err
    (tmp_path / "likes.jsonl").write_text('{"user": "u", "item": "b99", "time": 1}')
    code, _, err = answers(capsys, *out, "--likes", tmp_path / "likes.jsonl")
    assert code == 1 and "likes.jsonl:1: item 'b99' is not in the catalogue" in err
    (tmp_path / "items.jsonl").write_text("\n")
    code, _, err = answers(capsys, *out, "--likes", tmp_path / "likes.jsonl")
    assert code == 1 and "items.jsonl is empty: there is nothing to recommend" in err


def test_no_shop_is_one_clear_line(tmp_path, capsys):
    for step in ("suggest", "measure", "throughput"):
        code, _, err = answers(capsys, step, "--shop", tmp_path / "nowhere")
        assert code == 1 and "no shop" in err and "scenarios recommend train" in err
    (tmp_path / "setup.json").write_text("[]")
    with pytest.raises(ModelError, match="no shop"):
        recommend.stretches_of(tmp_path)
    with pytest.raises(SystemExit) as done:
        main(["recommend", "--help"])
    assert done.value.code == 0 and "suggest" in capsys.readouterr().out
