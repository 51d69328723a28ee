"""A person at a terminal of 60 columns: waits for what `lmx` shows, then types."""

import codecs
import os
import pty
import re
import subprocess
from collections.abc import Mapping

from tests.e2e.server import LMX, ROOT, RunningServer, with_checkout


class Conversation:
    """`lmx` in a terminal. `expect` waits for a pattern in what came since the last one."""

    def __init__(self, *arguments: str, environment: Mapping[str, str]) -> None:
        self._keyboard, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*LMX, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**with_checkout(environment), "COLUMNS": "60", "TERM": "xterm"},
            cwd=ROOT,
            start_new_session=True,
        )
        os.close(theirs)
        self.screen = ""
        self._seen = 0
        # A piece may end within a character, or between the two that end a line.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def expect(self, pattern: str) -> re.Match[str]:
        while (found := re.compile(pattern).search(self.screen, self._seen)) is None:
            assert self._read(), f"ended without {pattern!r}:\n{self.screen}"
        self._seen = found.end()
        return found

    def type(self, line: str) -> None:
        self.expect("> $")
        os.write(self._keyboard, line.encode() + b"\n")

    def type_phrase(self, phrase: str) -> None:
        """Type the phrase with the end of the plan's hash, as the plan shows it."""
        found = self.expect(re.escape(phrase).replace(r"\ ", r"\s+") + r"\s+([0-9a-f]{6})\b")
        self.type(f"{phrase} {found[1]}")

    def ended(self) -> int:
        while self._read():
            pass
        os.close(self._keyboard)
        return self._process.wait(60)

    def _read(self) -> bool:
        try:
            piece = os.read(self._keyboard, 4096)
        except OSError:  # what a terminal says once its last program has left
            piece = b""
        text = self._held + self._decoder.decode(piece, final=not piece)
        self._held = "\r" if piece and text.endswith("\r") else ""
        self.screen += text.removesuffix(self._held).replace("\r\n", "\n")
        return bool(piece)


def governed(*arguments: str, phrase: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command whose act needs an approval, approve it as it asks; its end and its screen."""
    lmx = Conversation(*arguments, environment=environment)
    lmx.type_phrase(phrase)
    return lmx.ended(), lmx.screen


def create_key(server: RunningServer, name: str, role: str) -> str:
    """Create a key as a person does, at a terminal; its secret."""
    code, screen = governed(
        "keys", "create", name, "--role", role,
        phrase=f"yes, create key {name}", environment=server.environment,
    )  # fmt: skip
    assert code == 0, screen
    secrets = re.findall(r"lmx_[0-9a-f]{8}_[\w-]{43}", screen)
    assert len(set(secrets)) == 1, screen
    return str(secrets[0])
