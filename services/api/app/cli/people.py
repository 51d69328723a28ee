"""`lmx people`: who the ids in the ledger are; naming one more, erasing a name: typed phrases."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import confirmation, output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import clean, one_line, utc_seconds

if TYPE_CHECKING:
    from app.cli.connection import Server

app = typer.Typer(name="people", help="List people, name one, erase a name.", no_args_is_help=True)


@app.command("ls")
def ls(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """List the people that the ledger knows by id, their names and their keys."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/people")
    found = rows(answer, "people")
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("id", "name", "since", "keys"), map(_row, found), empty="No person is known."
    )


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As other people know them.")],
    server: ServerUrl = SERVER,
) -> None:
    """Name one more person. That gives them no right: keys are asked for. Asks for a phrase."""
    confirmation.require_terminal("Naming a person")
    from app.cli.connection import connected

    with connected(server) as authority:
        added = added_person(authority, name)
    output.say(f"{_name(added)} is {one_line(added.get('id'))}.")


@app.command("erase")
def erase(
    person: Annotated[str, typer.Argument(metavar="ID", help="As `lmx people ls` shows it.")],
    server: ServerUrl = SERVER,
) -> None:
    """Erase a person's name, for good. Asks for a typed phrase; no flag skips that."""
    confirmation.require_terminal("Erasing a name")
    from urllib.parse import quote

    from app.cli.connection import connected, rows

    with connected(server) as authority:
        known = [
            p for p in rows(authority.get("/authority/people"), "people") if p.get("id") == person
        ]
        if not known:
            raise CommandError("There is no such person. `lmx people ls` lists people.")
        phrase = confirmation.typed(
            f"yes, erase the name of {person}",
            consequences=[
                *(f"{one_line(p.get('id'))} is {_name(p)}." for p in known),
                "The name and its salt are deleted. Nobody can bring them back, nor show by the",
                "ledger whose id this was. Events, proofs and checkpoints stay as they are.",
                "The ledger records that you erased it.",
            ],
        )
        path = f"/authority/people/{quote(person, safe='')}/erase"
        answer = authority.post(path, {"confirmation": phrase})
    output.say(f"The name of {person} is erased.")
    for place in answer.get("remains") or []:
        output.note(f"It may still be in {one_line(place)}.")


def added_person(authority: "Server", name: str) -> dict[str, Any]:
    """Name a person, once the phrase has been typed."""
    if not name.strip() or clean(name, keep="") != name or name != name.strip():
        raise CommandError(
            "That name is empty or has blanks around it or characters that cannot be seen. "
            "Type it without them.",
            exit_code=ExitCode.USAGE,
        )
    phrase = confirmation.typed(
        "yes, add this person",
        consequences=[
            f"This records {name} as one more person.",
            "The ledger gets an id, never the name; the name can",
            "be erased. It gives no right: keys are asked for.",
        ],
    )
    return authority.post("/authority/people", {"name": name, "confirmation": phrase})


def _row(person: dict[str, Any]) -> tuple[str, ...]:
    keys = person.get("keys")
    return (
        one_line(person.get("id")),
        _name(person),
        utc_seconds(person.get("created")),
        one_line(" ".join(map(str, keys)) if isinstance(keys, list) else keys),
    )


def _name(person: dict[str, Any]) -> str:
    return "(erased)" if person.get("erased") else one_line(person.get("name"))
