"""The text of a small guardrails document that says everything once, to be broken by tests."""

from typing import Any, NamedTuple

import pytest

from app.authority.guardrails.document.reading import read
from app.domain.refusals import GuardrailsInvalid

TEXT = """\
version: 1
name: small
strategies:
  threshold: {}
  percentile: {version: 1}
  z_score: {enabled: true}
  change: {}
  equals: {}
  composite: {}
type_compatibility:
  float: [threshold, percentile]
  int: [threshold, percentile]
  time_series<float>: [threshold, percentile, z_score, change]
  time_series<int>: [threshold, z_score, change]
  string: [equals]
  categorical: [equals]
  decision<boolean>: [composite]
parameters:
  percentile:
    value: {min: 1, max: 50}
  change:
    window: {min: 300, max: 86400}
severity:
  default: medium
  words:
    low: [slightly]
    medium: [noticeably]
    high: [sharply, very]
  urgent: [urgently]
actions:
  alert: {words: [alert, warn]}
  require_approval: {words: [ask for approval]}
  block: {words: [block]}
points:
  load: {words: [load, loading]}
  pull: {words: [pull, pulls]}
primitives:
  model_size:
    words: [size]
    preferred: [threshold, percentile]
    bounds:
      threshold: {min: 1, max: 1000}
    priors:
      threshold: {low: 10, medium: 20, high: 30}
      percentile: {low: 20, medium: 10, high: 5}
    windows: {percentile: 30d}
  model_format:
    words: [format]
    terms:
      odd format: {none_of: good_formats}
  model_publisher:
    words: [publisher]
    terms:
      friends: {one_of: known}
  memory_headroom:
    words: [headroom]
    worse: below
    discouraged: [z_score]
    priors:
      threshold: {low: 30, medium: 20, high: null}
    windows: {change: 15m}
  latency:
    words: [latency]
    preferred: [z_score]
mappings:
  rises: {strategy: change, direction: increase}
  odd: {strategy: z_score}
application_context:
  name: tests
  description: a machine that is not there
  instructions: [Tell early., Tell all.]
  preferred: [z_score]
preferences:
  preferred: [threshold]
  discouraged: [percentile]
  default: threshold
defaults:
  priors:
    z_score: {low: 2, medium: 3, high: 4}
    change: {low: 0.1, medium: 0.2, high: 0.5}
  windows: {z_score: 7d, change: 1h}
bias_rules:
  early: -1
constraints:
  on_bounds_exceeded: reject
  max_conditions: 3
  disallowed_strategies: [percentile]
  disallowed_primitives: [actor]
  minimum_versions: {threshold: 1}
domain:
  sets:
    good_formats: [gguf, safetensors]
    known: [lmx, someone]
"""


def edited(old: str, new: str, text: str = TEXT) -> str:
    """`text` with one piece replaced, which is there exactly once."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


def position(text: str, piece: str) -> tuple[int, int]:
    """Line and column of the first place where `piece` stands, as editors count."""
    before = text[: text.index(piece)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class Wrong(NamedTuple):
    """`old` becomes `new`; the error is at `at`, its path is `path`, its sentence has `says`."""

    old: str
    new: str
    at: str
    path: str
    says: str

    @property
    def text(self) -> str:
        return edited(self.old, self.new)


def errors_of(text: str) -> list[dict[str, Any]]:
    """Everything that is wrong with a document, which is refused."""
    with pytest.raises(GuardrailsInvalid) as refused:
        read(text, "yaml")
    errors = refused.value.details["errors"]
    assert errors
    return list(errors)


def assert_told(wrong: Wrong) -> None:
    """Once, with its path, its line and its column."""
    line, column = position(wrong.text, wrong.at)
    found = [error for error in errors_of(wrong.text) if wrong.says in error["message"]]
    assert [(e["path"], e["line"], e["column"]) for e in found] == [(wrong.path, line, column)]
