"""`lmx setup`: from one person to several: who there is, who may approve, how many have to."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from app.cli import asking, confirmation, output
from app.cli.options import SERVER, ServerUrl
from app.cli.outcomes import CommandError
from app.cli.people import added_person
from app.cli.text import one_line, pick

if TYPE_CHECKING:
    from app.cli.connection import Server

GROUP: Final = "approvers"
_PROFILE: Final = f"{asking.ASKS}/profile"


def setup(server: ServerUrl = SERVER) -> None:
    """Name the people who approve, give them keys, and require more than one of them.

    Every step shows what it does and asks for a typed phrase. Ending early is fine.
    """
    confirmation.require_terminal("Setting up")
    from app.cli.connection import connected

    with connected(server) as authority:
        people, profile = _shown(authority)
        while name := confirmation.answered("Who else approves? Type a name. Empty: nobody else."):
            _give_key(authority, _known(people, name) or added_person(authority, name))
            people, profile = _shown(authority)
        _require_more(authority, profile)


def _shown(authority: "Server") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from app.cli.connection import rows

    people = rows(authority.get("/authority/people"), "people")
    profile = authority.get(_PROFILE)
    approvers = _texts(profile.get("approvers"))
    output.show_table(
        ("person", "name", "approves"),
        [
            (one_line(p.get("id")), _name(p), "yes" if p.get("id") in approvers else "no")
            for p in people
        ],
        empty="No person is known.",
    )
    output.show_fields(
        [
            ("profile", one_line(profile.get("kind"))),
            ("needed", f"{one_line(profile.get('needed'))} to approve"),
            ("duties apart", one_line(profile.get("separation_of_duties"))),
        ]
    )
    return people, profile


def _known(people: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The person that was typed: by id, or by the very name."""
    return next((p for p in people if name in (p.get("id"), p.get("name"))), None)


def _give_key(authority: "Server", person: Mapping[str, Any]) -> None:
    who = one_line(person.get("id"))
    output.note(f"{one_line(person.get('name'))} ({who})")
    output.note("gets a key to approve with. Hand its secret over in")
    output.note("person: whoever holds it approves as them.")
    # Named after the id: a key's name stays in the ledger, a person's can be erased.
    params = {"name": f"approver {who}", "roles": ["approver"], "person": who}
    asking.governed(authority, "key_create", params)


def _require_more(authority: "Server", profile: Mapping[str, Any]) -> None:
    """Turn `solo` into `dual`. What is dual already is changed by hand: that may loosen it."""
    approvers = _texts(profile.get("approvers"))
    if profile.get("kind") != "solo":
        output.say("More than one person is required already: lmx approvals profile")
        return
    most = len(approvers) - 1
    if most < 1:
        output.say("One person approves, and duties are not apart: name another one for that.")
        return
    said = confirmation.answered(
        f"How many others must approve what one asks for? 1 to {most}.\n"
        "Empty: stay with one person."
    )
    if not said:
        output.say("One person suffices, as before. Duties are not apart.")
        return
    if not said.isdecimal() or not 1 <= int(said) <= most:
        raise CommandError(f"That is not a number from 1 to {most}. The rule stays as it was.")
    several = "person" if int(said) == 1 else "persons"
    phrase = confirmation.typed(
        f"yes, require {int(said)} other {several}",
        consequences=[
            f"From now on {int(said)} of the others must approve.",
            "Who asks cannot, with whichever key. Getting back needs",
            "their approval too.",
        ],
    )
    group = {"name": GROUP, "persons": approvers, "quorum": int(said)}
    body = {"kind": "dual", "groups": [group], "confirmation": phrase}
    saved = authority.post(_PROFILE, body)
    output.say(f"The profile is {one_line(pick(saved, 'kind'))} now: who asks cannot approve it.")


def _texts(found: object) -> list[str]:
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _name(person: Mapping[str, Any]) -> str:
    return "(erased)" if person.get("erased") else one_line(person.get("name"))
