"""A change concerns exactly the tasks whose trace read what changed, or whose words say it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.guardrails.affected import (
    Affected,
    Change,
    Watched,
    changed_phrases,
    vocabulary,
)
from app.authority.guardrails.document.model import (
    Document,
    Mapped,
    PrimitiveGuide,
    SeverityVocabulary,
    Term,
    Words,
)

TASKS = 10_000


def task(name: str, *reads: str, words: str = "") -> Watched:
    return Watched(name, frozenset(reads), words)


def keys(*changed: str) -> Change:
    return Change(frozenset(changed), frozenset())


def phrases(*changed: str) -> Change:
    return Change(frozenset(), frozenset(changed))


TWO = Affected(
    [
        task("large", "primitives/size/priors/threshold/high", words="block large models"),
        task("slow", "primitives/latency/windows/change", words="alert when latency rises"),
    ]
)


def test_a_task_is_concerned_by_what_its_trace_read() -> None:
    assert TWO.by(keys("primitives/size/priors/threshold/high")) == {"large"}
    assert TWO.by(keys("primitives/latency/windows/change", "name")) == {"slow"}


def test_a_task_is_not_concerned_by_another_tier_of_what_it_read() -> None:
    assert TWO.by(keys("primitives/size/priors/threshold/low", "primitives/latency")) == {"slow"}
    assert TWO.by(keys("primitives/size/priors/threshold/highest")) == frozenset()


def test_a_task_that_read_a_section_is_concerned_by_everything_in_it() -> None:
    index = Affected([task("sets", "domain/sets")])
    assert index.by(keys("domain/sets/known")) == {"sets"}
    assert index.by(keys("domain/settings")) == frozenset()


def test_a_task_is_concerned_by_a_phrase_of_its_words_as_whole_words() -> None:
    assert TWO.by(phrases("large models")) == {"large"}
    assert TWO.by(phrases("latency")) == {"slow"}
    assert TWO.by(phrases("models large", "late", "rise")) == frozenset()


def test_nothing_changed_concerns_nobody() -> None:
    assert TWO.by(Change(frozenset(), frozenset())) == frozenset()
    assert Affected([]).by(Change(frozenset({"a"}), frozenset({"b"}))) == frozenset()


def document(**changes: object) -> Document:
    said: dict[str, object] = {
        "version": 1,
        "strategies": {},
        "type_compatibility": {},
        "severity": SeverityVocabulary(words={"high": ("sharply",)}, urgent=("at once",)),
        "actions": {"block": Words(words=("block", "refuse"))},
        "points": {"load": Words(words=("loading",))},
        "primitives": {
            "publisher": PrimitiveGuide(
                words=("publisher",), terms={"known sources": Term(one_of="known")}
            )
        },
        "mappings": {"rises": Mapped(strategy="change", direction="increase")},
    }
    return Document(**(said | changes))  # type: ignore[arg-type]


PLAIN = vocabulary(document())


def test_the_vocabulary_is_every_phrase_that_intents_are_written_with() -> None:
    assert PLAIN.keys() == {
        *("block", "refuse", "loading", "publisher", "known sources"),
        *("rises", "sharply", "at once"),
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "another"}, set()),
        ({"actions": {"block": Words(words=("refuse", "block"))}}, set()),
        ({"actions": {"block": Words(words=("block",))}}, {"refuse"}),
        ({"actions": {"alert": Words(words=("block", "refuse"))}}, {"block", "refuse"}),
        ({"mappings": {"rises": Mapped(strategy="z_score")}}, {"rises"}),
        ({"mappings": {"grows": Mapped(strategy="change")}}, {"rises", "grows"}),
        ({"points": {"pull": Words(words=("loading",))}}, {"loading"}),
        (
            {"severity": SeverityVocabulary(words={"low": ("sharply",)}, urgent=("at once",))},
            {"sharply"},
        ),
        ({"severity": SeverityVocabulary(words={"high": ("sharply", "at once")})}, {"at once"}),
        (
            {
                "primitives": {
                    "publisher": PrimitiveGuide(
                        words=("publisher",), terms={"known sources": Term(none_of="known")}
                    )
                }
            },
            {"known sources"},
        ),
    ],
)
def test_a_phrase_has_changed_when_it_came_went_or_means_something_else(
    changes: dict[str, object], expected: set[str]
) -> None:
    assert changed_phrases(PLAIN, vocabulary(document(**changes))) == expected
    assert changed_phrases(vocabulary(document(**changes)), PLAIN) == expected


paths = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3).map("/".join)
words = st.lists(st.sampled_from(["x", "y", "xy", "z"]), max_size=4).map(" ".join)
watched = st.lists(st.tuples(st.frozensets(paths, max_size=4), words), max_size=8).map(
    lambda drawn: [Watched(str(at), reads, said) for at, (reads, said) in enumerate(drawn)]
)
changes_of = st.builds(
    Change,
    st.frozensets(paths, max_size=4),
    st.frozensets(words.filter(bool), max_size=3),
)


def concerned(one: Watched, change: Change) -> bool:
    """The definition, as it reads."""
    by_key = any(
        f"{read}/".startswith(f"{key}/") or f"{key}/".startswith(f"{read}/")
        for read in one.reads
        for key in change.keys
    )
    return by_key or any(f" {phrase} " in f" {one.words} " for phrase in change.phrases)


@given(watched, changes_of)
def test_the_index_finds_what_looking_at_every_task_finds(
    tasks: list[Watched], change: Change
) -> None:
    expected = {one.task for one in tasks if concerned(one, change)}
    assert Affected(tasks).by(change) == expected


def test_of_ten_thousand_tasks_exactly_the_few_are_found() -> None:
    """How long that takes is for `make bench`."""
    common = [f"defaults/{n}" for n in range(20)]
    tasks = [
        task(f"t-{n}", *common, f"primitives/p{n % 100}/words", words=f"alert about thing{n % 100}")
        for n in range(TASKS)
    ]
    change = Change(frozenset({"primitives/p7/words"}), frozenset({"about thing8"}))
    expected = {f"t-{n}" for n in range(TASKS) if n % 100 in (7, 8)}
    assert Affected(tasks).by(change) == expected
