"""Print the built site into one PDF, the API left out: ``_build/tinykd.pdf``.

python tools/build_book.py && python tools/build_pdf.py

Headless Chromium prints each page as a reader would. What is folded on the page is open on paper, and links between
pages are plain text.
"""

import functools
import http.server
import io
import re
import shutil
import sys
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright
from pypdf import PdfWriter
from tqdm.auto import tqdm

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ON_PAPER = """() => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  for (const fold of document.querySelectorAll(".toggle")) fold.classList.remove("toggle-hidden");
  for (const link of document.querySelectorAll("a[href]:not([href^=http])")) link.removeAttribute("href");
  return window.MathJax?.startup?.promise.then(() => null);
}"""
MARGIN = dict.fromkeys(("top", "right", "bottom", "left"), "16mm")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that doesn't log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def pages() -> list[str]:
    """Return the pages of ``_toc.yml`` in order, without the API."""
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return [name for name in re.findall(r"(?:root|file): (\S+)", contents) if not name.startswith("book/api/")]


def print_pages(site: Path, names: list[str], out: Path) -> None:
    """Print pages of a built site into one PDF, with an outline of their titles."""
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not chromium or not (site / "index.html").exists():
        sys.exit("there is no Chromium on this machine" if not chromium else f"{site} is not built; run make book")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    book = PdfWriter()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(color_scheme="light")
        for name in tqdm(names, unit="page"):
            page.goto(f"http://127.0.0.1:{server.server_port}/{name}.html", wait_until="load")
            page.evaluate(ON_PAPER)
            printed = page.pdf(format="A4", margin=MARGIN, print_background=True)
            book.append(io.BytesIO(printed), outline_item=page.locator("h1").first.inner_text().rstrip("#"))
        browser.close()
    server.shutdown()
    book.write(out)


if __name__ == "__main__":
    print_pages(ROOT / "_build" / "html", pages(), ROOT / "_build" / "tinykd.pdf")
    print(f"{ROOT / '_build' / 'tinykd.pdf'}")
