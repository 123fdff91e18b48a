import numpy as np
import pytest
import torch
from datasets import Dataset

from tests.untrained import LABELS, classifier, tagger
from tinykd import data
from tinykd.deploy.plain import PlainPredictor
from tinykd.errors import DataError, ModelError
from tinykd.models import Layers, logits, signals
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


def predict(model, tokenizer, texts, max_length=128):
    return list(PlainPredictor(model, tokenizer, max_length).predict(texts))


def test_every_word_has_its_offsets(tokenizer):
    predictions = predict(tagger(tokenizer, always="B-PER"), tokenizer, ODD, max_length=16)
    for text, prediction in zip(ODD, predictions, strict=True):
        assert prediction == {
            "text": text,
            "entities": [
                {"type": "PER", "text": word.text, "start": word.start, "end": word.end, "score": 0.5}
                for word in data.words(text)
            ],
        }


def test_an_entity_keeps_the_white_space_within(tokenizer):
    model = tagger(tokenizer, always="I-PER")
    model.classifier.bias.data[LABELS.index("B-PER")] += 0.1  # before "O", where no name can go on
    for text, prediction in zip(ODD, predict(model, tokenizer, ODD, max_length=16), strict=True):
        (entity,) = prediction["entities"]
        assert entity["text"] == text.strip() == text[entity["start"] : entity["end"]]


def test_the_score_is_the_lowest_among_the_words(tokenizer):
    model, sizes = tagger(tokenizer), set()
    dataset = Dataset.from_dict({"tokens": [[word.text for word in data.words(text)] for text in ODD]})
    for row, prediction in zip(logits(model, tokenizer, dataset), predict(model, tokenizer, ODD), strict=True):
        probabilities, tags = torch.from_numpy(row).softmax(-1), decode(row, LABELS)
        spans = entities([LABELS[k] for k in tags])
        assert [entity["score"] for entity in prediction["entities"]] == [
            round(min(float(probabilities[i, tags[i]]) for i in range(first, last)), 4) for _, first, last in spans
        ]
        sizes |= {last - first for _, first, last in spans}
    assert max(sizes) > 1


def test_logits_do_not_depend_on_the_batch_the_chunk_or_the_labels(tokenizer, monkeypatch):
    model = tagger(tokenizer)
    tokens = [["Mara", "won"], ["Nice"] * 30, ["\u200b"]]
    plain = Dataset.from_dict({"tokens": tokens})
    labelled = plain.add_column("labels", [[0] * len(words) for words in tokens])
    many = logits(model, tokenizer, labelled, max_length=16)
    monkeypatch.setattr("tinykd.models.inference.BATCH", 1)
    monkeypatch.setattr("tinykd.models.inference.CHUNK", 2)
    one = logits(model, tokenizer, plain, max_length=16)
    assert [row.shape for row in one] == [(2, 3), (30, 3), (1, 3)]
    assert all(row.dtype == np.float32 for row in one)
    for row, same in zip(one, many, strict=True):
        np.testing.assert_allclose(row, same, atol=1e-4)
    assert not np.allclose(one[0][0], one[0][1])


def test_signals_of_texts_begin_with_cls(tokenizer):
    model = classifier(tokenizer, {"good": 0.25, "bad": 0.75})
    rows = {"text": ["Mara won", ""]}
    states = [row["hidden_states"] for row in signals(model, tokenizer, rows, Layers(hidden_states=(0, 1)))]
    assert [part.shape for part in states] == [(3, 2, 32), (1, 2, 32)]
    batch = tokenizer("Mara won", return_tensors="pt")
    with torch.inference_mode():
        outputs = model(**batch, output_hidden_states=True)
    np.testing.assert_allclose(states[0][0, 1], outputs.hidden_states[1][0, 0], atol=1e-5)


def test_precision_is_that_of_the_call(tokenizer):
    model, rows = tagger(tokenizer), {"tokens": [["Mara", "won"]]}
    exact, again, rounded = (next(signals(model, tokenizer, rows, precision=p)) for p in ("fp32", "fp32", "bf16"))
    assert np.array_equal(exact["logits"], again["logits"])
    assert rounded["logits"].dtype == np.float32 and not np.array_equal(exact["logits"], rounded["logits"])


def test_a_window_longer_than_the_model_is_refused(tokenizer):
    model = tagger(tokenizer, max_position_embeddings=16)
    rows = {"tokens": [["Nice"] * 30]}
    with pytest.raises(ModelError, match="max_length is 17; this model takes at most 16 subword tokens"):
        list(signals(model, tokenizer, rows, max_length=17))
    list(signals(model, tokenizer, rows, max_length=16))


def test_classification(tokenizer):
    model = classifier(tokenizer, {"good": 0.25, "bad": 0.75})
    assert predict(model, tokenizer, ODD, max_length=16) == [
        {"text": text, "label": "bad", "score": 0.75} for text in ODD
    ]


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_text_is_refused(tokenizer, empty):
    with pytest.raises(DataError, match=r"^text 2 is empty$"):
        predict(tagger(tokenizer), tokenizer, ["a", empty])
