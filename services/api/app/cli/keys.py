"""`lmx keys`: who may ask for what. Creating and revoking need a phrase that a person types."""

from typing import Annotated, Any

import typer

from app.cli import confirmation, output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import clean, one_line, utc_seconds
from app.domain.actors import Role

app = typer.Typer(name="keys", help="Create, list and revoke keys.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what will use the key.")],
    role: Annotated[
        list[Role], typer.Option("--role", help="What it may be used for; may be repeated.")
    ],
    server: ServerUrl = SERVER,
) -> None:
    """Create a key. Shows what will happen and asks for a typed phrase; no flag skips that."""
    confirmation.require_terminal("Creating a key")
    _refuse_hidden_characters(name)
    roles = sorted({r.value for r in role})
    from app.cli.connection import connected

    with connected(server) as authority:
        phrase = confirmation.typed(
            f"yes, create key {name}",
            consequences=[
                f"This creates a key named {name} with the role {' and '.join(roles)}.",
                "Whoever holds it may do what these roles may, until it is revoked.",
                "The ledger records that you created it. Its secret is shown once.",
            ],
        )
        body = {"name": name, "roles": roles, "confirmation": phrase}
        made = authority.post("/authority/keys", body)
    secret = made.get("secret")
    if not isinstance(secret, str):
        raise CommandError("The server answered without a secret. See `lmx keys ls`.")
    output.note(f"Key {one_line(made.get('id'))} ({one_line(name)}) was created.")
    output.note("This is the only time that its secret is shown. Store it now:")
    output.say(secret)


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


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `lmx keys ls` shows it.")],
    server: ServerUrl = SERVER,
) -> None:
    """Revoke a key, for good. Asks for a typed phrase; no flag skips that."""
    confirmation.require_terminal("Revoking a key")
    _refuse_hidden_characters(key_id)
    from urllib.parse import quote

    from app.cli.connection import connected, rows

    with connected(server) as authority:
        known = [k for k in rows(authority.get("/authority/keys"), "keys") if k.get("id") == key_id]
        phrase = confirmation.typed(
            f"yes, revoke key {key_id}",
            consequences=[
                *(
                    f"Key {one_line(k.get('id'))} is named {one_line(k.get('name'))}."
                    for k in known
                ),
                "Requests with it are refused from then on. It cannot be brought back.",
                "The ledger records that you revoked it.",
            ],
        )
        path = f"/authority/keys/{quote(key_id, safe='')}/revoke"
        authority.post(path, {"confirmation": phrase})
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
