"""The page's JavaScript says what Python says."""

import hashlib
import json
import random
import re
import subprocess
import unicodedata

import numpy as np
import pytest
import torch
from site_fixtures import ROOT
from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from tests.microscope import node
from tests.microscope.models import microscope
from tests.microscope.texts import FRAGMENTS, five_hundred
from tinykd import fusion, losses, models
from tinykd.deploy import runtime
from tinykd.text import decode, entities, windows, words

TRAINED = microscope.RUNS if (microscope.RUNS / microscope.FACTS).exists() else None


def test_words_offsets_and_subwords_are_those_of_python(made):
    chance = random.Random(1)
    texts = five_hundred() + ["".join(chance.choices(FRAGMENTS, k=chance.randint(0, 14))) for _ in range(5000)]
    file = made / "pruned-int8" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    unknown = tokenizer.token_to_id("[UNK]")

    def expected(text):
        split = words(text)
        subwords = [[] for _ in split]
        encoding = tokenizer.encode([word.text for word in split], is_pretokenized=True, add_special_tokens=False)
        for subword, word in zip(encoding.ids, encoding.word_ids, strict=True):
            subwords[word].append(subword)
        return [[*word, ids or [unknown]] for word, ids in zip(split, subwords, strict=True)]

    found = node.ask("words", texts=texts, tokenizer=str(file))
    wrong = [(text, mine) for text, mine in zip(texts, found, strict=True) if mine != expected(text)]
    assert not wrong, wrong[:3]


def test_offsets_count_characters_as_python_does():
    texts = ["👍 Łódź", "𠮷野家 𠮷 e\u0301", "a👍🏽b 田中さんは𠮷野家で", *five_hundred()]
    assert node.ask("slices", texts=texts) == [[text[w.start : w.end] for w in words(text)] for text in texts]


def test_characters_make_the_words_of_python():
    every = [*range(0x3000), *range(0x3000, 0x110000, 7)]  # the higher ones come in long rows of the same kind
    known = [chr(code) for code in every if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    texts = [f"a{one}b {one} 1{one}. {one}. {one}.{one}. x'{one} mr{one}. y" for one in known]
    found = node.ask("words_alone", texts=texts)
    differ = {
        one for one, text, mine in zip(known, texts, found, strict=True) if mine != [word.text for word in words(text)]
    }
    assert not differ, sorted(map(ascii, differ))[:20]


def test_every_character_of_scripts_in_daily_use_is_cut_alike():
    # The tokenizers library knows Unicode 8, a browser has its own, newer table. They differ on a few hundred marks and
    # signs that came later; no letter of a script in daily use, no emoji and no Chinese is among them.
    normalizer, cutter = BertNormalizer(), BertPreTokenizer()
    differ = [
        code
        for code, parts in enumerate(node.ask("characters"))
        if parts is not None
        and [part for part, _ in cutter.pre_tokenize_str(normalizer.normalize_str(f"a{chr(code)}b"))] != parts
    ]
    assert len(differ) < 1000
    for first, end in (
        (0, 0x61C),
        (0x900, 0x980),
        (0x2000, 0x2E40),
        (0x3000, 0xA000),
        (0xAC00, 0xFE20),
        (0x1F300, 0x1FB00),
    ):
        assert not [hex(code) for code in differ if first <= code < end]


@pytest.mark.parametrize("shut", [[], ["open"], ["match"], ["delete"], ["put"]])
def test_a_file_comes_whatever_the_cache_refuses(shut):
    content = "the bytes of a model"
    found = node.ask("stored", content=content, digest=hashlib.sha256(content.encode()).hexdigest(), shut=shut)
    assert found == {"found": [content] * 2, "asked": 2 if shut else 1, "seen": [len(content)] * 2}


def test_windows_are_those_of_python():
    chance = random.Random(2)
    cases = [
        [[chance.randint(1, min(room, 6)) for _ in range(chance.randint(1, 80))], room]
        for room in (chance.randint(3, 40) for _ in range(1000))
    ]
    assert node.ask("windows", cases=cases) == [[list(window) for window in windows(*case)] for case in cases]


def test_labels_are_those_of_python():
    """Small integers, so that many sequences are as good as the best one, and both must choose the same."""
    chance = random.Random(4)
    for labels in (["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["O", "I-PER", "PER"]):
        rows = [[[chance.randint(0, 4) for _ in labels] for _ in range(chance.randint(1, 9))] for _ in range(500)]
        assert node.ask("decode", rows=rows, labels=labels) == [decode(np.array(row), labels) for row in rows]


def test_entities_are_those_of_python():
    chance = random.Random(3)
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    rows = [chance.choices(labels, k=chance.randint(0, 9)) for _ in range(500)]
    assert node.ask("entities", rows=rows) == [[list(found) for found in entities(row)] for row in rows]


def test_softmax_and_divergence_are_those_of_the_losses():
    logits = 6 * torch.randn(50, 2, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    temperatures = [0.5, 1.0, 2.0, 4.0, 8.0] * 10
    found = node.ask("softly", pairs=[[*pair.tolist(), t] for pair, t in zip(logits, temperatures, strict=True)])
    for (teacher, student), t, (shares, divergence) in zip(logits, temperatures, found, strict=True):
        np.testing.assert_allclose(shares, (teacher / t).softmax(-1), rtol=1e-9)
        expected = losses.kl_divergence(student[None], teacher[None], t)
        np.testing.assert_allclose(divergence, float(expected.sum()), rtol=1e-6, atol=1e-9)


def test_confidence_is_that_of_the_cascade():
    rows = [3 * np.random.default_rng(seed).normal(size=(seed % 7 + 1, 9)) for seed in range(40)]
    found = node.ask("confidence", rows=[row.tolist() for row in rows])
    expected = [[fusion.confidence_of_row(row, by) for by in ("lowest", "entropy")] for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["teacher", "pruned"])
def test_multiplications_are_those_of_the_package(made, name):
    config = models.load(made / name)[0].config
    found = node.ask("multiplications", shape=microscope._shape(config), lengths=[3, 17, 128])
    assert found == [fusion.macs(config, length) for length in (3, 17, 128)]


def test_the_bill_of_a_cascade():
    # Two sentences of one word; the student is sure of the first (0.88) and not of the second (0.5).
    sure, unsure, other = [[2.0, 0.0]], [[0.0, 0.0]], [[0.0, 1.0]]

    def sentence(student, teacher):
        answer = {"words": [{"text": "a", "start": 0, "end": 1}], "lengths": [3]}
        return {"text": "a", "student": {**answer, "logits": student}, "teacher": {**answer, "logits": teacher}}

    shape = {"width": 4, "attention": [4], "neurons": [8], "rank": 0, "classes": 2}
    found = node.ask(
        "cascade",
        sentences=[sentence(sure, sure), sentence(unsure, other)],
        teacher={"shape": shape | {"attention": [4, 4], "neurons": [8, 8]}},
        student={"shape": shape},
        threshold=0.6,
        by="lowest",
        labels=["O", "B-PER"],
    )
    layer, head = 4 * 3 * 4 * 4 + 2 * 9 * 4 + 2 * 3 * 4 * 8, 3 * 4 * 2
    assert [one["up"] for one in found["seen"]] == [False, True]
    assert found["cost"]["teacher"] == 0.5
    assert found["cost"]["student"] == pytest.approx((layer + head) / (2 * layer + head))
    assert found["agreement"] == {"cascade": 1, "student": 0.5, "words": 2}


@pytest.mark.parametrize("key", list(microscope.VARIANTS))
def test_labels_and_logits_of_five_hundred_texts(made, key):
    """In 8 bits as in 32 each label is Python's: only weights are rounded, so no sum can fall to another integer."""
    texts = five_hundred()
    for folder in (out / key for out in (made, TRAINED) if out):
        loaded = runtime.load(folder, threads=1)
        said = [text for text in texts if words(text)]  # Python refuses what has no word
        logits = dict(zip(said, loaded.logits(said, batch_size=1), strict=True))
        found = node.ask("logits", folder=str(folder), graph=loaded.path.relative_to(folder).as_posix(), texts=texts)
        apart, labels = [], []
        for text, mine in zip(texts, found, strict=True):
            assert mine["words"] == [word.text for word in words(text)]
            if not mine["words"]:
                assert mine["logits"] == [] and text not in logits
                continue
            assert mine["lengths"] == microscope._lengths(loaded, text)
            theirs, ours = logits[text], np.array(mine["logits"])
            assert ours.shape == theirs.shape
            apart.append(np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max()))
            labels.append((ours.argmax(-1) == theirs.argmax(-1)).all())
        print(f"{folder}: {sum(labels)} of {len(labels)} texts with equal labels, logits apart {max(apart):.2g}")
        assert all(labels) and max(apart) < 1e-4


def test_types():
    compiler = node.packages() / "typescript" / "bin" / "tsc"
    done = subprocess.run([node.program(), compiler, "--project", microscope.NPM], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    sources = sorted((ROOT / "book" / "_static" / "microscope").glob("*.js"))
    assert len(sources) > 8
    for source in sources:
        lines = source.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 300, source.name
        assert not re.search(r"innerHTML|insertAdjacentHTML|\beval\b|new Function", "\n".join(lines)), source.name


def test_the_lock_file_names_one_version_of_each_package():
    asked = json.loads((microscope.NPM / "package.json").read_text(encoding="utf-8"))
    locked = json.loads((microscope.NPM / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in (asked["dependencies"] | asked["devDependencies"]).items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in package for name, package in locked.items() if name)
