"""Build the site from the committed outputs, and prove that it asks nothing of the network.

python tools/build_book.py [--microscope]

With ``--microscope`` the models of the page "The microscope" are trained first, if they are not there. Without it they
are set in if they are there; if not, or if npm cannot bring ONNX Runtime, the page shows what they said when they were
recorded.

Exit code 0 means: no warning in the build, a first page, no missing file, and no address of another server in anything
that a page loads (stylesheets, scripts, fonts, images, frames). Links that a reader may follow are not loads.
"""

import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
MICROSCOPE = ROOT / "tools" / "build_microscope.py"

#: attributes by which an element loads something; on ``a`` and ``area`` they are links
LOADS = {"src", "srcset", "data", "poster", "href", "xlink:href", "background"}
_AWAY = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")
#: how a script loads by a fixed address: an import, a fetch, a worker, the src or href of an element
_IN_SCRIPT = re.compile(
    r"""(?:\bimport\s*\(?\s*|\bfrom\s*|\b(?:fetch|importScripts|require|Worker|load)\(\s*"""
    r"""|\.(?:src|href)\s*=\s*|\.open\(\s*["']\w+["']\s*,\s*)["'`]((?:https?:)?//[^"'`]+)"""
)
_QUOTED_ADDRESS = re.compile(r"""["'`]((?:https?:)?//[^"'`\s]+)""")


class BookError(RuntimeError):
    """The book was not built."""


class Page(HTMLParser):
    """Collect what a page loads: ``loads`` from attributes and styles, ``said`` from its own scripts."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.loads: list[str] = []
        self.said: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element's loads, its style, and the page inside a frame."""
        values = {name: value or "" for name, value in attrs}
        for name, value in values.items():
            if name == "srcset":
                self.loads += [candidate.split()[0] for candidate in value.split(",") if candidate.strip()]
            elif name in LOADS and tag not in ("a", "area"):
                self.loads.append(value)
            elif name == "style":
                self.loads += _IN_CSS.findall(value)
            elif name == "srcdoc":
                inner = Page(value)
                self.loads += inner.loads
                self.said += inner.said
        runs = "json" not in values.get("type", "")  # a block of data runs nothing
        self._inside = tag if tag == "style" or (tag == "script" and runs) else ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Treat ``<img/>`` like ``<img>``."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Leave a style or script."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Read the text of styles and scripts."""
        if self._inside == "style":
            self.loads += _IN_CSS.findall(data)
        elif self._inside == "script":
            self.said += _QUOTED_ADDRESS.findall(data)


def faults(site: Path) -> list[str]:
    """Return one line for each thing that a built page loads from elsewhere or that is not there."""
    found = []
    for path in sorted(site.rglob("*")):
        if path.suffix not in (".html", ".css", ".js", ".mjs", ".svg"):
            continue
        where = path.relative_to(site)
        if path.suffix == ".html" and where.parts[0] == "_static":
            continue  # templates of the theme, no pages
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix in (".html", ".svg"):
            page = Page(text)
            loads, said = page.loads, page.said
        else:
            loads = _IN_CSS.findall(text) if path.suffix == ".css" else []
            said = _IN_SCRIPT.findall(text) if path.suffix != ".css" else []
        found += [f"{where}: loads {address[:100]}" for address in [*loads, *said] if _AWAY.match(address)]
        found += [f"{where}: {address[:100]} is not there" for address in loads if not _is_there(path.parent, address)]
    return sorted(set(found))


def _is_there(folder: Path, address: str) -> bool:
    """Whether a load from the site's own files finds its file; other addresses are judged elsewhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return True
    return (folder / unquote(parts.path)).exists()


def build(source: Path, out: Path) -> Path:
    """Build the book of ``source`` anew in ``out/_build``, warnings as errors, and return the folder of its pages.

    Raises:
        BookError: it was not built; jupyter-book's own warnings are on standard error.
    """
    shutil.rmtree(out / "_build", ignore_errors=True)  # a page built before would keep its warnings to itself
    book = Path(sys.executable).parent / "jupyter-book"
    command = [book, "build", source, "--path-output", out, "-n", "-W", "--keep-going", "-q"]
    code = subprocess.run(command, cwd=source).returncode
    site = out / "_build" / "html"
    if code or not (site / "index.html").is_file():
        raise BookError(f"the book was not built (jupyter-book says {code}); its warnings are above")
    if subprocess.run([sys.executable, MICROSCOPE, "--into", site]).returncode:
        raise BookError("the microscope did not get its models; why is told above")
    return site


def main() -> int:
    """Build, check, report; return the exit code."""
    start = time.perf_counter()
    if "--microscope" in sys.argv[1:] and subprocess.run([sys.executable, MICROSCOPE]).returncode:
        return 1
    try:
        site = build(ROOT, ROOT)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    wrong = faults(site)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        print(f"the site is built, but {len(wrong)} loads are wrong; see above", file=sys.stderr)
        return 1
    print(f"{time.perf_counter() - start:.0f} s, nothing loaded from elsewhere; open {site / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
