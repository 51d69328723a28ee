"""What may come next on a command line, for a shell's completion: fast, silent, and never wrong.

A shell runs `lmx __complete WORDS...`, where the last word is what is being typed. Each line of the
answer is a word, a tab, and what is said of it. A fault is no answer: nobody wants a sentence where
they pressed a key.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.cli import text
from app.cli.completing_names import names_of

_MOST: Final = 200

Word = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command line stands: in which command, and how many of its arguments are given.

    `option`: the one whose value is being typed, or None.
    """

    path: tuple[str, ...]
    command: Any
    arguments: int
    option: Any


def complete(words: Sequence[str]) -> int:
    try:
        from app.cli.tree import app

        lines = [f"{word}\t{said}" for word, said in next_words(app, list(words) or [""])]
        sys.stdout.write("".join(f"{line}\n" for line in lines[:_MOST]))
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit):  # noqa: BLE001 - see above
        return 1
    return 0


def next_words(app: Any, words: Sequence[str]) -> Iterator[Word]:
    """Those that begin as the last of `words` does, in the order of the help."""
    *before, typed = words
    place = placed(app, before)
    for word, said in _possible(place, typed):
        if word.startswith(typed) and _is_plain(word):
            yield word, text.one_line(said) if said else ""


def placed(app: Any, before: Sequence[str]) -> Place:
    """Where the words before lead."""
    command, arguments, option = app, 0, None
    path: tuple[str, ...] = ()
    for word in before:
        children = getattr(command, "commands", {})
        if option is not None:
            option = None
        elif word.startswith("-") and word != "-":
            option = _takes_value(command, word)
        elif word in children:
            command, path = children[word], (*path, word)
        else:
            arguments += 1
    return Place(path, command, arguments, option)


def _possible(place: Place, typed: str) -> Iterator[Word]:
    if place.option is not None:
        yield from _values(place.option)
    elif typed.startswith("-"):
        for param in _options(place.command):
            for name in (*param.opts, *param.secondary_opts):
                yield name, param.help or ""
        yield "--help", "Show this message and exit."
    elif place.arguments:
        return  # a name that is no command here, or the second argument of one
    elif children := getattr(place.command, "commands", {}):
        said = getattr(children, "entries", None)  # a lazy list says it without loading anything
        for name in children:
            yield name, said[name].said if said else children[name].get_short_help_str(60)
    else:
        yield from ((name, "") for name in names_of(place.path))


def _options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and not p.hidden]


def _takes_value(command: Any, word: str) -> Any:
    """The option that `word` names, where its value is the next word."""
    for param in _options(command):
        if word in (*param.opts, *param.secondary_opts) and not param.is_flag:
            return param
    return None


def _values(option: Any) -> Iterator[Word]:
    choices = getattr(option.type_descriptor, "choices", None) or ()
    for choice in choices:
        yield str(getattr(choice, "value", choice)), ""


def _is_plain(word: str) -> bool:
    """Nothing that a shell would read as more than a word."""
    return bool(word) and all(c.isalnum() or c in "-_./:@+=," for c in word) and word.isascii()
