"""`lmx keys`: who may ask for what. Creating and revoking are asks that a person approves."""

from typing import Annotated, Any

import typer

from app.cli import asking, keys_recover, output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import clean, one_line, utc_seconds
from app.domain.actors import Role

Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Whoever approves it will read this.")
]

app = typer.Typer(name="keys", help="Create, list and revoke keys.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what will use the key.")],
    role: Annotated[
        list[Role], typer.Option("--role", help="What it may be used for; may be repeated.")
    ],
    person: Annotated[
        str | None,
        typer.Option(
            "--person", metavar="ID", help="Whose it is, as `lmx people ls` shows; else yours."
        ),
    ] = None,
    reason: Reason = "",
    server: ServerUrl = SERVER,
) -> None:
    """Ask for a key, and make it once that is approved. Its secret is shown once, to you.

    Where one person may approve alone, this shows the plan and lets you type its phrase.
    """
    _refuse_hidden_characters(name)
    params = {"name": name, "roles": sorted({one.value for one in role})}
    if person is not None:
        params["person"] = person
    from app.cli.connection import connected

    with connected(server) as authority:
        asking.governed(authority, "key_create", params, reason=reason)


@app.command("ls")
def ls(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """List the keys, never their secrets."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/keys")
    found = rows(answer, "keys")
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("id", "name", "roles", "created", "state"), map(_row, found), empty="There are no keys."
    )


app.command("recover")(keys_recover.recover)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `lmx keys ls` shows it.")],
    reason: Reason = "",
    server: ServerUrl = SERVER,
) -> None:
    """Ask for a key's end, for good, and revoke it once that is approved."""
    _refuse_hidden_characters(key_id)
    from app.cli.connection import connected

    with connected(server) as authority:
        asking.governed(authority, "key_revoke", {"key": key_id}, reason=reason)
    output.say(f"Key {key_id} is revoked.")


def _row(key: dict[str, Any]) -> tuple[str, ...]:
    revoked = key.get("revoked")
    return (
        one_line(key.get("id")),
        one_line(key.get("name")),
        one_line(key.get("roles")),
        utc_seconds(key.get("created")),
        f"revoked {utc_seconds(revoked)}" if revoked else "active",
    )


def _refuse_hidden_characters(given: str) -> None:
    """What a person confirms must be what they read."""
    if not given.strip() or given != given.strip() or clean(given, keep="") != given:
        raise CommandError(
            "That name is empty or has blanks around it or characters that cannot be seen. "
            "Type it without them.",
            exit_code=ExitCode.USAGE,
        )
