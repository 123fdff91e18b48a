"""The desk: its files, its slots, its search, its three doors, its memory, and whatever a customer may type."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios import support
from scenarios.__main__ import main
from scenarios.shared import encoder
from scenarios.support import Article, Conversation, Desk, KnowledgeBase, Question, retrieval, slots, work
from scenarios.support.desk import HANDED_OVER, LONGEST, REPHRASE
from tests import tiny, untrained
from tinykd import data, models
from tinykd.deploy import export
from tinykd.deploy.int8 import dynamic_int8
from tinykd.deploy.predictor import Predictor
from tinykd.errors import DataError, ModelError, RunError

ARTICLES = [
    Article("lockers", "Parcel lockers", "A code of six digits opens the door."),
    Article("gift_wrap", "Gift wrapping", "Paper and a ribbon cost three pounds."),
    Article("tents", "Repairs of tents", "Poles are mended in the workshop."),
]
STUDENT = {"student": "cut:1"}
#: What the student of these tests thinks of a message, by a word in it: intent and probability
THINKS = {"where": ("track_order", 0.9), "cancel": ("cancel_order", 0.9), "password": ("login_problem", 0.8)}


@pytest.fixture(scope="module")
def base(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "model"
    models.save(untrained.classifier(tokenizer, {"a": 0.5, "b": 0.5}), tokenizer, folder)
    return KnowledgeBase(ARTICLES, encoder(folder))


@pytest.fixture
def desk(base):
    return Desk(Thinks(), support.intents(), base, sure=0.7, close=2.0)


class Thinks(Predictor):
    """Knows of a message what ``THINKS`` says."""

    def __init__(self):
        self.task, self.labels, self.max_length = "classification", sorted(support.intents()), 512

    def logits(self, rows):
        return [logits(self.labels, *next((t for w, t in THINKS.items() if w in x.lower()), ("x", 0))) for x in rows]


def logits(labels, intent, probability):
    rest = (1 - probability) / (len(labels) - (intent in labels))
    return np.log([[probability if label == intent else rest for label in labels]]).astype(np.float32)


# files


def test_the_embedded_files_fit_together():
    frames, articles = support.intents(), support.knowledge()
    assert sorted(frames) == data.label_names(data.load("support"))
    assert all(slots.names(frame.template) for frame in frames.values())
    ids = [article.id for article in articles]
    asked, unknown = support.questions(), support.out_of_scope()
    assert {q.article for half in asked.values() for q in half} == set(ids) and len(set(ids)) == len(ids)
    assert abs(len(asked["valid"]) - len(asked["test"])) <= 1
    for halves in (asked, unknown):
        assert set(halves) == {"valid", "test"} and not set(halves["valid"]) & set(halves["test"])
    every = {row["text"] for part in data.load("support").values() for row in part}
    assert not every & {text for half in unknown.values() for text in half}


@pytest.mark.parametrize(
    ("name", "text", "read", "message"),
    [
        ("intents.txt", "## a\nmeans\n", support.intents, ":1: 'a' needs two lines, its meaning and its template"),
        ("intents.txt", "## a\nmeans\nOrder {}.\n", support.intents, ":3: braces hold the name of a slot"),
        ("intents.txt", "## a\nmeans\nOrder {x.\n", support.intents, ":3: braces hold the name of a slot"),
        ("knowledge.txt", "## a\ntext\n", support.knowledge, ":1: expected '## id | title', not 'a'"),
        ("knowledge.txt", "## a |\ntext\n", support.knowledge, ":1: expected '## id | title', not 'a |'"),
        ("questions.txt", "## b\nwhy?\n", support.questions, ":1: knowledge.txt has no article 'b'"),
        ("knowledge.txt", "## a | A\ntext\n## a | B\nmore\n", support.knowledge, ":3: a second article 'a'"),
        ("questions.txt", "## a\nwhy?\nwhy?\n", support.questions, ":3: it stands here already, under 'a'"),
        ("messages.txt", "## a\nhi\n", support.out_of_scope, ": no block '## out_of_scope'"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(write, name, text, read, message):
    folder = write({"knowledge.txt": "## a | A\ntext\n"} | {name: text})
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(error.value).startswith(f"{folder / name}{message}")


# slots


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("HS-40817 where is it", {"order_number": "HS-40817"}),
        ("eta for 48833? 🙏", {"order_number": "HS-48833"}),
        ("HS 47110 hs47111 hs-47110", {"order_number": "HS-47110, HS-47111"}),
        ("I paid £12345 and 12345.60, ring 07700 900142, card 123456", {}),
        ("07700 900 123, $ 12345, 12345 pounds, 12345 €, 12345eur, １２３４５", {}),
        ("40817 euphoric", {"order_number": "HS-40817"}),
        ("I bought 2 marquees, 2 decent chairs and 3 octagonal tables, 2 maybe", {}),
        ("since 3 sept and 11 March", {"purchase_date": "3 sept, 11 March"}),
        ("mail jo.pike+x@post.example, thanks", {"email": "jo.pike+x@post.example"}),
        ("MUDDY15 fails", {"code": "MUDDY15"}),
        ("bought on the 2nd of May", {"purchase_date": "2nd of May"}),
        ("nothing here", {}),
    ],
)
def test_what_a_message_names(text, found):
    assert slots.find(text) == found


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text()))
def test_filling_replaces_known_slots_and_leaves_the_rest(values):
    filled = slots.fill("{a} and {b}, {a}; {c}", values)
    a, b, c = (values.get(name, f"{{{name}}}") for name in "abc")
    assert filled == f"{a} and {b}, {a}; {c}"


# search


def test_reciprocal_rank_is_the_sum_of_inverse_ranks_and_shares_ranks_between_equals():
    one, other = np.array([[3.0, 1.0, 2.0]]), np.array([[0.0, 0.0, 5.0]])
    expected = [[1 / 61 + 1 / 62, 1 / 63 + 1 / 62, 1 / 62 + 1 / 61]]
    assert np.allclose(support.reciprocal_rank(one, other), expected)
    assert np.allclose(support.reciprocal_rank(one, other), support.reciprocal_rank(10 * one + 3, other**3))


def test_words_find_the_article_that_holds_them_and_strange_questions_find_nothing(base):
    assert base.search("Which code opens the lockers?", method="words")[0].article.id == "lockers"
    words, cosines = base.scores(["", "the of and", "🎉", "ribbon"])
    assert not words[:3].any() and words[3].argmax() == 1
    assert cosines.shape == (4, 3) and np.isfinite(cosines).all()
    with pytest.raises(ValueError, match="method is 'x'; expected one of words, dense, ranks, fused"):
        base.search("a", method="x")
    with pytest.raises(DataError, match="at least one article"):
        KnowledgeBase([], base.encoder)


def test_vectors_are_of_length_one_and_do_not_depend_on_their_batch(base):
    texts = ["short", "a rather longer text about poles", "word " * 40]
    together, alone = base.encoder.encode(texts), [base.encoder.encode([text])[0] for text in texts]
    assert np.allclose(np.linalg.norm(together, axis=-1), 1, atol=1e-5)
    assert np.allclose(together, alone, atol=1e-5)
    document = f"{ARTICLES[2].title}. {ARTICLES[2].text}"
    assert base.search(document, method="dense")[0].article.id == "tents"


def test_recall_counts_articles_among_the_first(base):
    asked = [Question("ribbon", "gift_wrap"), Question("poles", "tents"), Question("digits", "tents")]
    found = support.recall(base, asked, (1, 3))
    assert found["words"] == {"1": pytest.approx(2 / 3), "3": 1}
    assert set(found) == set(retrieval.METHODS) and all(row["3"] == 1 for row in found.values())


def test_the_fused_ranking_adds_the_scores():
    words, cosines = np.array([[2.0, 0.0]]), np.array([[0.5, 0.5 + 1.5 * retrieval.WORDS]])
    assert retrieval.ranking(words, cosines, "fused").tolist() == [[0, 1]]
    assert retrieval.ranking(words, cosines, "dense").tolist() == [[1, 0]]


def test_what_cannot_be_searched_is_one_clear_error(base):
    with pytest.raises(DataError, match="no article has a word"):
        support.KnowledgeBase([support.Article("x", "It", "the")], base.encoder)
    with pytest.raises(DataError, match="no article 'nope'"):
        retrieval.recall(base, [support.Question("why?", "nope")])


# thresholds


def test_the_threshold_parts_what_can_be_parted():
    assert support.threshold([0.7, 0.8], [0.1, 0.6]) == 0.7
    assert support.threshold([0.9, 0.8, 0.4], [0.5, 0.3]) == 0.8
    assert math.isinf(support.threshold([0.1], [0.2]))  # nothing can be believed
    for inside, outside in (([0.1], []), ([], [0.1]), ([], [])):
        with pytest.raises(DataError, match=f"{len(inside)} scores are inside and {len(outside)} outside"):
            support.threshold(inside, outside)


@given(*[st.lists(st.floats(0, 1, width=16), min_size=1, max_size=20)] * 2)
def test_no_other_threshold_does_better(inside, outside):
    def worth(t):
        return np.mean(np.array(inside) >= t) + np.mean(np.array(outside) < t)

    best = worth(support.threshold(inside, outside))
    assert all(best >= worth(t) - 1e-9 for t in {0.0, *inside, *outside})


# the three doors


def test_a_sure_intent_with_all_that_is_needed_is_answered(desk):
    reply = desk.answer("Where is order HS-40817?")
    assert (reply.kind, reply.intent) == ("answer", "track_order") and reply.confidence == pytest.approx(0.9, abs=1e-3)
    assert reply.text.startswith("Order HS-40817 is with {carrier}")
    assert reply.missing == ("carrier", "delivery_date", "tracking_link")


def test_the_shops_systems_fill_the_rest(desk):
    desk.lookup = lambda intent, known: {"carrier": f"Corrie ({intent}, {known['order_number']})"}
    reply = desk.answer("Where is order HS-40817?")
    assert "with Corrie (track_order, HS-40817) and" in reply.text and "carrier" not in reply.missing


def test_an_unsure_message_goes_to_the_knowledge_base_and_then_to_a_person(desk):
    desk.close = -1.0
    reply = desk.answer("Which code opens the lockers?")
    assert reply.kind == "knowledge" and reply.article in {article.id for article in ARTICLES} and reply.text
    desk.close = 2.0
    reply = desk.answer("Which code opens the lockers?")
    assert (reply.kind, reply.text) == ("person", HANDED_OVER)
    assert "no intent is sure" in reply.reason and "< 0.70" in reply.reason and reply.article in reply.reason


def test_a_conversation_remembers_what_is_missing(desk):
    talk = Conversation()
    first = desk.answer("where is my tent", talk)
    assert (first.kind, first.missing, talk.missing) == ("ask", ("order_number",), ("order_number",))
    second = desk.answer("40817 🙏", talk)
    assert (second.kind, second.intent, talk.missing) == ("answer", "track_order", ())
    third = desk.answer("then cancel it please", talk)
    assert (third.kind, third.intent) == ("answer", "cancel_order") and "HS-40817" in third.text
    assert talk.messages == ["where is my tent", "40817 🙏", "then cancel it please"]


def test_a_long_message_with_the_missing_slot_may_be_another_matter(desk):
    talk = Conversation()
    desk.answer("where is my tent", talk)
    reply = desk.answer("oh never mind that now, I would rather cancel HS-40817 as soon as you can", talk)
    assert (reply.kind, reply.intent) == ("answer", "cancel_order")


def test_the_desk_asks_twice_and_then_calls_a_person(desk):
    talk = Conversation()
    kinds = [desk.answer(text, talk).kind for text in ("where is it", "where is it??", "WHERE IS IT", "where is it")]
    assert kinds == ["ask", "ask", "person", "ask"]
    talk = Conversation()
    replies = [desk.answer(text, talk) for text in ("", "🎉", "123")]
    assert [reply.kind for reply in replies] == ["ask", "ask", "person"]
    assert replies[-1].reason == "asked 2 times for words" and talk.messages == ["", "🎉", "123"]


# whatever a customer may type


@pytest.mark.parametrize("text", ["", "   \n", "🎉🎉🎉", "???", "0000 0000", "👍🏽", "\x00"])
def test_a_message_without_letters_is_asked_for_words(desk, text):
    assert (desk.answer(text).kind, desk.answer(text).text) == ("ask", REPHRASE)


@pytest.mark.parametrize(
    "text", ["我的订单在哪里？", "أين طلبي من فضلك؟", "Сколько идёт посылка?", "Μπορώ να αλλάξω το χρώμα;"]
)
def test_another_script_goes_to_a_person(desk, text):
    reply = desk.answer(text)
    assert (reply.kind, reply.reason) == ("person", "not in Latin letters; this desk reads English")


def test_a_message_is_read_to_its_end_or_goes_to_a_person(desk):
    assert desk.answer("where is HS-40817 " + "x" * (LONGEST - 18)).kind == "answer"
    talk = Conversation()
    reply = desk.answer("where is HS-40817 " + "x" * 9_982, talk)
    assert (reply.kind, reply.reason) == ("person", "10,000 characters; the student reads at most 1,000")
    assert len(talk.messages[0]) == 10_000 and talk.slots == {"order_number": "HS-40817"}


def test_accents_emoji_and_half_characters_are_read(desk):
    assert desk.answer("Where is it, señor? 🙂 HS-40817").kind == "answer"
    talk = Conversation()
    assert desk.answer("where is HS-40817 \ud83d", talk).kind == "answer"
    assert talk.messages == ["where is HS-40817 \ud83d"]


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(), max_size=60), max_size=5))
def test_no_text_breaks_the_desk_and_none_is_lost(texts):
    talk, desk = Conversation(), _plain_desk()
    for text in texts:
        reply = desk.answer(text, talk)
        assert reply.kind in ("answer", "ask", "knowledge", "person") and reply.text
        assert (reply.kind == "person") == bool(reply.reason)
    assert talk.messages == texts


def _plain_desk():
    class Nothing:
        def search(self, question, limit):
            return [retrieval.Found(ARTICLES[0], 0.0)]

    return Desk(Thinks(), support.intents(), Nothing(), 0.7, 0.5)


# training, opening, measuring, the command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a tiny teacher, with an exported and an int8 student beside."""
    folder = tmp_path_factory.mktemp("support")
    settings = tuple(replace(one, epochs=1) for one in (work.TEACHER, work.STUDENT))
    corpus = data.load("support", max_train=66)
    work.train(folder / "run", corpus, str(tiny.base_model(folder / "base")), STUDENT, settings)
    export.to_onnx(*models.load(folder / "run" / "student"), folder / "run" / "exported")
    dynamic_int8(folder / "run" / "exported", folder / "run" / "int8")
    return folder / "run"


@pytest.fixture
def small_encoder(monkeypatch, base):
    """The embedded encoder takes a second for each hundred texts; these tests do not ask what it knows."""
    monkeypatch.setattr(work, "encoder", lambda: base.encoder)


def test_another_corpus_or_student_in_the_same_folder_is_refused(run):
    corpus, base = data.load("support", max_train=66), str(run.parent / "base")
    settings = tuple(replace(one, epochs=1) for one in (work.TEACHER, work.STUDENT))
    with pytest.raises(RunError, match="made with other settings or data"):
        work.train(run, data.load("support", max_train=44), base, STUDENT, settings)
    for other in ("cut:2", "cut:1,0"):
        with pytest.raises(RunError, match=r"made with other settings or data \(students"):
            work.train(run, corpus, base, {"student": other}, settings)


def test_a_corpus_of_tagged_words_is_refused(tmp_path):
    with pytest.raises(DataError, match="a desk needs a corpus of classified texts"):
        work.train(tmp_path / "run", data.load("newswire", max_train=8))
    assert not (tmp_path / "run").exists()


def test_a_desk_opens_with_the_thresholds_of_valid_and_reopens_the_same(run, small_encoder):
    desk = support.open_desk(run)
    note = json.loads((run / "student" / "desk.json").read_text())
    assert note == {"sure": desk.sure, "close": desk.close}
    valid = data.load("support")["valid"]["text"][:]
    assert desk.sure == support.threshold(
        work.confidences(desk, valid), work.confidences(desk, support.out_of_scope()["valid"])
    )
    again = support.open_desk(run)
    text = "cancel HS-40817, please"
    assert again.answer(text) == desk.answer(text)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"sure": 0.5}', '{"sure": "a", "close": 0.5}'])
def test_damaged_thresholds_are_one_clear_error(run, small_encoder, content):
    note = run / "student" / "desk.json"
    support.open_desk(run)
    whole = note.read_text()
    note.write_text(content)
    try:
        with pytest.raises(RunError, match=r"desk\.json: damaged \(.*\); delete it, and they are set anew"):
            support.open_desk(run)
    finally:
        note.write_text(whole)


def test_the_exported_student_reads_alike(run, small_encoder):
    texts = ["where is my parcel", "the zip broke on day two"]
    names = ("student", "exported", "int8")
    of_torch, exported, int8 = (np.array(list(support.open_desk(run, name).student.logits(texts))) for name in names)
    assert np.allclose(of_torch, exported, atol=1e-3) and np.isfinite(int8).all()
    assert all(row.shape == (1, 22) for row in int8)


def test_measuring_counts_every_message_once(run, small_encoder):
    scores = support.measure(support.open_desk(run))
    assert {len(row) for row in scores["outcomes"].values()} == {6}
    assert all(sum(row.values()) == pytest.approx(1) for row in scores["outcomes"].values())
    assert scores["outcomes"]["in scope"]["right intent"] <= scores["accuracy"]
    assert 0 <= scores["auroc"] <= 1 and scores["messages_per_second"] > 0
    assert 0 < scores["milliseconds"]["median"] <= scores["milliseconds"]["p95"]
    assert all(row["1"] <= row["5"] for row in scores["recall"].values())


def test_a_model_of_another_corpus_is_refused(tokenizer, tmp_path):
    models.save(untrained.tagger(tokenizer), tokenizer, tmp_path / "student")
    with pytest.raises(ModelError, match="this model tags words"):
        support.open_desk(tmp_path)
    models.save(untrained.classifier(tokenizer, {"a": 0.5, "b": 0.5}), tokenizer, tmp_path / "student")
    with pytest.raises(ModelError, match=r"the student and intents\.txt have other labels"):
        support.open_desk(tmp_path)
    with pytest.raises(ModelError, match="not a model folder"):
        support.open_desk(Path("nowhere"))


def test_the_command_chats_in_one_conversation(run, small_encoder, capsys):
    assert main(["support", "chat", "--desk", str(run), "", "HS-40817", "where is it"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 3 and lines[0]["kind"] == "ask"
    assert all(line["kind"] in ("answer", "ask", "knowledge", "person") for line in lines)


def test_the_command_line_has_the_command(capsys):
    with pytest.raises(SystemExit) as done:
        main(["support", "--help"])
    assert done.value.code == 0 and "chat" in capsys.readouterr().out
