"""A classroom on one share: many processes, one cache folder. The teacher is asked once."""

import pytest

from tests.faults import conftest as make
from tests.faults.conftest import slow


@pytest.mark.parametrize("processes", [2, 8, pytest.param(30, marks=slow)])
def test_many_processes_ask_the_teacher_once(forge, room, tmp_path, processes):
    told, store = tmp_path / "told", tmp_path / "cache" / "signals"
    step = ["signals", room / "base", room / "corpus", store, told]
    digests = forge.run(step, processes=processes)
    assert len(told.read_text().splitlines()) == 1
    assert len({digest for (digest,) in digests}) == 1 and len(digests) == processes
    assert [path.name for path in store.parent.iterdir()] == ["signals"]


def test_the_one_who_asks_dies_and_another_takes_over(forge, room, tmp_path):
    told, store, die = tmp_path / "told", tmp_path / "cache" / "signals", tmp_path / "die"
    die.touch()
    step = ["signals", room / "base", room / "corpus", store, told, die]
    with pytest.raises(AssertionError, match="a child ended"):
        forge.run(step, processes=4)
    assert len(told.read_text().splitlines()) == 2, "the one who died, and one more"
    assert [path.name for path in store.parent.iterdir()] == ["signals"]
    (digest,) = forge.run(step)
    alone = forge.run(["signals", room / "base", room / "corpus", tmp_path / "alone", told])
    assert [digest] == alone and len(told.read_text().splitlines()) == 3


def test_eight_processes_in_one_output_folder(forge, room, whole, tmp_path):
    """One works, the others say so in a line; or, once it has finished, read its report."""
    results = forge.run(make.distill(room, tmp_path / "out"), processes=8)
    done = [result for (result,) in results if result["code"] == 0]
    assert done, results
    for (result,) in results:
        assert result["code"] == 0 or "another process is at work on" in make.one_line(result)
    assert not make.leftovers(tmp_path / "out")
