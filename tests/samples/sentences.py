"""Corpora for hypothesis: any sentence, any entities in it, entities that touch, types that are rare."""

from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import strategies as st

NAMES = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
FEATURES = Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=NAMES)), "kind": Value("string")})
PLAIN = ["minister", "Minister", "MARKET", "river", "the", "of", "42", ",", "trawler", "government", "Snow"]
PROPER = ["Mara", "Hope", "Nice", "Jordan", "Valley", "River", "U.S."]

_outside = st.tuples(st.just("O"), st.lists(st.sampled_from(PLAIN), min_size=1, max_size=4))
_entity = st.tuples(st.sampled_from(["LOC", "PER"]), st.lists(st.sampled_from(PROPER), min_size=1, max_size=3))
_sentence = st.lists(st.one_of(_outside, _entity), min_size=1, max_size=5)


@st.composite
def corpora(draw, min_size=1, max_size=8):
    """A tagging corpus; IOB2 by construction."""
    rows = {"tokens": [], "labels": [], "kind": []}
    for number, parts in enumerate(draw(st.lists(_sentence, min_size=min_size, max_size=max_size))):
        tags = [[t] * len(w) if t == "O" else [f"B-{t}", *[f"I-{t}"] * (len(w) - 1)] for t, w in parts]
        rows["tokens"].append([word for _, words in parts for word in words])
        rows["labels"].append([NAMES.index(tag) for part in tags for tag in part])
        rows["kind"].append(f"row {number}")
    return Dataset.from_dict(rows, features=FEATURES)


def tags(row):
    return [NAMES[label] for label in row["labels"]]
