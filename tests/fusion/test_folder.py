import json

import numpy as np
import pytest

from tests.fusion.pair import letters, member, rows_of, sentences
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.fusion import Cascade, Parallel, load

TEXTS = ["Mara Low won 2-1 in Nice.", "Nice"]


@pytest.fixture(scope="module", params=["cascade", "parallel"])
def fusion(request, tokenizer):
    teacher, student = member(tokenizer, 1, layers=2), member(letters(), 2)
    if request.param == "cascade":
        return Cascade(teacher, student, 0.8, "word", {"teacher": 1.5, "student": 2.5}, max_length=64)
    members = {"teacher": teacher, "student": student, "weights": member(tokenizer, 3)}  # a name is only a name
    return Parallel(
        members,
        {"student": 0.3, "teacher": 0.5, "weights": 0.2},
        "probabilities",
        {"teacher": 1.5, "student": 2.0, "weights": 1.0},
        max_length=64,
    )


@pytest.fixture(scope="module")
def folder(fusion, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "fusion"
    fusion.save(folder)
    return folder


def test_what_is_saved_predicts_the_same(fusion, folder):
    again = load(folder)
    assert type(again) is type(fusion)
    assert (again.task, again.labels, again.max_length) == ("tagging", ["O", "B-PER", "I-PER"], 64)
    assert load(folder, 32).max_length == 32
    assert {path.name for path in folder.iterdir()} == {*fusion.members, "fusion.json"}
    assert list(again.predict(TEXTS)) == list(fusion.predict(TEXTS))
    for row, same in zip(fusion.logits(rows_of(sentences())), again.logits(rows_of(sentences())), strict=True):
        np.testing.assert_array_equal(row, same)


def test_a_fusion_may_be_saved_again_and_nothing_else_is_lost(fusion, folder, tmp_path):
    load(folder).save(folder)
    assert list(load(folder).predict(TEXTS)) == list(fusion.predict(TEXTS))
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(RunError, match="holds something else"):
        fusion.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_that_is_no_fusion_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"not a fusion; it has no fusion\.json"):
        load(tmp_path)
    serial, nameless = ({"kind": kind, "members": of, "settings": {}} for kind, of in (("serial", []), ("parallel", 5)))
    for note in ("{", "[]", "{}", json.dumps(serial), json.dumps(nameless)):
        (tmp_path / "fusion.json").write_text(note)
        with pytest.raises(ModelError, match="damaged"):
            load(tmp_path)


def test_a_missing_member_or_setting_is_named(fusion, tmp_path):
    fusion.save(tmp_path / "one")
    note = json.loads((tmp_path / "one" / "fusion.json").read_text())
    note["settings"]["speed"] = 1
    (tmp_path / "one" / "fusion.json").write_text(json.dumps(note))
    with pytest.raises(ModelError, match=r"damaged \(.*'speed'\)"):
        load(tmp_path / "one")
    del note["settings"]["speed"]
    wrong = note["settings"] | ({"threshold": -1} if "threshold" in note["settings"] else {"weights": {"a": 1.0}})
    (tmp_path / "one" / "fusion.json").write_text(json.dumps(note | {"settings": wrong}))
    with pytest.raises(SettingError, match=r"^(threshold is -1|weights are for a)"):
        load(tmp_path / "one")
    (tmp_path / "one" / "teacher" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json: missing"):
        load(tmp_path / "one")
