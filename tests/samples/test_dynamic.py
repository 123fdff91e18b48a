"""Dynamic samples: who is drawn how often, with what weight, and the same again after a stop."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykd.errors import SettingError
from tinykd.samples import DisagreementSampler, Dynamic

ROWS = 60


def sampler(dynamic, disagreement=None, step=0, seed=0, batch_size=4):
    rows = Dataset.from_dict({"number": list(range(ROWS)), "length": [5 + i % 7 for i in range(ROWS)]})
    of = disagreement or (lambda number: 1.0)

    def disagreement_of(batch):
        return torch.tensor([of(row["number"]) for row in batch])

    state = SimpleNamespace(global_step=step)
    return DisagreementSampler(rows, batch_size, dynamic, seed, disagreement_of, lambda: state)


@settings(max_examples=15)
@given(st.integers(1, 30), st.floats(1, 5), st.integers(1, 17))
def test_an_epoch_has_as_many_rows_as_the_corpus(refresh, candidates, batch_size):
    drawn = list(sampler(Dynamic(refresh, candidates), batch_size=batch_size))
    assert len(drawn) == ROWS and set(drawn) <= set(range(ROWS))


def test_the_same_step_draws_the_same_and_another_step_others():
    dynamic = Dynamic(refresh=5)
    assert list(sampler(dynamic, step=3)) == list(sampler(dynamic, step=3))
    assert list(sampler(dynamic, step=3)) != list(sampler(dynamic, step=4))
    assert list(sampler(dynamic, seed=1)) != list(sampler(dynamic, seed=2))


def test_where_student_and_teacher_disagree_is_drawn_more_often():
    dynamic = Dynamic(refresh=5, candidates=2.0, uniform=0.2)
    counts = np.zeros(ROWS)
    for step in range(30):
        np.add.at(counts, list(sampler(dynamic, lambda number: float(number < 12), step)), 1)
    # Four of five draws by disagreement: as often as they are among the candidates, never twice in a round.
    assert counts[:12].mean() > 1.6 * counts[12:].mean()


@pytest.mark.parametrize(
    ("dynamic", "disagreement"),
    [(Dynamic(5, uniform=1.0), lambda n: float(n)), (Dynamic(5), lambda n: 0.0), (Dynamic(5, uniform=0.0), None)],
    ids=["asked for", "nothing to disagree on", "all disagree alike"],
)
def test_uniform_choice(dynamic, disagreement):
    counts = np.zeros(ROWS)
    for step in range(40):
        np.add.at(counts, list(sampler(dynamic, disagreement, step)), 1)
    assert counts.std() / counts.mean() < 0.2
    drawn = sampler(dynamic, disagreement)
    list(drawn)
    assert torch.allclose(drawn.weight, torch.ones(ROWS))


@pytest.mark.parametrize("candidates", [1.0, 2.0])
def test_corrected_every_row_counts_as_much_as_any_other(candidates):
    dynamic = Dynamic(refresh=1, candidates=candidates, uniform=0.2, correction=1.0)
    times, counted = np.zeros(ROWS), np.zeros(ROWS)
    for step in range(200):
        drawn = sampler(dynamic, lambda number: 9.0 if number < 12 else 1.0, step, batch_size=20)
        for number in drawn:
            times[number] += 1 / 200
            counted[number] += drawn.weight[number] / 200
    assert candidates == 1.0 or times[:12].mean() > 1.3 * times[12:].mean()
    assert counted[:12].mean() == pytest.approx(1.0, abs=0.1)
    assert counted[12:].mean() == pytest.approx(1.0, abs=0.1)


def test_half_a_correction_is_the_root_of_a_whole_one():
    half, whole = (
        sampler(Dynamic(refresh=5, correction=correction), lambda number: 1.0 + number) for correction in (0.5, 1.0)
    )
    assert list(half) == list(whole)
    torch.testing.assert_close(half.weight, whole.weight.sqrt())


def test_batches_hold_sentences_of_like_length():
    lengths = [5 + i % 7 for i in range(ROWS)]
    drawn = list(sampler(Dynamic(refresh=15, candidates=1.0)))
    spread = np.mean([np.ptp([lengths[i] for i in drawn[k : k + 4]]) for k in range(0, ROWS, 4)])
    assert spread < 1


@pytest.mark.parametrize("seed", range(5))
def test_batches_come_in_any_order_of_length(seed):
    lengths = [5 + i % 7 for i in range(ROWS)]
    drawn = list(sampler(Dynamic(refresh=15, candidates=1.0), seed=seed))
    assert sorted(drawn) == list(range(ROWS))
    means = [np.mean([lengths[i] for i in drawn[k : k + 4]]) for k in range(0, ROWS, 4)]
    assert means != sorted(means) and means != sorted(means, reverse=True)


def test_the_longest_batch_has_no_place_of_its_own_and_a_smaller_one_is_the_last():
    def lengths(batch_size, seed):
        return [5 + i % 7 for i in sampler(Dynamic(ROWS, 1.0), seed=seed, batch_size=batch_size)]

    assert len({max(lengths(4, seed)[-4:]) for seed in range(8)}) > 1
    found = lengths(16, seed=3)  # 60 rows: three whole batches, and the twelve longest
    assert max(np.ptp(found[k : k + 16]) for k in (0, 16, 32)) <= 3
    assert set(found[48:]) == {10, 11}


@pytest.mark.parametrize(
    "wrong", [{"refresh": 0}, {"refresh": 2.5}, {"candidates": 0.5}, {"uniform": 2}, {"correction": -1}]
)
def test_impossible_values(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Dynamic(**wrong)
