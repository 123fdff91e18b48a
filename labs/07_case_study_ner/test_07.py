"""Grade lab 7: pytest in this folder."""

from grading import expect

from tinykd import evaluation
from tinykd.text import entities

GOLD = [
    ["B-PER", "I-PER", "O", "B-LOC", "O", "O"],
    ["O", "O", "B-ORG", "I-ORG", "I-ORG", "O"],
    ["B-LOC", "O", "B-MISC", "O"],
    ["O", "O"],
    ["B-PER", "O", "O"],
    ["O", "O", "O"],
]
FOUND = [
    ["B-PER", "I-PER", "O", "B-ORG", "O", "O"],  # the place with a wrong type
    ["O", "O", "B-ORG", "I-ORG", "O", "O"],  # cut short
    ["O", "O", "B-MISC", "O"],
    ["B-MISC", "O"],  # a false alarm
    ["B-LOC", "O", "O"],  # and a place at the beginning, as one sentence before had it
    ["B-PER", "I-PER", "O"],  # another false alarm, which would be right in the first
]
LATE = (  # three names that were found too late
    ["B-ORG", "I-ORG", "I-ORG", "O", "B-LOC", "I-LOC", "O", "B-PER", "I-PER"],
    ["O", "B-ORG", "I-ORG", "O", "O", "B-LOC", "O", "O", "B-PER"],
)


def spans(rows, keep):
    return [keep(n, *entity) for n, tags in enumerate(rows) for entity in entities(tags)]


def f1(keep, rows=([*GOLD, LATE[0]], [*FOUND, LATE[1]])):
    gold, found = (set(spans(part, keep)) for part in rows)
    return 2 * len(gold & found) / (len(gold) + len(found)) if gold & found else 0.0


def test_exercise_1_type_borders_and_sentence(work):
    gold, found = [*GOLD, LATE[0]], [*FOUND, LATE[1]]
    by_sentence = [f1(lambda *entity: entity, ([one], [two])) for one, two in zip(gold, found, strict=True)]
    expect(
        work.entity_f1(gold, found),
        evaluation.entity_scores(gold, found)["entity_f1"],
        {
            "O is counted, and this is token accuracy": evaluation.token_accuracy(gold, found),
            "the type is not compared": f1(lambda n, type_, first, end: (n, first, end)),
            "only the first border is compared": f1(lambda n, type_, first, end: (n, type_, first)),
            "only the last border is compared": f1(lambda n, type_, first, end: (n, type_, end)),
            "an entity of another sentence counts as found": f1(lambda n, *entity: entity),
            "a mean over the sentences, not one division at the end": sum(by_sentence) / len(gold),
        },
        "entity F1 of seven sentences",
    )


def test_exercise_1_nothing_found(work):
    nothing = [["O"] * len(tags) for tags in GOLD]
    hints = {"O is counted, and this is token accuracy": evaluation.token_accuracy(GOLD, nothing)}
    expect(work.entity_f1(GOLD, nothing), 0.0, hints, "entity F1 of a model that says O to everything")


def test_exercise_1_nothing_is_there(work):
    nothing = [["O"] * len(tags) for tags in GOLD]
    expect(work.entity_f1(nothing, FOUND), 0.0, {}, "entity F1 where nothing is there")
    expect(work.entity_f1(nothing, nothing), 0.0, {}, "entity F1 where nothing is there and nothing was found")


def test_exercise_1_the_last_word(work):
    gold, found = [["O", "B-LOC"], ["B-PER", "I-PER"]], [["O", "B-LOC"], ["O", "O"]]
    expect(work.entity_f1(gold, found), 2 / 3, {}, "entity F1, names at the ends of sentences,")


def test_exercise_2_called_and_present(work):
    gold, found = ([tag for tags in rows for tag in tags] for rows in (GOLD, FOUND))
    accuracy = evaluation.token_accuracy(GOLD, FOUND)
    expect(
        work.without_o(gold, found),
        (5 / 10, 5 / 9),
        {
            "O is counted": (accuracy, accuracy),
            "words that are O were dropped, and with them the false alarms": (5 / 7, 5 / 9),
            "a name was enough, of whatever type": (7 / 10, 7 / 9),
            "precision and recall are exchanged": (5 / 9, 5 / 10),
        },
        "precision and recall without O",
    )


def test_exercise_2_exactly_that_tag(work):
    gold, found = ["B-PER", "I-PER", "O", "B-LOC", "B-LOC"], ["B-PER", "B-PER", "O", "B-LOC", "O"]
    hints = {"B- and I- are different tags": (1.0, 3 / 4), "precision and recall are exchanged": (2 / 4, 2 / 3)}
    expect(work.without_o(gold, found), (2 / 3, 2 / 4), hints, "precision and recall without O, one I- called B-,")


def test_exercise_3_one_tag_each(work):
    gold = [*GOLD, ["O", "B-LOC"], ["B-PER", "I-PER"]]  # and names at the end of a sentence
    spoilt = [work.spoil(list(tags)) for tags in gold]
    assert [len(tags) for tags in spoilt] == [len(tags) for tags in gold], "tags were lost"
    for tags, after in zip(gold, spoilt, strict=True):
        still = set(entities(tags)) & set(entities(after))
        outside = [word for word, tag in enumerate(tags) if tag == "O" and after[word] != "O"]
        assert not outside, f"words outside of every name were spoilt: {tags} became {after}"
        assert not still, f"an entity is still right: {tags} became {after}"
        changed = sum(one != two for one, two in zip(tags, after, strict=True))
        assert changed <= len(entities(tags)), f"one tag of each entity is enough: {tags} became {after}"
