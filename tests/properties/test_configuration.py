"""Whatever stands in config.yaml: it is taken, or it is said what is wrong, and nothing else."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from app.configuration.reading import Unusable, checked
from app.configuration.reloading import change, flat
from app.settings import Settings
from app.strict_yaml import Problem, parse_document

FILE = Path("config.yaml")
NAMES = st.sampled_from([*flat(Settings()), "limits", "hub", "prot", "limits.keys.bot", "a.b"])
VALUES = st.one_of(
    st.sampled_from(
        [
            "1",
            "[]",
            "{}",
            "null",
            "yes",
            "[1, a]",
            "{a: {}}",
            "'x'",
            "!!set {a}",
            "&a x",
            "*a",
            "010",
        ]
    ),
    st.text(max_size=12),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = []
    for name in draw(st.lists(NAMES, max_size=5)):
        parts = name.split(".")
        lines += [f"{'  ' * depth}{part}:" for depth, part in enumerate(parts)]
        lines[-1] += f" {draw(VALUES)}"
    return "\n".join(lines)


def taken(text: str) -> Settings | None:
    problems: tuple[Problem, ...] = ()
    found = None
    try:
        found = checked(parse_document(text), FILE, {}).settings
    except Unusable as error:
        problems = error.problems
    assert (found is None) == bool(problems)
    assert [p for p in problems if not 0 <= p.line <= text.count("\n") + 1] == []
    assert [p for p in problems if not p.said.isprintable()] == []
    return found


@settings(max_examples=40, deadline=None)
@given(documents())
def test_a_document_is_taken_or_says_what_is_wrong(text: str) -> None:
    found = taken(text)
    if found is not None:
        made = change(Settings(), found)
        assert set(made.changed).isdisjoint(made.waiting)
        assert change(made.after, found).changed == ()


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="ab:-[]{}#&*!|>'\"%@`\t\n ,?1.\u0085\u2028\x00", max_size=60))
def test_any_text_is_taken_or_says_what_is_wrong(text: str) -> None:
    taken(text)
