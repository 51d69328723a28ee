"""A document is checked, loaded, listed and compared; loading it changes nothing."""

import pytest

from app.authority.guarding import Guarding
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import (
    GuardrailsInvalid,
    GuardrailsNotFound,
    InvalidRequest,
)
from tests.fakes.guardrails import SHARE, SHIPPED, House, edited

CHANGE = "primitives/blocked_attempts/priors/change/high"


async def test_loading_keeps_a_new_version_and_changes_nothing(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    before = guards.now
    loaded = await cases.load(owner, edited({SHARE: 0.4}), "yaml", "tighter")
    assert (loaded["version"], loaded["loaded"]) == (2, True)
    assert loaded["changed"] == [SHARE]
    assert loaded["affected"] == ["large-models"]
    assert guards.now is before
    second, first = (await cases.versions(owner))["versions"]
    assert (first["active"], first["tasks"], second["active"], second["tasks"]) == (
        True,
        4,
        False,
        0,
    )
    assert (second["note"], second["loaded_by"]) == ("tighter", owner.id)
    assert second["activated_us"] is None


async def test_versions_are_listed_a_page_at_a_time_the_newest_first(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    for value in (0.4, 0.41, 0.42):
        guards.load(edited({SHARE: value}))
    listed, cursor, actives = [], None, set()
    for _ in range(2):
        page = await cases.versions(owner, cursor=cursor, limit=2)
        listed.append([one["version"] for one in page["versions"]])
        cursor = page["next"]
        actives.add(page["active"])
    assert (listed, cursor, actives) == ([[4, 3], [2, 1]], None, {1})
    end = await cases.versions(owner, cursor="1")
    assert (end["versions"], end["next"], end["active"]) == ([], None, 1)
    for odd in ("x", "-1", "", "\u0661", "9" * 16):
        with pytest.raises(InvalidRequest) as refused:
            await cases.versions(owner, cursor=odd)
        assert refused.value.param == "cursor"
        assert "`next`" in refused.value.message


async def test_the_same_document_is_the_version_that_it_is(cases: Guarding, owner: Actor) -> None:
    for text in (SHIPPED, f"# a comment\n{SHIPPED}"):
        loaded = await cases.load(owner, text)
        assert (loaded["version"], loaded["loaded"], loaded["changed"]) == (1, False, [])
    assert len((await cases.versions(owner))["versions"]) == 1


async def test_a_document_in_markdown_is_kept_as_it_was_written(
    cases: Guarding, owner: Actor
) -> None:
    text = f"# Ours\n\n```yaml\n{edited({'name': 'ours'})}```\n"
    loaded = await cases.load(owner, text, "markdown")
    version = await cases.version(owner, loaded["version"])
    assert (version["form"], version["document"]) == ("markdown", text)


async def test_a_document_with_errors_is_not_loaded_and_checking_it_names_all_of_them(
    cases: Guarding, owner: Actor
) -> None:
    text = edited({"nonsense": True, "constraints/max_conditions": "many"})
    checked = await cases.check(owner, text)
    assert checked["ok"] is False
    paths = {error["path"] for error in checked["errors"]}
    assert paths == {"nonsense", "constraints/max_conditions"}
    assert all(error["line"] > 0 for error in checked["errors"])
    with pytest.raises(GuardrailsInvalid) as refused:
        await cases.load(owner, text)
    assert refused.value.details["errors"] == checked["errors"]
    assert len((await cases.versions(owner))["versions"]) == 1


async def test_checking_says_what_differs_from_the_active_document(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    checked = await cases.check(owner, edited({SHARE: 0.4}))
    assert (checked["ok"], checked["changed"], checked["errors"]) == (True, [SHARE], [])
    await guards.activated(edited({SHARE: 0.4}))
    assert (await cases.check(owner, edited({SHARE: 0.4})))["changed"] == []


async def test_two_documents_are_compared_key_by_key(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    guards.load(edited({SHARE: 0.4, "name": "another"}))
    diff = await cases.diff(owner, 1, 2)
    assert diff["changes"] == [
        {"key": "name", "before": "shipped", "after": "another"},
        {"key": SHARE, "before": 0.5, "after": 0.4},
    ]
    assert diff["affected"] == ["large-models"]
    with pytest.raises(GuardrailsNotFound):
        await cases.diff(owner, 1, 3)


@pytest.mark.parametrize(("form", "note"), [("toml", ""), ("yaml", "x" * 501)])
async def test_what_is_no_form_or_note_is_refused(
    cases: Guarding, owner: Actor, form: str, note: str
) -> None:
    with pytest.raises(InvalidRequest):
        await cases.load(owner, SHIPPED, form, note)


def test_loading_takes_a_grant_of_its_own(guards: House, owner: Actor) -> None:
    may = grant(owner, Permission.GUARDRAILS_READ)
    with pytest.raises(TypeError):
        guards.changing.load(may, SHIPPED, "yaml", "")
