"""Who may do what, and that nobody gets around asking."""

import copy
import dataclasses
import pickle

import pytest

from app.authority.permissions import (
    ACTS,
    OPEN_WHILE_INFERENCE_IS,
    ROLES,
    Access,
    Grant,
    Permission,
    check,
    grant,
    require,
)
from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.refusals import Forbidden, KeyMissing

CLOSED = Access(inference_needs_key=True)


def actor(*roles: Role) -> Actor:
    return Actor(id="key:00000000", name="somebody", roles=frozenset(roles))


def test_every_permission_has_roles_and_words() -> None:
    assert set(Permission) == set(ROLES) == set(ACTS)
    assert all(ROLES.values())


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_exactly_what_the_table_says(permission: Permission, role: Role) -> None:
    if role in ROLES[permission]:
        held = grant(actor(role), permission, subject="x")
        require(held, permission)
        assert held.subject == "x"
    else:
        with pytest.raises(Forbidden) as refused:
            grant(actor(role), permission)
        assert role in refused.value.message
        assert refused.value.details["permission"] == permission


def test_an_advisor_may_propose_and_nothing_else() -> None:
    assert [may for may, roles in ROLES.items() if Role.ADVISOR in roles] == [
        Permission.SNAPSHOT_READ,
        Permission.PROPOSE,
    ]


def test_an_auditor_changes_nothing() -> None:
    may = {p for p, roles in ROLES.items() if Role.AUDITOR in roles}
    assert all(p.value.endswith((".read", ".fit", ".export")) for p in may)


def test_a_key_without_roles_may_nothing() -> None:
    for permission in Permission:
        with pytest.raises(Forbidden):
            check(actor(), permission)


@pytest.mark.parametrize("permission", Permission)
def test_anonymous_may_ask_models_while_inference_is_open(permission: Permission) -> None:
    if permission in OPEN_WHILE_INFERENCE_IS:
        check(ANONYMOUS, permission)
    else:
        with pytest.raises(KeyMissing):
            check(ANONYMOUS, permission)


@pytest.mark.parametrize("permission", Permission)
def test_anonymous_may_nothing_while_inference_is_closed(permission: Permission) -> None:
    with pytest.raises(KeyMissing):
        check(ANONYMOUS, permission, access=CLOSED)


def test_a_client_key_asks_models_while_inference_is_closed() -> None:
    check(actor(Role.CLIENT), Permission.INFER, access=CLOSED)


def test_anonymous_stays_anonymous_whatever_roles_it_claims() -> None:
    crowned = Actor(id=ANONYMOUS.id, name="root", roles=frozenset(Role))
    with pytest.raises(KeyMissing):
        check(crowned, Permission.KEYS_MANAGE)


def test_the_system_never_manages_keys() -> None:
    check(SYSTEM, Permission.MODEL_UNLOAD)
    with pytest.raises(Forbidden):
        check(SYSTEM, Permission.KEYS_MANAGE)


def test_a_grant_cannot_be_made_elsewhere() -> None:
    with pytest.raises(TypeError):
        Grant(SYSTEM, Permission.MODEL_LOAD, "", None)
    with pytest.raises(TypeError):
        Grant(SYSTEM, Permission.MODEL_LOAD, "", object())


def test_a_grant_cannot_be_turned_into_another() -> None:
    held = grant(actor(Role.CLIENT), Permission.INFER)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(held, permission=Permission.MODEL_LOAD)  # type: ignore[call-arg]
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.permission = Permission.MODEL_LOAD  # type: ignore[misc]
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(held)


def test_an_act_refuses_what_is_no_grant_for_it() -> None:
    forged = object.__new__(Grant)
    object.__setattr__(forged, "permission", Permission.MODEL_LOAD)
    other = grant(SYSTEM, Permission.MODEL_UNLOAD)
    for offered in (forged, other, None, "yes", SYSTEM):
        with pytest.raises(TypeError):
            require(offered, Permission.MODEL_LOAD)  # type: ignore[arg-type]


def test_a_grant_shows_no_seal() -> None:
    assert "seal" not in repr(grant(SYSTEM, Permission.MODEL_LOAD)).lower()
