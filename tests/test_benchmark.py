import pytest
from transformers import RobertaConfig, RobertaForTokenClassification

from tests import tiny
from tests.fusion.pair import LABELS, member, sentences, tagged
from tinykd import benchmark, evaluation, models
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.fusion import Parallel


@pytest.fixture(scope="module")
def variants(tokenizer, tmp_path_factory):
    """A saved model, and a fusion of it with another one."""
    folder = tmp_path_factory.mktemp("variants")
    members = {"teacher": member(tokenizer, 1, layers=2), "student": member(tokenizer, 2)}
    models.save(*members["teacher"], folder / "teacher")
    Parallel(members, {"teacher": 0.5, "student": 0.5}).save(folder / "fusion")
    return {name: folder / name for name in ("teacher", "fusion")}


def test_a_model_and_a_fusion_are_measured_alike(variants):
    dataset = sentences(12)
    teacher, fused = benchmark.benchmark(variants, dataset, threads=1, rounds=1)
    assert (teacher["name"], fused["name"]) == ("teacher", "fusion")
    scores = evaluation.evaluate(*models.load(variants["teacher"]), dataset)
    assert {key: teacher[key] for key in ("entity_f1", "token_accuracy")} == {
        key: scores[key] for key in ("entity_f1", "token_accuracy")
    }
    for one in (teacher, fused):
        low, high = one["spread_ms"]
        assert low <= one["latency_ms"] <= high and one["throughput"] > 0 and one["memory_bytes"] > 1e8
    assert fused["parameters"] > teacher["parameters"] and fused["size_bytes"] > teacher["size_bytes"]
    assert 0 < teacher["matmul_ms"] < teacher["latency_ms"] and fused["matmul_ms"] is None
    rows = benchmark.table([teacher, fused]).splitlines()
    assert len(rows) == 4 and len({row.count("|") for row in rows}) == 1


def test_a_roberta_takes_two_tokens_fewer_than_its_configuration_says(tmp_path):
    tokenizer = tiny.another_tokenizer([["Mara", "won", "in", "Nice"]])
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=34, pad_token_id=1, **sizes)
    config.id2label, config.label2id = dict(enumerate(LABELS)), {name: i for i, name in enumerate(LABELS)}
    models.save(RobertaForTokenClassification(config), tokenizer, tmp_path / "roberta")
    dataset = tagged([["Mara", "won"] * 40, ["Nice"]], [[0, 0] * 40, [1]])
    (measured,) = benchmark.benchmark({"roberta": tmp_path / "roberta"}, dataset, 1, rounds=1, max_length=32)
    assert measured["matmul_ms"] > 0
    with pytest.raises(RunError, match=r"max_length is 34; this model takes at most 32 subword tokens"):
        benchmark.benchmark({"roberta": tmp_path / "roberta"}, dataset, 1, rounds=1, max_length=34)


def test_what_cannot_be_measured_is_refused_before_anything_is(variants, tmp_path):
    for number in ({"threads": 0}, {"rounds": 0}, {"max_length": 0.5}):
        with pytest.raises(SettingError, match=f"^{next(iter(number))} is"):
            benchmark.benchmark(variants, sentences(2), **number)
    with pytest.raises(ModelError, match=r"nothing: "):
        benchmark.benchmark({"none": tmp_path / "nothing"}, sentences(2))
    other = member(models.load(variants["teacher"])[1], 0, labels=["O", "B-LOC", "I-LOC"])
    models.save(*other, tmp_path / "other")
    with pytest.raises(ModelError, match=r"^other and the corpus have other labels"):
        benchmark.benchmark(variants | {"other": tmp_path / "other"}, sentences(2))


def test_the_first_variant_may_find_nothing():
    one = {"name": "a", "entity_f1": 0.0, "token_accuracy": 0.8, "size_bytes": 1, "latency_ms": 1.0, "throughput": 1.0}
    assert "| a | 0.000 |  |" in benchmark.table([one | {"memory_bytes": 1, "matmul_ms": None}])
