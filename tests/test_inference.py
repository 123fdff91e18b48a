import numpy as np
import pytest
import torch
from datasets import Dataset

from tests.untrained import LABELS, classifier, tagger
from tinykd import data
from tinykd.inference import logits, predict
from tinykd.text import decode, entities

ODD = [
    "Mara Low won 2-1 in the U.S.",
    " \tŁódź's  O’Neill,\n日本 👍🏽! ",
    "\u200b",
    "x" * 500,
    "Dr. " * 3,
    "Nice " * 300,
]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-PER I-PER O I-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("B-PER B-PER I-LOC I-LOC", [("PER", 0, 1), ("PER", 1, 2), ("LOC", 2, 4)]),
        ("I-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)]),
        ("O O", []),
        ("", []),
    ],
)
def test_entities(tags, expected):
    assert entities(tags.split()) == expected


def test_every_word_has_its_offsets(tokenizer):
    for text, answer in zip(
        ODD, predict(tagger(tokenizer, always="B-PER"), tokenizer, ODD, max_length=16), strict=True
    ):
        assert answer == {
            "text": text,
            "entities": [
                {"type": "PER", "text": word.text, "start": word.start, "end": word.end, "score": 0.5}
                for word in data.words(text)
            ],
        }


def test_an_entity_keeps_the_white_space_within(tokenizer):
    model = tagger(tokenizer, always="I-PER")
    model.classifier.bias.data[LABELS.index("B-PER")] += 0.1  # before "O", where no name can go on
    for text, answer in zip(ODD, predict(model, tokenizer, ODD, max_length=16), strict=True):
        (entity,) = answer["entities"]
        assert entity["text"] == text.strip() == text[entity["start"] : entity["end"]]


def test_the_score_is_the_lowest_among_the_words(tokenizer):
    model = tagger(tokenizer)
    tokens = [[word.text for word in data.words(text)] for text in ODD]
    dataset = Dataset.from_dict({"tokens": tokens, "labels": [[0] * len(words) for words in tokens]})
    sizes = set()
    for row, answer in zip(logits(model, tokenizer, dataset), predict(model, tokenizer, ODD), strict=True):
        probabilities, tags = torch.from_numpy(row).softmax(-1), decode(row, LABELS)
        found = entities([LABELS[k] for k in tags])
        assert [entity["score"] for entity in answer["entities"]] == [
            round(min(float(probabilities[i, tags[i]]) for i in range(first, last)), 4) for _, first, last in found
        ]
        sizes |= {last - first for _, first, last in found}
    assert max(sizes) > 1


def test_logits_do_not_depend_on_the_batch(tokenizer):
    model = tagger(tokenizer)
    tokens = [["Mara", "won"], ["Nice"] * 30, ["\u200b"]]
    dataset = Dataset.from_dict({"tokens": tokens, "labels": [[0] * len(words) for words in tokens]})
    one, many = (logits(model, tokenizer, dataset, max_length=16, batch_size=size) for size in (1, 8))
    assert [row.shape for row in one] == [(2, 3), (30, 3), (1, 3)]
    assert all(row.dtype == np.float32 for row in one)
    for row, same in zip(one, many, strict=True):
        np.testing.assert_allclose(row, same, atol=1e-4)
    assert not np.allclose(one[0][0], one[0][1])


def test_classification(tokenizer):
    model = classifier(tokenizer, {"good": 0.25, "bad": 0.75})
    assert list(predict(model, tokenizer, ODD, max_length=16)) == [
        {"text": text, "label": "bad", "score": 0.75} for text in ODD
    ]


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_text_is_refused(tokenizer, empty):
    with pytest.raises(ValueError, match=r"^text 2 is empty$"):
        list(predict(tagger(tokenizer), tokenizer, ["a", empty]))
