"""What a line of a conversation is: something to say, or one of the words that steer it. Pure."""

from dataclasses import dataclass, field
from typing import Final

from app.cli.chat_stream import Message

LEAVE: Final = frozenset({"/exit", "/quit", "/bye"})
HELP: Final = (
    "/model NAME   go on with another model",
    "/system TEXT  what the model is told first, or nothing",
    "/clear        forget what was said",
    "/exit         leave, as Ctrl-D does",
    "Ctrl-C stops an answer; at the prompt it leaves. Nothing of this is kept on disk.",
)


@dataclass(slots=True)
class Talk:
    """A conversation, and with whom."""

    model: str
    system: str = ""
    messages: list[Message] = field(default_factory=list)

    def asked(self) -> list[Message]:
        """What is sent: everything said so far, after what the model is told first."""
        first: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        return [*first, *self.messages]


def steered(talk: Talk, line: str) -> tuple[str, ...] | None:
    """What to tell whoever typed it, once done; None where the line is something to say.

    A line that begins with a path, as in /usr/bin, is something to say.
    """
    word, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if not word.startswith("/") or not word[1:].isalpha():
        return None
    return _done(talk, word, rest)


def _done(talk: Talk, word: str, rest: str) -> tuple[str, ...]:
    match word:
        case "/help":
            return HELP
        case "/clear":
            talk.messages.clear()
            said = "Forgotten: this begins anew."
        case "/system":
            talk.system = rest
            said = f"The model is told first: {rest}" if rest else "It is told nothing first."
        case "/model" if rest:
            talk.model = rest
            said = f"Talking to {rest}."
        case "/model":
            said = f"Talking to {talk.model}. Another one: /model NAME"
        case _:
            said = f"{word} is no word here; /help lists them."
    return (said,)
