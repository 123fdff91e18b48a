"""A grader passes the solution, fails the stub, and fails every wrong answer by its name."""

import pytest
from workbench import ALL, LABS, ROOT, build_labs, grade, graders, of_exercise

WRONG = [(name, wrong) for name in ALL for wrong in build_labs.wrong_answers(name)]
EXERCISES = [(name, exercise.number) for name, lab in ALL.items() for exercise in lab.exercises]


def test_every_lesson_has_a_lab():
    lessons = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert lessons <= set(ALL)
    assert {path.stem for path in (LABS / "wrong").glob("*.py")} == set(ALL)


@pytest.mark.parametrize("lab", ALL)
def test_the_solution_passes(lab):
    assert len(ALL[lab].exercises) >= 2
    assert grade(lab, ALL[lab].text) == {}


@pytest.mark.parametrize("lab", ALL)
def test_every_test_fails_on_the_stub_and_says_that_it_is_not_done(lab):
    found = grade(lab, build_labs.stub(ALL[lab].text))
    assert set(found) == set(graders(lab))
    for exercise in ALL[lab].exercises:
        names = of_exercise(lab, exercise.number)
        assert names, f"exercise {exercise.number} has no grader"
        for name in names:
            assert f"exercise {exercise.number} is not done yet" in found[name]


@pytest.mark.parametrize(("lab", "number"), EXERCISES)
def test_every_exercise_was_tried_on_three_misconceptions(lab, number):
    assert len({wrong.misconception for name, wrong in WRONG if (name, wrong.exercise) == (lab, number)}) >= 3


@pytest.mark.parametrize(
    ("lab", "wrong"), WRONG, ids=[f"{name[:2]}-{w.exercise}-{w.misconception}" for name, w in WRONG]
)
def test_a_wrong_answer_fails_its_own_exercise_by_its_name(lab, wrong):
    found = grade(lab, ALL[lab].text, wrong.code)
    assert found, "the grader passes it"
    assert set(found) <= of_exercise(lab, wrong.exercise), "another exercise fails, too"
    assert any(wrong.misconception in message for message in found.values()), found
