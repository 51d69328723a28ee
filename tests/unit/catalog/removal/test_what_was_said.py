"""What people said of a deleted model leaves with it, and comes back unless they said otherwise."""

from pathlib import Path

import pytest

from app.authority.catalog.annotations import Annotations
from app.authority.catalog.removal.entry import parse
from app.authority.catalog.removal.rows import put_back
from app.authority.ledger.writing import writing
from app.authority.permissions import Permission
from app.domain.terms import OwnTerms
from tests.fakes.removal import Attic

Chains = dict[str, tuple[str, ...]]


def said(attic: Attic) -> Annotations:
    """As a server that starts now reads it."""
    return Annotations(attic.catalog, attic.engine)


@pytest.fixture
def house(attic: Attic) -> Attic:
    for n, name in enumerate(("a/0", "a/1", "a/2")):
        attic.take(name, seed=n)
    return attic


def name_alias(attic: Attic, alias: str, *chain: str) -> None:
    said(attic).put_alias(attic.may(Permission.MODEL_CHANGE), chain[0], alias, chain[1:])


def test_a_deleted_model_forgets_its_terms_and_a_restored_one_has_them_again(house: Attic) -> None:
    change = house.may(Permission.MODEL_CHANGE)
    said(house).set_terms(change, "a/0", context=64, idle_s=0)
    said(house).set_terms(change, "a/1", slots=1)
    trash_id = house.delete("a/0")
    assert said(house).terms == {"a/1": OwnTerms(slots=1)}
    house.restore(trash_id)
    assert said(house).own_terms("a/0") == OwnTerms(64, None, 0)


def test_a_model_that_takes_the_name_of_a_deleted_one_takes_none_of_its_terms(
    house: Attic,
) -> None:
    said(house).set_terms(house.may(Permission.MODEL_CHANGE), "a/0", context=64)
    house.delete("a/0")
    house.take("a/0", seed=7)
    assert said(house).terms == {}


@pytest.mark.parametrize(
    ("chain", "left"),
    [
        (("a/0",), {}),
        (("a/0", "a/1", "a/2"), {"x": ("a/1", "a/2")}),
        (("a/1", "a/0", "a/2"), {"x": ("a/1", "a/2")}),
        (("a/2", "a/1"), {"x": ("a/2", "a/1")}),
    ],
)
def test_a_deleted_model_leaves_the_chains_and_a_restored_one_is_back_in_its_place(
    house: Attic, chain: tuple[str, ...], left: Chains
) -> None:
    name_alias(house, "x", *chain)
    trash_id = house.delete("a/0")
    assert said(house).chains() == left
    house.restore(trash_id)
    assert said(house).chains() == {"x": chain}


def test_an_alias_that_people_changed_meanwhile_stays_as_they_want_it(house: Attic) -> None:
    change = house.may(Permission.MODEL_CHANGE)
    name_alias(house, "moved", "a/0", "a/1")
    name_alias(house, "taken", "a/0")
    name_alias(house, "gone", "a/0", "a/1")
    trash_id = house.delete("a/0")
    name_alias(house, "moved", "a/2")
    name_alias(house, "taken", "a/1")
    said(house).remove_alias(change, "a/1", "gone")
    house.restore(trash_id)
    assert said(house).chains() == {"moved": ("a/2",), "taken": ("a/1",)}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_models_that_were_deleted_one_after_the_other_find_their_alias_in_either_order(
    house: Attic, order: tuple[int, int]
) -> None:
    name_alias(house, "x", "a/0", "a/1")
    entries = (house.delete("a/0"), house.delete("a/1"))
    assert said(house).chains() == {}
    house.restore(entries[order[0]])
    assert said(house).chains() == {"x": (f"a/{order[0]}",)}
    house.restore(entries[order[1]])
    leads = said(house).chains()["x"]
    assert leads == (("a/0",) if order == (0, 1) else ("a/0", "a/1"))


def test_an_id_that_begins_like_another_is_another(attic: Attic) -> None:
    for n, name in enumerate(("a/b", "a/bc", "z/a")):
        attic.take(name, seed=n)
    name_alias(attic, "x", "z/a", "a/bc")
    attic.delete("a/b")
    assert said(attic).chains() == {"x": ("z/a", "a/bc")}
    (entry,) = attic.trash.entries()
    assert attic.trash.bin.get(entry.id)[1].rows["model_alias"] == []


def test_an_entry_of_a_release_without_terms_and_chains_is_restored(house: Attic) -> None:
    name_alias(house, "x", "a/0")
    trash_id = house.delete("a/0")
    _, entry = house.trash.bin.get(trash_id)
    before = entry.as_json().replace(b',"model_terms":[]', b"").replace(b'"fallbacks":"[]",', b"")
    assert before != entry.as_json()
    with writing(house.engine) as connection:
        put_back(connection, parse(before), now_us=1)
    assert said(house).chains() == {"x": ("a/0",)}
    assert said(house).terms == {}


def test_what_is_remembered_follows_a_deletion(house: Attic, tmp_path: Path) -> None:
    known = said(house)
    known.set_terms(house.may(Permission.MODEL_CHANGE), "a/0", slots=1)
    known.put_alias(house.may(Permission.MODEL_CHANGE), "a/0", "x", ["a/1"])
    house.delete("a/0")
    known.refresh()
    assert (known.terms, known.chains()) == ({}, {"x": ("a/1",)})
