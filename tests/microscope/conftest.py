import functools
import http.server
import shutil
import threading

import pytest

from tests.microscope import node
from tests.microscope.models import microscope, untrained
from tests.microscope.server import Server


@pytest.fixture(scope="session")
def served(site, made, tmp_path_factory):
    """The address of the site with the untrained models set in."""
    node.packages()
    copy = tmp_path_factory.mktemp("served") / "html"
    shutil.copytree(site, copy)
    assert microscope.set_in(copy, made)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(copy)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def made(tmp_path_factory, tokenizer):
    """A folder like ``runs/microscope``, with untrained models."""
    folder = tmp_path_factory.mktemp("microscope")
    untrained(folder, tokenizer)
    return folder
