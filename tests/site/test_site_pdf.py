"""The course on paper: every page asked for is in it, and what is folded on the page is open."""

import pytest
from pypdf import PdfReader
from site_fixtures import CHROMIUM, tool


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_the_pages_are_printed_with_what_is_folded(site, tmp_path):
    build_pdf = tool("build_pdf")
    pages = [name for name in build_pdf.pages() if name in ("book/preface", "notebooks/02_mathematics")]
    build_pdf.print_pages(site, pages, tmp_path / "course.pdf")
    book = PdfReader(tmp_path / "course.pdf")
    assert [item.title for item in book.outline][1:] == ["Soft labels and temperature"] and len(pages) == 2
    text = "\n".join(page.extract_text() for page in book.pages)
    assert "more than 80" in text  # the riddle's answer
    assert "def kl(student, teacher, T):" in text  # a hidden cell
    links = [str(link.get_object()) for page in book.pages for link in page.get("/Annots", ())]
    assert not [link for link in links if "127.0.0.1" in link]
