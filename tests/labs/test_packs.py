"""What goes to the students holds no answer, and works in an empty folder; what goes to the teacher holds all."""

import html
import json
import math
import os
import re
import subprocess
import sys
import zipfile
from urllib.parse import urljoin
from urllib.request import urlopen

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from workbench import ALL, build_labs, grade, graders, grading


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """The folder that ``make labs`` would write."""
    out, page = tmp_path_factory.mktemp("labs"), build_labs.PAGE
    copy = out / "labs.md"
    copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_labs, "PAGE", copy)
        patch.setattr(sys, "argv", ["build_labs.py", "--out", str(out)])
        build_labs.main()
    return out


SPOKEN = {
    15: "a quarter of an hour",
    20: "twenty minutes",
    25: "twenty-five minutes",
    30: "half an hour",
    35: "thirty-five minutes",
}


@pytest.mark.parametrize("name", ALL)
def test_a_lesson_says_how_long_it_takes_to_read(name):
    minutes = 5 * math.ceil(build_labs.reading_minutes(name) / 5)
    opening = nbformat.read(build_labs.ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells[0].source
    assert f"**It takes** {SPOKEN[minutes]} to read" in opening


@pytest.fixture(scope="module")
def handed_out(pack, tmp_path_factory):
    """The students' archive, unpacked into an empty folder."""
    folder = tmp_path_factory.mktemp("laptop")
    zipfile.ZipFile(pack / "student.zip").extractall(folder)
    return folder / "tinykd-labs"


def lines_of(path):
    """All lines of a file, of a notebook those of its cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text.split("\n")


def squeezed(line):
    return re.sub(r"\s", "", line)


def leaks(answers, files):
    """The answers' lines that stand in the files: as a line, or inside of one if they are long enough to be telling."""
    handed_out = {squeezed(line) for path in files for line in lines_of(path)}
    everything = "\n".join(handed_out)
    wanted = {squeezed(line) for answer in answers for line in answer.split("\n")} - {"", ")", "]", "}", "else:"}
    return {line for line in wanted if line in handed_out or (len(line) >= 12 and line in everything)}


def kept_back(lab):
    """What the teacher alone gets: the answers to the exercises and to the guesses."""
    answers = [answer for _, _, answer in build_labs.ANSWER.findall(lab.text)]
    return answers + [c.source for c in build_labs.notebook_of(lab.text).cells if "To the guess." in c.source]


def test_no_line_of_a_solution_is_handed_out(handed_out):
    files = [path for path in handed_out.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    for lab in ALL.values():
        assert leaks(kept_back(lab), files) == set()
    names = {path.name for path in handed_out.rglob("*")}
    assert not names & {"solutions", "wrong"}
    assert not any("SOLUTION" in line for path in handed_out.rglob("*.*") for line in lines_of(path))


@pytest.mark.parametrize("lab", ALL)
def test_each_guess_is_answered_for_the_teacher(lab):
    asked, answered = 0, 0
    for cell in build_labs.notebook_of(ALL[lab].text).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"\s+", " ", cell.source)
            asked += len(re.findall(r"\*\*(?:Guess|In your head first|Before you start)\b", text))
            answered += text.startswith("**To the guess.**")
            assert asked - answered in (0, 1), f"an answer stands before its question, or is missing: {text}"
    assert asked == answered


def test_the_leak_test_sees_a_leak(handed_out, tmp_path):
    lab = ALL["02_mathematics"]
    answers = [answer for _, _, answer in build_labs.ANSWER.findall(lab.text)]
    leaky = tmp_path / "leaky.py"
    leaky.write_text(
        "x = 1\n" + next(line for line in answers[0].split("\n") if "log_student" in line), encoding="utf-8"
    )
    assert len(leaks(answers, [leaky])) == 1


def test_each_student_notebook_is_the_solution_without_its_answers(handed_out):
    for lab in ALL.values():
        notebook = nbformat.read(handed_out / lab.name / f"{lab.name}.ipynb", as_version=4)
        nbformat.validate(notebook)
        code = "\n".join(cell.source for cell in notebook.cells)
        assert code.count("raise NotImplementedError") == len(lab.exercises)
        assert all(exercise.title in code for exercise in lab.exercises)
        assert len(notebook.cells) == len(build_labs.notebook_of(lab.text, "student").cells) + 2


def test_in_an_empty_folder_every_test_says_that_it_is_not_done(handed_out):
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTEST_ADDOPTS", "PYTHONPATH")}
    command = [sys.executable, "-m", "pytest"]
    done = subprocess.run(command, cwd=handed_out, env=environment, capture_output=True, text=True)
    expected = sum(len(graders(lab)) for lab in ALL)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{expected} failed" in done.stdout.splitlines()[-1]
    assert "passed" not in done.stdout.splitlines()[-1] and "error" not in done.stdout.splitlines()[-1]
    said = re.findall(r"^E +(\w+): (.*)$", done.stdout, re.MULTILINE)
    assert len(said) == expected
    assert all(re.fullmatch(r"exercise \d is not done yet", text) for _, text in said), set(said)


def test_the_last_cell_of_a_notebook_grades_it(handed_out):
    lab = "14_finance"
    notebook = nbformat.read(handed_out / lab / f"{lab}.ipynb", as_version=4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": handed_out / lab}}).execute()
    said = "".join(output["text"] for output in notebook.cells[-1].outputs)
    assert f"{len(graders(lab))} failed" in said and "exercise 1 is not done yet" in said


def test_a_teacher_can_grade_a_notebook_that_lies_elsewhere(handed_out, pack, tmp_path):
    handed_in = tmp_path / "ada.ipynb"
    handed_in.write_bytes((pack / "teacher" / "answers" / "13_customer_service.ipynb").read_bytes())
    command = [sys.executable, "-m", "pytest", f"--notebook={handed_in}"]
    done = subprocess.run(command, cwd=handed_out / "13_customer_service", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"{len(graders('13_customer_service'))} passed" in done.stdout


@pytest.mark.parametrize("lab", ALL)
def test_the_teachers_notebook_passes_and_shows_what_goes_wrong(pack, lab):
    path = pack / "teacher" / "answers" / f"{lab}.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    assert grade(lab, *[cell.source for cell in cells if cell.cell_type == "code"]) == {}
    text = "\n".join(cell.source for cell in cells)
    assert all(f"**Wrong: {wrong.misconception}.**" in text for wrong in build_labs.wrong_answers(lab))


def test_the_plan_holds_every_exercise_and_measured_minutes(pack):
    plan = (pack / "teacher" / "plan.md").read_text(encoding="utf-8")
    measured = json.loads(build_labs.MINUTES.read_text(encoding="utf-8"))
    for lab in ALL.values():
        section = plan.split(f"## Lab {int(lab.number)}. ")[1].split("\n## ")[0]
        assert all(f"exercise {e.number}: {e.title}" in section for e in lab.exercises)
        assert ("its cells take" in section) == (lab.name in measured)
        minutes = int(re.match(r".*\((\d+) minutes\)", section)[1])
        reading = minutes - sum(exercise.minutes for exercise in lab.exercises)
        assert reading > 0 or not (build_labs.ROOT / "notebooks" / f"{lab.name}.ipynb").exists()
        assert f"| {build_labs.clock(minutes)} |" in section


def test_the_page_has_the_table_of_the_labs_that_are_there():
    assert build_labs.page(list(ALL.values())) == build_labs.PAGE.read_text(encoding="utf-8"), "run make labs"


def test_the_site_has_a_page_for_each_lab_without_its_answers(site, tmp_path):
    for lab in ALL.values():
        page = build_labs.PAGE.parent / "labs" / f"{lab.number}.md"
        title = f"# Lab {int(lab.number)}. {lab.title}"
        assert page.read_text(encoding="utf-8") == f"{title}\n\n<!-- tinykd: lab {lab.number} -->\n"
        built = (site / "book" / "labs" / f"{lab.number}.html").read_text(encoding="utf-8")
        shown = tmp_path / f"{lab.number}.txt"
        shown.write_text(html.unescape(re.sub(r"<[^>]+>", "", built)), encoding="utf-8")
        assert shown.read_text(encoding="utf-8").count("raise NotImplementedError") == len(lab.exercises)
        assert leaks(kept_back(lab), [shown]) == set()


def test_the_site_offers_the_archive(address, pack):
    for page in ("labs.html", "labs/01.html"):
        with urlopen(f"{address}/book/{page}") as answer:
            link = re.search(r'href="([^"]*student\.zip)" download', answer.read().decode())[1]
        with urlopen(urljoin(f"{address}/book/{page}", link)) as answer:
            assert answer.read() == (pack / "student.zip").read_bytes()


def test_the_archive_is_the_same_at_every_run(pack, tmp_path):
    build_labs.write_student_zip(list(ALL.values()), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (pack / "student.zip").read_bytes()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# # Lab 1. A\n# ## Exercise 1. B (5 minutes)\n", r"exercises \[1\] in headings, \[\] with a solution"),
        ("### BEGIN SOLUTION 1\n### END SOLUTION\n", r"exercises \[\] in headings, \[1\] with a solution"),
        ("# ## Exercise 1. B (5 minutes)\n### BEGIN SOLUTION 1\n### END SOLUTION\n", "no heading '# Lab 1. Title'"),
    ],
)
def test_a_solution_with_a_fault_is_refused(tmp_path, text, complaint):
    path = tmp_path / "01_x.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        build_labs.read(path)


def test_a_grader_runs_definitions_alone():
    cells = ["%matplotlib inline\nimport math", "1 / 0\n!pip list\ndef half(x):\n    return x / math.sqrt(4)"]
    assert grading.Work("ada.ipynb", cells).half(3) == 1.5


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("def f(:\n  pass", "ada.ipynb, code cell 1, line 1: not Python"),
        ("x = 1", "ada.ipynb defines no f. Is the notebook saved?"),
    ],
)
def test_what_cannot_be_graded_is_said(cell, complaint):
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        grading.Work("ada.ipynb", [cell]).f  # noqa: B018


TRIALS = ["levels?", "files = !ls", "level =", "def trial(days, drift=DRIFT):\n    return days", "%%bash\nls -l | wc"]


@pytest.mark.parametrize("trial", TRIALS)
def test_a_trial_that_is_not_finished_disturbs_no_other_cell(trial):
    work = grading.Work("ada.ipynb", [trial, "def f():\n    return 1"])
    assert work.f() == 1


def test_a_magic_over_an_answer_and_a_line_that_looks_like_one_are_read_as_python():
    work = grading.Work("ada.ipynb", ["%%time\ndef f(a, b):\n    return (a\n        != b)"])
    assert work.f(1, 2) and not work.f(1, 1)


def test_a_helper_outside_of_a_function_is_named():
    work = grading.Work("ada.ipynb", ["clip = lambda x: max(0, x)\nsize: int = 3", "def f(x):\n    return clip(x)"])
    with pytest.raises(AssertionError, match=r"^clip stands outside of a function.* write it with def"):
        work.f(1)
    with pytest.raises(NameError, match="nowhere"):
        grading.Work("ada.ipynb", ["def f():\n    return nowhere"]).f()


def test_an_answer_returns_something_and_leaves_what_it_was_given():
    with pytest.raises(AssertionError, match=r"^f returned nothing"):
        grading.Work("ada.ipynb", ["def f(x):\n    x + 1"]).f(1)
    for given in (np.ones(3), torch.ones(3), [1.0, 2.0]):
        work = grading.Work("ada.ipynb", ["def f(x, y):\n    y[1] = 5\n    return x", "class C:\n    pass"])
        with pytest.raises(AssertionError, match=r"^what was given to f was changed"):
            work.f(given, given)
        assert isinstance(work.C, type)
    leaf = torch.ones(3, requires_grad=True)
    assert grading.Work("ada.ipynb", ["def f(x):\n    return x * 2"]).f(leaf).requires_grad


@pytest.mark.parametrize(
    "loss",
    [
        lambda student: student.detach().sum().requires_grad_(),
        lambda student: torch.tensor(student.sum().item(), requires_grad=True),
        lambda student: 0 * student.sum(),
        lambda student: student.sum().item(),
    ],
)
def test_a_loss_that_only_looks_as_if_it_could_teach_is_seen(loss):
    student = torch.ones(3, requires_grad=True)
    with pytest.raises(AssertionError, match="no gradient reaches the student"):
        grading.expect_gradient(loss(student), student)
    grading.expect_gradient(student.square().sum(), student)


def test_words_are_those_of_text_and_of_directives():
    text = "Two words.\n\n````{admonition} Solution\nThree more words.\n```python\nx = 1  # none\n```\n````\n\nOne\n"
    assert build_labs.words_of(text) == 6


def test_what_is_missing_is_said_with_the_cells_that_could_not_be_read():
    with pytest.raises(AssertionError, match=r"defines no f\. .*code cell 2, line 1: not Python"):
        grading.Work("ada.ipynb", ["x = 1", "def f(:"]).f  # noqa: B018


def test_values_that_differ_late_are_shown_with_the_digits_that_differ():
    with pytest.raises(AssertionError, match=r"is 0\.0318001, and should be 0\.0318014"):
        grading.expect(0.0318001, 0.0318014, {}, "the score")
    with pytest.raises(AssertionError, match=r"is 0\.002, and should be 0\.0001"):
        grading.expect(np.array(0.002), 0.0001)


def test_a_notebook_that_is_not_there_is_not_taken_for_another(handed_out, tmp_path):
    command = [sys.executable, "-m", "pytest", "13_customer_service", "--notebook", str(tmp_path / "nobody.ipynb")]
    done = subprocess.run(command, cwd=handed_out, capture_output=True, text=True)
    assert done.returncode == 1 and "passed" not in done.stdout
    assert "there is no notebook" in done.stdout and "nobody.ipynb; say which one with --notebook=FILE" in done.stdout


def test_a_number_is_no_list_of_one():
    assert grading.same(1.0, 1) and grading.same([1, [2.0]], (1, [2]))
    pairs = (([1.0], 1), (1.0, [1]), ([1, 2], [1, 2, 3]), ("a", 1), (float("nan"), 1), (None, 1))
    for found, other in (*pairs, (np.array(1.0), (1, 2))):
        assert not grading.same(found, other)
