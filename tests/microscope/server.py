"""The server of the pages' tests."""

import http.server
from typing import ClassVar

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:"
)


class Server(http.server.SimpleHTTPRequestHandler):
    """A server that forbids scripts to be made of strings, on the page and in its worker, and notes what is asked."""

    asked: ClassVar[list[str]] = []

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass
