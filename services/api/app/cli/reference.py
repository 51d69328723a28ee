"""The only place that writes docs/cli.md: `python -m app.cli.reference` prints the command tree."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer

from app.cli.outcomes import MEANINGS
from app.cli.tree import app

_WIDTH: Final = 88

_INTRODUCTION: Final = """\
# The command line

Made from the command tree by `python -m app.cli.reference`; a test fails when it is out of date.

`lmx` is a client of the running server: it talks to it over HTTP on loopback and never goes around
the authority. Only `lmx serve` starts one, and `lmx service` has the system start it. What needs no
server (`backup`, `config check`, `doctor`, `service`, `witness`) or must have none running
(`backup restore`, `keys recover`) reads LMX_HOME itself, as the account that owns it.

| environment | |
|---|---|
| `LMX_URL` | the server, as `--server` does; loopback only |
| `LMX_KEY` | the key to use |
| `LMX_HOME` | where the state is (`~/.lmx`), and in it `operator.key`, used when \
`LMX_KEY` is not set; readable by its owner alone, or it is refused |
| `LMX_WITNESS_HOME` | the directory of a witness, for `lmx witness` (`~/.lmx-witness`) |
| `NO_COLOR` | no colours |
| `LMX_TRACEBACK` | set: a fault in lmx itself ends with a traceback, not with a sentence |

Every listing takes `--json`: JSON alone on stdout. Messages, progress and questions go to stderr.
What needs an approval ([approvals.md](approvals.md)) shows its plan and asks for a phrase that a
person types in a terminal; nothing skips it. Where somebody else has to approve it exits with 4.
"""


def render() -> str:
    """The whole page, the same on every machine."""
    exits = [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]
    parts = [_INTRODUCTION, "| exit code | |\n|---|---|\n" + "\n".join(exits) + "\n"]
    parts += [
        f"## `{' '.join(names)}`\n\n```text\n{page}\n```\n" for names, page in _pages(app, ("lmx",))
    ]
    return "\n".join(parts)


def _pages(command: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    context = typer.Context(command, info_name=" ".join(names), terminal_width=_WIDTH)
    yield names, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    below: Mapping[str, Any] = getattr(command, "commands", {})
    for name, child in below.items():
        yield from _pages(child, (*names, name))


if __name__ == "__main__":
    sys.stdout.write(render())
