"""docs/configuration.md, config/config.yaml and its JSON Schema: all from the settings' fields."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from app.configuration.schema import schema as schema_of
from app.configuration.table import RELOAD, Part, Row, nested, parts

_WIDTH: Final = 98
_HEAD: Final = """\
# yaml-language-server: $schema=config.schema.json
# LMX Authority: settings. This file is the versioned template; the first start copies it to
# $LMX_HOME/config.yaml (default ~/.lmx/config.yaml). Edit the copy; `lmx config check` says what is
# wrong with it, `lmx config reload` puts in force what is marked `reload`.
# Every value below is the default. An unknown key stops the start. No secret belongs in here.
"""
_ABOUT: Final = """\
# Configuration

All settings are in one file, `LMX_HOME/config.yaml`. The first start copies it from a
template in which every value is the default; what is left out has its default too. An unknown
name, a value of another kind, or a text that looks like a secret stops the start, and says in
which line it stands and what to write.

```console
$ lmx config check
$ lmx config show
$ lmx config reload
```

`lmx config check` says everything that is wrong with the file and changes nothing.
`lmx config show` says each value that is in force and where it comes from: the default, a line
of the file, or the command line. `lmx config reload`, or a SIGHUP to the server, reads the file
again. What is marked *reload* below counts from then on; what is marked *restart* waits for
the next start, and the answer names it. A file that is wrong changes nothing.

The environment decides two things: `LMX_HOME`, where all state is kept (default `~/.lmx`), and
for the command line `LMX_KEY` and `LMX_URL`. On the command line, `lmx serve --port` stands over
`port`.

For completion and checks in an editor that knows `yaml-language-server` (VS Code, Zed, Neovim):

```console
$ lmx config schema > ~/.lmx/config.schema.json
```
"""
_ENTRIES: Final = (("ledger.sinks", "SinkSettings"), ("limits.keys", "KeyLimits"))


def schema() -> str:
    return json.dumps(schema_of(), indent=2, ensure_ascii=False) + "\n"


def template() -> str:
    """`config/config.yaml`: each comment is its setting's description."""
    return _HEAD + "".join(f"\n{_written(part)}" for part in parts())


def page() -> str:
    singles = [row for part in parts() if not part.name for row in part.rows]
    sections = [part for part in parts() if part.name]
    said = [_ABOUT, "## Settings outside of a section\n", *_table(singles)]
    for part in sections:
        said += [f"\n## {part.name}\n", f"{part.about}\n", *_table(part.rows)]
        for of, definition in _ENTRIES:
            if of.startswith(f"{part.name}."):
                said += [f"\nWhat an entry of `{of}` holds:\n", *_table(nested(of, definition))]
    return "\n".join(said) + "\n"


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield "| setting | means | may be | default | a change counts after a |"
    yield "|---|---|---|---|---|"
    for row in rows:
        kind = ", ".join(part for part in (row.may_be, row.bounds) if part)
        default = f"`{_flow(row.default)}`"
        cells = (f"`{row.name}`", row.meaning, kind, default, row.counts_after)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _written(part: Part) -> str:
    if not part.name:
        (row,) = part.rows
        return f"{_comment(_marked(row))}{row.name}: {_flow(row.default)}\n"
    said = _comment(part.about)
    for row in part.rows:
        said += _comment(f"{_key(row)}: {_marked(row)}", indent="  ")
    values = "".join(f"  {_key(row)}: {_flow(row.default)}\n" for row in part.rows)
    return f"{said}{part.name}:\n{values}"


def _marked(row: Row) -> str:
    """The meaning; then, as a remark before its period, bounds and whether a reload counts."""
    said = [
        part for part in (row.bounds, RELOAD) if part and part in {row.bounds, row.counts_after}
    ]
    remark = f" [{'; '.join(said)}]" if said else ""
    period = "." if row.meaning.endswith(".") else ""
    return row.meaning.removesuffix(".") + remark + period


def _comment(text: str, indent: str = "") -> str:
    lines = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"# {indent}",
        subsequent_indent=f"# {indent}{'  ' if indent else ''}",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "".join(f"{line}\n" for line in lines)


def _key(row: Row) -> str:
    return row.name.rsplit(".", 1)[-1]


def _flow(value: Any) -> str:
    """A plain value as YAML in one line."""
    if isinstance(value, list):
        return f"[{', '.join(_flow(item) for item in value)}]"
    if isinstance(value, str):
        return value if value.replace("_", "").isalnum() or "://" in value else json.dumps(value)
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
