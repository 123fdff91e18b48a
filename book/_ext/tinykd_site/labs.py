"""The labs on the site: a page for each, and the archive that students download."""

import importlib.util
from pathlib import Path

from .recorded import ROOT

_SPEC = importlib.util.spec_from_file_location("build_labs", ROOT / "tools" / "build_labs.py")
build_labs = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(build_labs)


def lab(number: str) -> str:
    """Return what a student's notebook shows below its title, after a line that says how to work with it."""
    found = build_labs.read(next((build_labs.LABS / "solutions").glob(f"{number}_*.py")))
    cells = build_labs.for_student(found).cells
    cells[0].source = cells[0].source.split("\n", 1)[1].strip()  # the title stands on the page
    parts = [
        f"**{found.minutes} minutes, after [lesson {number}](/notebooks/{found.name}.ipynb).** "
        "To work on this lab, [install the course](/book/install.md), "
        'download <a href="student.zip" download>the students\' archive</a>, unpack it, '
        f"and open `tinykd-labs/{found.name}/{found.name}.ipynb` in JupyterLab. The last cell grades your answers."
    ]
    for cell in cells:  # the last one calls the shell, which plain Python can't
        parts.append(cell.source if cell.cell_type == "markdown" else f"```ipython3\n{cell.source}\n```")
    return "\n\n".join(parts)


def archive(app, error: Exception | None) -> None:
    """Write the students' archive beside the labs' pages."""
    if error or app.builder.format != "html":
        return
    path = Path(app.outdir) / "book" / "labs" / "student.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    build_labs.write_student_zip(build_labs.all_labs(), path)
