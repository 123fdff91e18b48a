"""The built site, served on this machine, and a browser that can reach nothing else.

``site``, ``address`` and ``open_page`` are for every test of a page. The site is built once a session; to try a test on
a site that stands already, name its folder: ``TINYKD_SITE=_build/html pytest tests/site``.
"""

import functools
import http.server
import importlib.util
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import pytest

ROOT = Path(__file__).resolve().parent.parent
#: the headless shell first: it draws the same pages for two thirds of the work
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def tool(name: str):
    """Import ``tools/NAME.py``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Visit:
    """A page in the browser, and what went wrong on it so far."""

    page: object
    faults: list[str] = field(default_factory=list)


class _Silent(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # a connection serves many files

    def do_GET(self):
        if self.path == "/favicon.ico":  # Chromium asks for one where a page names none, as index.html does
            self.send_response(http.HTTPStatus.NO_CONTENT)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site."""
    if "TINYKD_SITE" in os.environ:
        return Path(os.environ["TINYKD_SITE"]).resolve()
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the workers of one session share one site
        session = session.parent
    built = session / "site" / "built"
    with filelock.FileLock(session / "site.lock"):
        if not built.exists():
            built.parent.mkdir(exist_ok=True)
            tool("build_book").build(ROOT, built.parent)
            built.touch()
    return built.parent / "_build" / "html"


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served, ``http://127.0.0.1:PORT``."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")  # Playwright's loop keeps asyncio from others while it runs; so it ends with its module
def browser():
    """Headless Chromium; skips where there is none."""
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine (apt-get install chromium-headless-shell)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, address):
    """``open_page("book/preface.html", width=360, theme="dark")`` returns a :class:`Visit`.

    Its ``faults`` grow while the page lives: console errors, exceptions, failed requests, requests to elsewhere.
    """
    contexts = []

    def opened(path: str, width: int = 1280, height: int = 900, theme: str = "light") -> Visit:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        contexts.append(context)
        visit = Visit(context.new_page())
        watch(visit, address)
        visit.page.goto(f"{address}/{path}", wait_until="load")
        return visit

    yield opened
    for context in contexts:
        context.close()


def watch(visit: Visit, address: str) -> None:
    """Write every fault of the page into ``visit.faults``; that it asks somebody else than ``address`` is one.

    Nobody else could answer (see ``FLAGS``). Requests are heard and not routed: routing would switch the cache off.
    """
    own = (address, "data:", "blob:")
    visit.page.on("request", lambda asked: asked.url.startswith(own) or visit.faults.append(f"asks for {asked.url}"))
    visit.page.on("console", lambda said: said.type == "error" and visit.faults.append(f"console: {said.text}"))
    visit.page.on("pageerror", lambda error: visit.faults.append(f"exception: {error}"))
    visit.page.on("requestfailed", lambda request: visit.faults.append(f"failed: {request.url}"))
    visit.page.on("response", lambda got: got.status >= 400 and visit.faults.append(f"{got.status}: {got.url}"))
