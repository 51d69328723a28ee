"""A streamed answer of /v1/chat/completions: its text as it comes, its end, and its speed."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.cli.text import one_line

if TYPE_CHECKING:
    from app.cli.connection import Server

_DATA: Final = "data:"

Message = dict[str, str]


@dataclass(slots=True)
class Answer:
    """What has come so far. Times are of a monotonic clock, in seconds."""

    began_s: float
    pieces: list[str] = field(default_factory=list)
    finish: str = ""
    tokens: int | None = None
    first_s: float | None = None
    ended_s: float = 0.0

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def speed(self) -> str:
        """Tokens, tokens a second from the first one on, and how long that took to come."""
        if self.first_s is None:
            return ""
        said = sum(1 for piece in self.pieces if piece)
        count = said if self.tokens is None else self.tokens
        about = "about " if self.tokens is None else ""
        parts = [f"{about}{count} token{'' if count == 1 else 's'}"]
        lasted = self.ended_s - self.first_s
        if count > 1 and lasted > 0:
            parts.append(f"{(count - 1) / lasted:.1f} tokens/s")
        return ", ".join([*parts, f"the first after {self.first_s - self.began_s:.2f} s"])


def ask(
    endpoint: "Server",
    model: str,
    messages: Sequence[Message],
    show: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Ask, `show` each piece as it comes, and return it all. Raises CommandError."""
    body = {"model": model, "messages": list(messages), "stream": True}
    body["stream_options"] = {"include_usage": True}
    answer = Answer(clock())
    with closing(_events(endpoint, body)) as events:
        for event in events:
            for piece, finish in _said(event):
                if piece and answer.first_s is None:
                    answer.first_s = clock()
                answer.pieces.append(piece)
                show(piece)
                answer.finish = finish or answer.finish
            answer.tokens = _tokens(event, answer.tokens)
    answer.ended_s = clock()
    return answer


def _events(endpoint: "Server", body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
    from app.cli import output
    from app.cli.connection import parse_object, refusal

    with closing(endpoint.lines("/v1/chat/completions", body)) as lines:
        for line in lines:
            content = line.removeprefix(_DATA).strip()
            if not line.startswith(_DATA) or content == "[DONE]":
                continue
            event = parse_object(content)
            problem = event.get("error")
            if problem is not None:
                output.say("")
                raise refusal(problem if isinstance(problem, dict) else {}, status=500)
            yield event


def _said(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The text and, at the end, the finish reason of each choice."""
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if not isinstance(choice, dict):
            continue
        delta = choice.get("delta")
        piece = delta.get("content") if isinstance(delta, dict) else None
        yield (
            piece if isinstance(piece, str) else "",
            one_line(choice["finish_reason"]) if choice.get("finish_reason") else "",
        )


def _tokens(event: Mapping[str, Any], known: int | None) -> int | None:
    usage = event.get("usage")
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else known
