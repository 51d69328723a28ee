"""A server whose clients may leave at any moment: that they did would stand in a test's stderr."""

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *of: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*of)
