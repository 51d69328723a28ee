"""What holds is what the ledger recorded; whatever was changed by other means decides nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from app.authority.guardrails import documents
from app.authority.guardrails.adopting import DOCUMENT, TASKS, adopt
from app.authority.guardrails.changing import Changing
from app.authority.guardrails.definitions import from_bytes, to_bytes
from app.authority.guardrails.standing import Now, Standing
from app.authority.guardrails.status import in_force
from app.authority.guardrails.store import Marks
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable, GuardrailsInvalid, StartRefused
from app.settings import TEMPLATES
from tests.fakes.asks import open_office
from tests.fakes.database import connections_closed
from tests.fakes.guardrails import SHARE, SHIPPED, House, edited

SHIPPED_TASKS = {"verified-formats", "large-models", "blocked-attempts", "known-sources"}
KINDS = ["guardrails_loaded", "guardrails_activated", "guardrails_bound"]


def told(house: House) -> list[str]:
    events = house.office.ledger.events(limit=1000)
    return [event.kind for event in events if event.kind in KINDS]


def held(now: Now) -> tuple[object, ...]:
    return now.version, now.definitions, now.compiled_under, now.policy_part, now.generation


@contextmanager
def before_the_first_start(home: Path) -> Iterator[House]:
    with connections_closed():
        office = open_office(home)
        standing = Standing(office.ledger, office.engine)
        yield House(office, standing, Changing(standing, office.clock))
        office.close()


# --- the first start ------------------------------------------------------------------------


def test_the_first_start_adopts_what_ships(guards: House) -> None:
    now = guards.now
    assert (now.version, set(now.definitions)) == (1, SHIPPED_TASKS)
    assert {bound.task for bound in now.rules.bounds} == SHIPPED_TASKS
    assert told(guards) == KINDS
    events = guards.office.ledger.events(limit=1000)
    assert {e.actor for e in events if e.kind in KINDS} == {"system"}


def test_the_next_start_adopts_nothing(guards: House) -> None:
    adopted = adopt(guards.changing, guards.office.ledger, TEMPLATES)
    assert (adopted.now, adopted.another_ships) == (False, False)
    assert told(guards) == KINDS


def test_what_a_later_release_ships_is_not_adopted_by_itself(guards: House, tmp_path: Path) -> None:
    (tmp_path / DOCUMENT).write_text(edited({SHARE: 0.4}))
    before = guards.now
    adopted = adopt(guards.changing, guards.office.ledger, tmp_path)
    assert (adopted.now, adopted.another_ships) == (False, True)
    assert held(guards.standing.checked()) == held(before)


def test_before_the_first_start_nothing_holds(tmp_path: Path) -> None:
    with (
        before_the_first_start(tmp_path / "home") as house,
        pytest.raises(AuditUnavailable, match="adopts"),
    ):
        house.standing.current()


@pytest.mark.parametrize("steps", [1, 2])
def test_a_first_start_that_was_interrupted_is_gone_on_with(tmp_path: Path, steps: int) -> None:
    with before_the_first_start(tmp_path / "home") as house:
        row = house.changing.keep(SHIPPED, "yaml", "", SYSTEM).row
        if steps == 2:
            house.changing.set_active(
                row.version, house.standing.documents.get(row.version), SYSTEM
            )
            assert house.now.definitions == {}
        assert adopt(house.changing, house.office.ledger, TEMPLATES).now
        assert (house.now.version, set(house.now.definitions)) == (1, SHIPPED_TASKS)
        assert told(house) == KINDS


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        (DOCUMENT, "version: 1\nnonsense: true\n", "cannot be used"),
        (TASKS, "version: 1\ntasks: {odd: {intent: Do what is right}}\n", "odd does not compile"),
        (TASKS, "version: 1\ntasks: {Odd: {intent: Alert when latency rises}}\n", "Odd"),
        (TASKS, "version: 1\ntasks: {odd: {text: Alert}}\n", "has an intent"),
        (TASKS, "version: 2\ntasks: {}\n", "version: 1"),
        (TASKS, "version: 1\n", "version: 1"),
        (TASKS, "version: 1\nversion: 1\n", "twice"),
    ],
)
def test_what_cannot_be_adopted_refuses_the_start_and_leaves_nothing(
    tmp_path: Path, file: str, content: str, match: str
) -> None:
    copytree(TEMPLATES, tmp_path / "config")
    (tmp_path / "config" / file).write_text(content)
    with before_the_first_start(tmp_path / "home") as house:
        with pytest.raises(StartRefused, match=match):
            adopt(house.changing, house.office.ledger, tmp_path / "config")
        assert house.standing.store.marks() == Marks(0, 0, 0)
        assert told(house) == []


def test_an_installation_may_ship_without_tasks(tmp_path: Path) -> None:
    copytree(TEMPLATES, tmp_path / "config")
    (tmp_path / "config" / TASKS).write_text("version: 1\ntasks: {}\n")
    with before_the_first_start(tmp_path / "home") as house:
        assert adopt(house.changing, house.office.ledger, tmp_path / "config").now
        assert not adopt(house.changing, house.office.ledger, tmp_path / "config").now
        assert house.standing.checked().definitions == {}


# --- at a glance ------------------------------------------------------------------------------


def test_what_is_in_force_is_said_in_a_few_values(guards: House) -> None:
    assert in_force(guards.standing) == {"version": 1, "tasks": 4, "trouble": None}


def test_guardrails_that_do_not_hold_are_in_trouble_and_say_why(tmp_path: Path) -> None:
    with before_the_first_start(tmp_path / "home") as house:
        found = in_force(house.standing)
    assert (found["version"], found["tasks"]) == (None, None)
    assert "adopts" in found["trouble"]


# --- from memory, and read anew ---------------------------------------------------------------


async def test_what_holds_is_in_memory_until_it_changes(guards: House) -> None:
    before = guards.now
    assert guards.now is before
    guards.load(edited({SHARE: 0.4}))
    assert guards.now is before
    await guards.does("retire", task="large-models")
    after = guards.now
    assert set(after.definitions) == SHIPPED_TASKS - {"large-models"}
    assert after.generation > before.generation
    assert after.policy_part != before.policy_part
    assert held(after) == held(guards.standing.checked())


async def test_every_change_is_another_policy(guards: House) -> None:
    parts = [guards.now.policy_part]
    await guards.activated(edited({"name": "another"}))
    parts.append(guards.now.policy_part)
    await guards.does("add", id="slow", intent="Alert when latency rises")
    parts.append(guards.now.policy_part)
    await guards.does("retire", task="slow")
    assert guards.now.policy_part == parts[1]
    assert len(set(parts)) == 3


async def test_another_process_of_the_same_home_says_the_same(guards: House) -> None:
    await guards.does("add", id="slow", intent="Alert when latency rises")
    office = guards.office
    again = Standing(office.ledger, office.engine).current()
    assert held(again) == held(guards.now)


def test_a_state_that_changes_while_it_is_read_is_read_again(
    guards: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Marks] = []
    marks, store = guards.standing.store.marks, guards.standing.store

    def moving() -> Marks:
        seen.append(marks())
        count = len(seen)
        return Marks(1, 1, 100 + count) if count <= 4 else seen[-1]

    monkeypatch.setattr(store, "marks", moving)
    assert set(guards.standing.checked().definitions) == SHIPPED_TASKS
    assert len(seen) > 4


def test_a_state_that_never_stands_still_is_refused(
    guards: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(1000))
    monkeypatch.setattr(guards.standing.store, "marks", lambda: Marks(1, 1, next(count)))
    with pytest.raises(AuditUnavailable, match="being changed"):
        guards.standing.checked()


def test_a_document_that_this_release_cannot_read_decides_nothing(
    guards: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise GuardrailsInvalid("There is no strategy z_score.", details={"errors": []})

    monkeypatch.setattr(documents, "read_again", unreadable)
    office = guards.office
    with pytest.raises(AuditUnavailable, match="no strategy z_score"):
        Standing(office.ledger, office.engine).current()


# --- changed by other means -----------------------------------------------------------------


def another_body(house: House) -> bytes:
    """The definition of `verified-formats` with another action, which carries its own hashes."""
    row = house.standing.store.definition("verified-formats", 1)
    assert row is not None
    return to_bytes(from_bytes(row.body)).replace(b'"block"', b'"alert"')


ALTERED = {
    "a document": "UPDATE guardrails_version SET document = CAST(document || x'23' AS BLOB)",
    "all documents": "DELETE FROM guardrails_version",
    "a document's hash": f"UPDATE guardrails_version SET hash = '{'0' * 64}'",
    "what is active": "UPDATE guardrails_activation SET version = 2",
    "an activation": "DELETE FROM guardrails_activation",
    "a binding": "UPDATE guardrails_binding SET definition = NULL WHERE task = 'large-models'",
    "all bindings": "DELETE FROM guardrails_binding",
    "one binding": "DELETE FROM guardrails_binding WHERE seq = 4",
    "a binding hash": (
        f"UPDATE guardrails_definition SET binding_hash = '{'0' * 64}' WHERE id = 'large-models'"
    ),
    "a graph's hash": (
        f"UPDATE guardrails_definition SET ir_hash = '{'0' * 64}' WHERE id = 'large-models'"
    ),
    "its document": "UPDATE guardrails_definition SET guardrails = 2 WHERE id = 'large-models'",
    "a body": "UPDATE guardrails_definition SET body = x'7b7d' WHERE id = 'large-models'",
}


@pytest.mark.parametrize("statement", ALTERED.values(), ids=ALTERED.keys())
def test_a_row_that_was_changed_by_other_means_is_noticed(guards: House, statement: str) -> None:
    guards.load(edited({SHARE: 0.4}))
    before = guards.now
    guards.sql(statement)
    office = guards.office
    for standing in (guards.standing, Standing(office.ledger, office.engine)):
        with pytest.raises(AuditUnavailable):
            standing.checked()
        with pytest.raises(AuditUnavailable):
            standing.current()
    assert before.definitions


def test_a_body_that_says_something_else_is_noticed(guards: House) -> None:
    guards.sql(
        "UPDATE guardrails_definition SET body = ? WHERE id = 'verified-formats'",
        another_body(guards),
    )
    with pytest.raises(AuditUnavailable, match="by other means"):
        guards.standing.checked()


ADDED = {
    "an activation": "INSERT INTO guardrails_activation VALUES (2, 2, NULL, 1, 'x')",
    "a retirement": "INSERT INTO guardrails_binding VALUES (5, 'large-models', NULL, NULL, 1, '')",
    "a binding of old": "INSERT INTO guardrails_binding VALUES (5, 'large-models', 1, NULL, 1, '')",
}


@pytest.mark.parametrize("name", ["an activation", "a retirement"])
def test_a_row_that_was_added_by_other_means_is_noticed_at_once(guards: House, name: str) -> None:
    guards.load(edited({SHARE: 0.4}))
    assert guards.now
    guards.sql(ADDED[name])
    with pytest.raises(AuditUnavailable, match="by other means"):
        guards.standing.current()


def test_a_row_that_says_what_holds_anyway_changes_nothing(guards: House) -> None:
    before = guards.now
    guards.sql(ADDED["a binding of old"])
    assert guards.now.definitions == before.definitions


def test_what_is_in_memory_goes_on_deciding_rightly_until_it_is_looked_at(guards: House) -> None:
    before = guards.now
    guards.sql(ALTERED["a body"])
    assert guards.now is before
    with pytest.raises(AuditUnavailable):
        guards.standing.checked()


async def test_a_definition_that_others_refer_to_is_held_as_well(guards: House) -> None:
    await guards.does("add", id="big", intent="Alert when loading if size is above 20 GB")
    both = {
        "action": "block",
        "points": ["load"],
        "when": {
            "all": [
                {"condition": "big", "version": 1},
                {"primitive": "model_format", "term": "unverified format"},
            ]
        },
    }
    await guards.does("add", id="both", intent=both)
    await guards.does("retire", task="big")
    assert "both" in guards.standing.checked().definitions
    guards.sql("UPDATE guardrails_definition SET guardrails = 2 WHERE id = 'big'")
    with pytest.raises(AuditUnavailable, match="by other means"):
        guards.standing.checked()


def test_documents_are_kept_to_the_byte_with_their_evidence(guards: House) -> None:
    text = "# mine\n" + edited({"name": "mine"})
    loaded = guards.load(text, "why")
    assert guards.standing.documents.row(2).document == text.encode()
    assert yaml.safe_load(text)["name"] == guards.standing.documents.get(2).document.name
    (event,) = guards.office.ledger.events(kind="guardrails_loaded")[1:]
    assert (event.data["version"], event.data["note"]) == (2, "why")
    assert event.data["hash"] == loaded.row.hash
