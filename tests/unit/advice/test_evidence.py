"""Evidence is what the snapshot says, and nothing that it does not say."""

import pytest

from app._experimental.evidence import fact, of_model
from app.domain.advice.proposals import Evidence
from app.domain.advice.snapshot import as_plain
from tests.fakes.snapshots import alias, model, snapshot

SNAPSHOT = snapshot(
    models={"a/m": model(requests=7, pinned=True)},
    aliases={"chat": alias("a/m", goal_ms=300)},
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("models", "a/m", "requests"), 7),
        (("models", "a/m", "pinned"), True),
        (("models", "a/m", "last_used_us"), None),
        (("models", "a/m", "task"), "generate"),
        (("aliases", "chat", "goal_ms"), 300),
        (("host", "default_slots"), 4),
        (("days",), 30),
        (("taken_us",), SNAPSHOT.taken_us),
    ],
)
def test_a_fact_is_read_from_the_snapshot(path: tuple[str, ...], value: object) -> None:
    assert fact(SNAPSHOT, *path) == Evidence(path, value)  # type: ignore[arg-type]
    found: object = as_plain(SNAPSHOT)
    for part in path:
        assert isinstance(found, dict)
        found = found[part]
    assert found == value


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("models",),
        ("models", "a/gone", "requests"),
        ("models", "a/m", "colour"),
        ("use", "columns", "hour"),
        ("host", "default_slots", "more"),
        ("version",),
    ],
)
def test_what_the_snapshot_does_not_say_is_no_evidence(path: tuple[str, ...]) -> None:
    with pytest.raises(LookupError):
        fact(SNAPSHOT, *path)


def test_a_list_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="more than one value"):
        fact(SNAPSHOT, "aliases", "chat", "models")


def test_facts_of_a_model_come_in_the_order_asked_for() -> None:
    found = of_model(SNAPSHOT, "a/m", ("pinned", "requests"))
    assert [one.field[-1] for one in found] == ["pinned", "requests"]
