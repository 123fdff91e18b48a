"""One setting for the repository's address; links inside the site; what the site's own extension makes."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from site_fixtures import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from tinykd_site import drawings, recorded, reference

ADDRESS = "https://github.com/someone/a-fork"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The first lesson, in a book of one page and one lesson that has an address."""
    source = tmp_path_factory.mktemp("book")
    (source / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "01_quickstart.ipynb", source / "notebooks")
    shutil.copytree(ROOT / "book", source / "book")
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: book/minutes\nchapters: [{file: notebooks/01_quickstart}]\n"
    )
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["repository"]["url"] = ADDRESS
    config["sphinx"]["local_extensions"] = {"tinykd_site": str(ROOT / "book" / "_ext")}
    (source / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    book = Path(sys.executable).parent / "jupyter-book"
    done = subprocess.run([book, "build", source, "-q"], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (source / "_build/html/notebooks/01_quickstart.html").read_text(encoding="utf-8")


def test_without_an_address_no_page_offers_to_launch_or_edit():
    assert yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"] == ""


def test_the_buttons_follow_the_one_setting(site, built):
    wanted = [f"{ADDRESS}/edit/main/notebooks/01_quickstart.ipynb", f"{ADDRESS}/issues/new"]
    wanted += ["mybinder.org/v2/gh/someone/a-fork/main", "colab.research.google.com/github/someone/a-fork/blob/main/"]
    assert all(link in built for link in wanted)
    without = (site / "notebooks" / "01_quickstart.html").read_text(encoding="utf-8")
    assert not any(word in without for word in ("/edit/", "issues/new", "mybinder", "colab.research"))


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.places |= {values.get("id"), values.get("name")}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])


def test_every_link_inside_the_site_leads_somewhere(site):
    pages = [page for page in site.rglob("*.html") if page.relative_to(site).parts[0] != "_static"]
    read = {page.resolve(): Links(page.read_text(encoding="utf-8")) for page in pages}
    broken = []
    for page, found in read.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in read and place not in read[target].places):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert not broken


def test_every_public_module_is_in_the_reference():
    shown = "".join(
        reference.room(*names.split())
        for path in (ROOT / "book" / "api").glob("*.md")
        for names in re.findall(r"<!-- tinykd: room (.*?) -->", path.read_text(encoding="utf-8"))
    )
    for name in (*reference.modules("tinykd")[1:], *reference.modules("scenarios")):
        assert shown.count(f".. automodule:: {name}\n") == 1, name


def test_a_line_of_the_reference_can_be_read(site):
    for page in (site / "book" / "api").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        for found in re.findall(r'<dt class="sig[^>]*>(.*?)</dt>', text, re.DOTALL):
            lines = [re.sub(r"<[^>]+>", "", line).strip() for line in found.split('<span class="sig-line">')]
            assert max(map(len, lines)) <= 140, f"{page.name}: {lines}"  # a value or an argument fills no half page
            assert "~" not in found, f"{page.name}: {lines}"  # a signature that Sphinx could not parse


def test_lessons_and_reference_name_each_other():
    place = "tinykd.losses.prediction.kl_divergence"
    assert "tinykd.losses.prediction" in reference.teaches("02")
    assert reference.called("notebooks/02_mathematics")[place] == "losses.kl_divergence"
    lines = ["KL. Taught in lesson 02."]
    reference.link(None, "function", place, None, {}, lines)
    assert lines[0] == "KL. Taught in :doc:`lesson 02 </notebooks/02_mathematics>`."
    assert any(line.startswith("Called in :doc:`lesson 02") for line in lines)


def test_every_lesson_teaches_something_of_the_package():
    assert not [number for number in reference.lessons() if not reference.called(reference.lessons()[number])]


def test_minutes_are_read_from_the_record():
    table = recorded.minutes()
    assert all(f"{{doc}}`{number} <" in table for number in reference.lessons()) or "not recorded" in table
    minutes = [float(line.removeprefix("  - ")) for line in table.split("\n") if re.fullmatch(r"  - \d+\.\d", line)]
    *lessons, alone, together = minutes
    assert alone == pytest.approx(sum(lessons), abs=0.05 * len(lessons) + 0.05)
    assert together <= 15


def test_builds_of_the_microscope_are_read_from_the_record(tmp_path, monkeypatch):
    table = recorded.builds()
    assert table.count("* - ") == len(recorded._read(recorded.RESULTS / "microscope_builds.json")) + 2  # head, mean
    splits = ("valid_f1", "entity_f1", "everyday_f1")
    scores = (dict(zip(splits, of, strict=True)) for of in ((0.5, 0.8, 1), (0.49, 0.6, 1)))
    variants = dict(zip(("teacher-int8", "pruned-int8"), scores, strict=True))
    build = {"processor": "P", "precision": "fp32", "seed": 3, "minutes": None}
    (tmp_path / "microscope_builds.json").write_text(
        json.dumps({"P": build | {"variants": variants}}), encoding="utf-8"
    )
    monkeypatch.setattr(recorded, "RESULTS", tmp_path)
    assert recorded.builds().endswith("* - 3\n  - –\n  - 0.490, 98.0 %\n  - 0.600, 75.0 %\n  - 1.000, 100.0 %\n```")


@pytest.mark.parametrize("name", drawings.drawings())
def test_drawings_have_a_text_and_no_box_lies_on_another(name):
    drawing = drawings.drawings()[name]
    boxes = {key: drawings.Box(*box) for key, box in drawing["boxes"].items()}
    assert len(drawing["text"]) > 60
    assert all(end in boxes for arrow in drawing["arrows"] for end in arrow[:2])
    places = list(boxes.values())
    for i, one in enumerate(places):
        for other in places[i + 1 :]:
            (x, y), (u, v) = one.centre, other.centre
            assert abs(x - u) > drawings.WIDTH or abs(y - v) > drawings.HEIGHT


def test_every_drawing_is_on_a_page():
    pages = [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    text = " ".join(path.read_text(encoding="utf-8") for path in pages)
    assert all(f"<!-- tinykd: draw {name} -->" in text for name in drawings.drawings())
