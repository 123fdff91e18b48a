"""The page of licences names what comes from npm, and everything of others that stands in a built site."""

from fnmatch import fnmatch

from site_fixtures import ROOT, tool

from tests.microscope import node
from tests.microscope.models import microscope

licences = tool("licences")


def test_the_page_is_what_the_tool_says_of_npm_and_of_a_site():
    page = licences.PAGE.read_text(encoding="utf-8")
    assert licences.npm() in page and licences.carried() in page, "run tools/licences.py"
    assert "| **onnxruntime-web** | MIT |" in page and "| ? |" not in page


def test_every_file_in_a_site_is_ours_or_on_the_page(site, made, tmp_path):
    node.packages()
    microscope.set_in(tmp_path, made)
    ours = {path.name for path in (ROOT / "book" / "_static").iterdir()} - {"microscope"} | {"cards"}
    ours |= {f"microscope/{path.name}" for path in (ROOT / "book" / "_static" / "microscope").iterdir()}
    known = [name for files, *_ in licences.CARRIED for name in files.split()]
    known += [*ours, "microscope/models"]  # trained here
    names = {
        path.relative_to(root / "_static").as_posix()
        for root in (site, tmp_path)
        for path in (root / "_static").rglob("*")
        if path.is_file()
    }
    left = [name for name in names if not any(fnmatch(name, one) or name.startswith(f"{one}/") for one in known)]
    assert not left
    assert not [one for one in known if not any(fnmatch(name, one) or name.startswith(f"{one}/") for name in names)]
