"""`lmx config`: what is set, where it comes from, what is wrong with it, and reading it anew."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line

app = typer.Typer(
    help="Settings: what is in force, what config.yaml says, and reading it anew.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_WIDE = 100
"""Columns that the table takes when every setting is its default."""

_File = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="Another file than LMX_HOME/config.yaml."),
]


@app.command()
def show(
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what is not the default, or waits.")
    ] = False,
) -> None:
    """Each setting, its value, and where that comes from.

    From the server, where one answers; else what the next start would use.
    """
    answer = _from_server(server) or _from_file()
    rows = [row for row in answer["settings"] if not changed or _is_changed(row)]
    if as_json:
        output.as_json({**answer, "settings": rows})
    else:
        _say_settings(rows)
        _say_rest(answer)
    if answer["problems"]:
        raise CommandError(
            f"{one_line(answer['file'])} cannot be used as it is now: `lmx config check` says why.",
            exit_code=ExitCode.FAILED,
        )


@app.command()
def check(file: _File = None, as_json: AsJson = False) -> None:
    """Say everything that is wrong with config.yaml. Nothing is changed, and no server asked."""
    from app.configuration.origins import rows as rows_of
    from app.configuration.reading import Unusable, loaded

    path = file or _home() / "config.yaml"
    if file is not None and not file.exists():
        raise CommandError(f"There is no {one_line(str(file))}.", exit_code=ExitCode.USAGE)
    problems: list[dict[str, Any]] = []
    other: list[str] = []
    try:
        found = rows_of(loaded(path), None)
        other = [row["name"] for row in found if _is_changed(row)]
    except Unusable as error:
        problems = [{"line": each.line, "problem": each.said} for each in error.problems]
    if as_json:
        output.as_json({"file": str(path), "problems": problems})
    elif problems:
        output.say(*(_placed(each) for each in problems))
    else:
        said = f"Not the default: {', '.join(other)}." if other else "All is the default."
        is_there = path.exists()
        output.say(f"{path} can be used. {said}" if is_there else f"There is no {path} yet. {said}")
    if problems:
        count = f"{len(problems)} problem" + ("s" if problems[1:] else "")
        raise CommandError(f"{path} cannot be used: {count}.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of config.yaml, for editors."""
    from app.configuration.schema import schema as made

    output.exactly(json.dumps(made(), indent=2, ensure_ascii=False) + "\n")


@app.command()
def reload(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Put config.yaml in force, as far as no restart is needed.

    What needs one is named. A file that is wrong changes nothing.
    """
    from app.cli.connection import connected

    try:
        with connected(server) as authority:
            answer = authority.post("/authority/config/reload", {})
    except CommandError as error:
        problems = _listed(error.problem, "problems")
        for problem in problems if problems[1:] else []:
            output.note(one_line(problem))
        raise
    if as_json:
        output.as_json(answer)
        return
    changed, waiting = _listed(answer, "changed"), _listed(answer, "waiting")
    output.say(
        f"In force now: {', '.join(map(one_line, changed))} (event {answer.get('event')})."
        if changed
        else "Nothing changed: what needs no restart is in force as the file says it."
    )
    if waiting:
        output.say(f"Waits for a restart: {', '.join(map(one_line, waiting))}.")


def _from_server(url: str) -> dict[str, Any] | None:
    """What a running server says; None, with a word about it, where none can be asked."""
    from app.cli.connection import connected, rows

    try:
        with connected(url) as authority:
            answer = authority.get("/authority/config")
    except CommandError as error:
        first = error.sentence.splitlines()[0]
        output.note_wrapped(f"{first} Shown is what the next start would use.")
        return None
    return {
        "from": url,
        "file": answer.get("file"),
        "home": answer.get("home"),
        "settings": rows(answer, "settings"),
        "problems": _listed(answer, "problems"),
    }


def _from_file() -> dict[str, Any]:
    from app.configuration.origins import rows
    from app.configuration.reading import Unusable, loaded

    home = _home()
    path = home / "config.yaml"
    try:
        found = loaded(path)
    except Unusable as error:
        for problem in error.problems:
            output.note(str(problem))
        raise CommandError(f"{path} cannot be used, so that no server starts.") from error
    return {
        "from": "file",
        "file": str(path),
        "home": str(home),
        "settings": rows(found, found),
        "problems": [],
    }


def _say_settings(rows: list[dict[str, Any]]) -> None:
    """A table; where the terminal is too narrow for it, a line for each, as in the file."""
    shown = [(one_line(row["name"]), _shown(row["value"]), one_line(row["origin"])) for row in rows]
    width = output.width()
    if not shown or width is None or width >= _WIDE:
        output.show_table(("SETTING", "VALUE", "FROM"), shown, empty="Everything is a default.")
        return
    output.say(*(f"{name}: {value}  # {origin}" for name, value, origin in shown))


def _say_rest(answer: Mapping[str, Any]) -> None:
    for row in answer["settings"]:
        waiting = row.get("waiting")
        if isinstance(waiting, dict):
            what = "lmx config reload" if waiting.get("for") == "reload" else "a restart"
            output.say(
                f"{one_line(row['name'])}: {_shown(waiting.get('value'))} in "
                f"{one_line(waiting.get('origin'))} waits for {what}."
            )
    output.note_wrapped(f"{_home_of(answer)} {one_line(answer['home'])}.")


def _is_changed(row: Mapping[str, Any]) -> bool:
    return row["value"] != row.get("default") or "waiting" in row


def _shown(value: Any) -> str:
    """As it would be written in the file."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _listed(answer: Mapping[str, Any], name: str) -> list[Any]:
    found = answer.get(name)
    return found if isinstance(found, list) else []


def _home() -> Path:
    import os

    from app.cli.address import home

    return home(os.environ)


def _home_of(answer: Mapping[str, Any]) -> str:
    import os

    if answer["from"] != "file":
        return "The server keeps its state in"
    return "LMX_HOME, set by the environment, is" if os.environ.get("LMX_HOME") else "LMX_HOME is"


def _placed(problem: Mapping[str, Any]) -> str:
    line = problem["line"]
    return f"line {line}: {problem['problem']}" if line else str(problem["problem"])
