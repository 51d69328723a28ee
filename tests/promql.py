"""Reads as much of PromQL as says which series an expression names, with which labels.

A name is a series unless it is a function, an aggregation, a keyword or a label in a list. What is
not understood raises ValueError.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<range>\[[0-9a-z:$_]+\])
    | (?P<number>\d+(?:\.\d+)?(?:[smhdwy])?)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},])
    """,
    re.VERBOSE,
)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})
_AGGREGATIONS = frozenset({"sum", "min", "max", "avg", "count", "topk", "bottomk"})
_FUNCTIONS = frozenset(
    {
        "changes", "histogram_quantile", "increase", "predict_linear", "rate", "scalar", "time",
        "vector", "clamp_min", "absent",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Selected:
    """One selector: `labels` are (name, operator, value)."""

    series: str
    labels: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Expression:
    selected: tuple[Selected, ...]
    grouped: frozenset[str]
    """Labels in by (...), ignoring (...) and the like."""


def read(text: str) -> Expression:
    tokens = list(_tokens(text))
    _check_pairs(tokens)
    selected: list[Selected] = []
    grouped: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, word = tokens[at]
        after = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if kind != "name" or word in _WORDS:
            continue
        if word in _LISTS:
            inside, at = _until(tokens, at + 1, ")")
            grouped |= {value for kind_, value in inside if kind_ == "name"}
        elif word in _AGGREGATIONS or word in _FUNCTIONS:
            if after not in ("(", "by", "without"):
                raise ValueError(f"{word} is called with nothing: {text}")
        elif after == "(":
            raise ValueError(f"{word} is no function that is known here: {text}")
        elif after == "{":
            inside, at = _until(tokens, at + 1, "}")
            selected.append(Selected(word, tuple(_matchers(inside))))
        else:
            selected.append(Selected(word, ()))
    return Expression(tuple(selected), frozenset(grouped))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        if found is None:
            raise ValueError(f"at {at}: {text}")
        at = found.end()
        if found.lastgroup != "space":
            yield str(found.lastgroup), found[0]


def _check_pairs(tokens: list[tuple[str, str]]) -> None:
    closing, open_ = {"(": ")", "{": "}"}, []
    for _, word in tokens:
        if word in closing:
            open_.append(closing[word])
        elif word in closing.values() and (not open_ or open_.pop() != word):
            raise ValueError(f"{word} closes nothing")
    if open_:
        raise ValueError(f"{open_[-1]} is missing")


def _until(tokens: list[tuple[str, str]], at: int, end: str) -> tuple[list[tuple[str, str]], int]:
    inside = []
    while tokens[at][1] != end:
        inside.append(tokens[at])
        at += 1
    return inside, at + 1


def _matchers(inside: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    parts = [token for token in inside if token[1] != ","]
    for name, sign, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if name[0] != "name" or sign[1] not in ("=", "!=", "=~", "!~") or value[0] != "text":
            raise ValueError(f"{name[1]}{sign[1]}{value[1]} is no matcher")
        yield name[1], sign[1], value[1][1:-1]
