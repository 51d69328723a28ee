"""Renders chat templates in a child process that is killed when its time is up."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_SOURCE = Path(__file__).parents[3]

_MAX_ANSWER_BYTES = 128 * 2**20
_START_LIMIT_S = 30.0
_PATIENCE = 10
"""Rendering ends when it took its limit of the processor, or this many times as long on the clock:
a machine that is busy with other things is not the template's fault."""


class TemplateFailed(Exception):
    """The template gave no text: an error in it, its own refusal, or its time ran out."""


class TemplateRefused(TemplateFailed):
    """The template itself raised: other variables might do."""


def named_templates(template: Any) -> Mapping[str, str]:
    """The chat templates of a tokenizer, which holds one text or several by name."""
    named = template if isinstance(template, dict) else {"default": template}
    return {str(name): text for name, text in named.items() if isinstance(text, str)}


class ChatTemplates:
    """One model's chat templates, by name. Used by one thread."""

    def __init__(
        self,
        templates: Mapping[str, str],
        *,
        constants: Mapping[str, str],
        time_limit_s: float = 1.0,
    ) -> None:
        opening = {"templates": dict(templates), "constants": dict(constants)}
        self._opening = json.dumps(opening).encode() + b"\n"
        self._time_limit_s = time_limit_s
        self._ready = False
        self._child = self._start()
        self._usage = psutil.Process(self._child.pid)

    def render(self, variables: Mapping[str, Any], *, template: str = "default") -> str:
        """The prompt's text. Raises `TemplateFailed`."""
        asked = {"template": template, "variables": variables}
        try:
            if not self._ready:
                self._exchange(b"", _START_LIMIT_S)
                self._ready = True
            line = json.dumps(asked).encode() + b"\n"
            answer = json.loads(self._exchange(line, self._time_limit_s))
        except (OSError, ValueError) as error:
            self._restart()
            raise TemplateFailed("it broke the process that renders it") from error
        if "error" in answer:
            raise TemplateRefused(str(answer["error"]))
        return str(answer["text"])

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _exchange(self, line: bytes, limit_s: float) -> bytes:
        """Write and read at the same time: pipes are smaller than prompts."""
        source, sink = self._pipes()
        limit = _Limit(self._usage, limit_s)
        answer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            if line:
                selector.register(sink, selectors.EVENT_WRITE)
            while not answer.endswith(b"\n"):
                ready = selector.select(limit_s / 4)
                if limit.is_over():
                    self._restart()
                    raise TemplateFailed(f"it took longer than {limit_s:g} s")
                for key, _ in ready:
                    if key.fd == sink:
                        line = line[os.write(sink, line[:65536]) :]
                        if not line:
                            selector.unregister(sink)
                    else:
                        answer += self._read(source)
        if len(answer) > _MAX_ANSWER_BYTES:
            raise ValueError("too long an answer")
        return bytes(answer)

    @staticmethod
    def _read(source: int) -> bytes:
        piece = os.read(source, 2**20)
        if not piece:
            raise ValueError("the child is gone")
        return piece

    def _pipes(self) -> tuple[int, int]:
        if self._child.stdin is None or self._child.stdout is None:
            raise ValueError("the child has no pipes")
        return self._child.stdout.fileno(), self._child.stdin.fileno()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-m", "app.engines.worker.renderer", str(os.getpid())]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | {"PYTHONPATH": str(_SOURCE)},
        )
        if child.stdin is not None:
            # The first line may be longer than a pipe holds, but the child reads it at once.
            child.stdin.write(self._opening)
            os.set_blocking(child.stdin.fileno(), False)
        return child

    def _restart(self) -> None:
        self.close()
        self._ready = False
        self._child = self._start()
        self._usage = psutil.Process(self._child.pid)


class _Limit:
    """The time that one exchange with a child may take."""

    def __init__(self, child: psutil.Process, limit_s: float) -> None:
        self._child = child
        self._limit_s = limit_s
        self._began = time.monotonic()
        self._worked_s = self._processor_s()

    def is_over(self) -> bool:
        past_s = time.monotonic() - self._began
        if past_s < self._limit_s:
            return False
        if past_s > self._limit_s * _PATIENCE:
            return True
        return self._processor_s() - self._worked_s > self._limit_s

    def _processor_s(self) -> float:
        """0 for a child that is gone, which the pipe will tell."""
        try:
            times = self._child.cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)
