"""A group of commands of which only the one that is asked for is loaded.

`lmx --help` and completion name every command and load none; `lmx models ls` loads `models`.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as it stands in the list: what is said of it, in one line, and how it is loaded.

    `load` imports late and returns a function (one command) or a `typer.Typer` (a group).
    """

    said: str
    load: Callable[[], Any]


class LazyCommands(MutableMapping[str, Any]):
    """Names at once, each command when it is looked up."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries: Final = entries
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _built(name, self.entries[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries


class Group(TyperGroup):
    """A group that finds its command without pydantic, which takes longer to load than all else.

    Typer coerces every value that is no bool already, the help flag's None of a group included.
    """

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option


class LazyGroup(Group):
    """A group whose `commands` are `LazyCommands`; its help reads what the entries say."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(self.commands)  # as upstream's, which looks each of them up

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        commands = self.commands
        if isinstance(commands, LazyCommands):
            with formatter.section("Commands"):
                formatter.write_dl([(name, one.said) for name, one in commands.entries.items()])


def lazy(app: typer.Typer, entries: Mapping[str, Entry]) -> Any:
    """The command of `app`, a Typer with `cls=LazyGroup`, over these entries."""
    group: Any = typer.main.get_command(app)
    group.commands = LazyCommands(entries)
    return group


def _built(name: str, entry: Entry) -> Any:
    """As Typer builds a command or a group that is registered when a program starts."""
    loaded = entry.load()
    around = typer.Typer(rich_markup_mode=None)
    if isinstance(loaded, typer.Typer):
        around.add_typer(loaded, name=name, cls=Group)
    else:
        around.command(name, short_help=entry.said)(loaded)
    return typer.main.get_group(around).commands[name]
