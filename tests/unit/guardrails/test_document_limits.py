"""Numbers in a document: bounds, priors and windows that are impossible or disagree."""

import pytest

from tests.fakes.guardrails_text import Wrong, assert_told

LIMITS = [
    Wrong(
        "  percentile:\n    value: {min: 1",
        "  percentil:\n    value: {min: 1",
        "percentil:",
        "parameters/percentil",
        "There is no strategy percentil: did you mean percentile?",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    volume: {min: 1, max: 50}",
        "volume",
        "parameters/percentile/volume",
        "percentile has no parameter volume: did you mean value?",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    direction: {min: 1, max: 50}",
        "direction",
        "parameters/percentile/direction",
        "percentile has no parameter with bounds direction: there is value and window.",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    value: {min: 50, max: 1}",
        "value: {min: 50",
        "parameters/percentile/value",
        "min 50 is above max 1: turn them round.",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    value: {min: 1, max: 101}",
        "max: 101",
        "parameters/percentile/value/max",
        "max must be from 0 up to 100: the strategy takes no other.",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    value: {}",
        "value: {}",
        "parameters/percentile/value",
        "Give min or max, or take it out: no limit is none.",
    ),
    Wrong(
        "threshold: {min: 1, max: 1000}",
        "threshold: {min: 1000, max: 1}",
        "threshold: {min: 1000",
        "primitives/model_size/bounds/threshold",
        "min 1000 is above max 1: turn them round.",
    ),
    Wrong(
        "threshold: {min: 1, max: 1000}",
        "percentile: {min: 60, max: 70}",
        "percentile: {min: 60",
        "primitives/model_size/bounds/percentile",
        "Nothing lies within these bounds and those of parameters/percentile/value",
    ),
    Wrong(
        "{low: 10, medium: 20, high: 30}",
        "{low: 10, medium: 20, high: 3000}",
        "high: 3000",
        "primitives/model_size/priors/threshold/high",
        "high is 3000, out of its bounds: write from 1 up to 1000.",
    ),
    Wrong(
        "{low: 10, medium: 20, high: 30}",
        "{low: 10, medium: 40, high: 30}",
        "threshold: {low: 10",
        "primitives/model_size/priors/threshold",
        "Put the priors in order: low <= medium <= high",
    ),
    Wrong(
        "{low: 20, medium: 10, high: 5}",
        "{low: 5, medium: 10, high: 20}",
        "percentile: {low: 5",
        "primitives/model_size/priors/percentile",
        "Put the priors in order: low >= medium >= high",
    ),
    Wrong(
        "{low: 30, medium: 20, high: null}",
        "{low: 10, medium: 20, high: null}",
        "threshold: {low: 10, medium: 20, high: null",
        "primitives/memory_headroom/priors/threshold",
        "Put the priors in order: low >= medium >= high",
    ),
    Wrong(
        "z_score: {low: 2, medium: 3, high: 4}",
        "z_score: {low: 4, medium: 3, high: 2}",
        "z_score: {low: 4",
        "defaults/priors/z_score",
        "Put the priors in order: low <= medium <= high",
    ),
    Wrong(
        "z_score: {low: 2, medium: 3, high: 4}",
        "z_score: {low: 0, medium: 3, high: 4}",
        "low: 0",
        "defaults/priors/z_score/low",
        "low is 0, out of its bounds: write above 0.",
    ),
    Wrong(
        "z_score: {low: 2, medium: 3, high: 4}",
        "equals: {low: 2, medium: 3, high: 4}",
        "equals: {low",
        "defaults/priors/equals",
        "equals has no number that a severity could set: take it out.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {z_score: 7d, change: an hour}",
        "change: an hour",
        "defaults/windows/change",
        "'an hour' is no window: write 15m, 24h or 30d.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {z_score: 7d, change: 30d}",
        "change: 30d",
        "defaults/windows/change",
        "30d is 2592000 seconds, out of its bounds: write from 300 up to 86400.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {threshold: 7d}",
        "threshold: 7d",
        "defaults/windows/threshold",
        "threshold looks at no window: take it out.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {zscore: 7d}",
        "zscore: 7d",
        "defaults/windows/zscore",
        "There is no strategy zscore: did you mean z_score?",
    ),
]


@pytest.mark.parametrize("wrong", LIMITS, ids=lambda wrong: wrong.says)
def test_what_is_wrong_is_told_with_its_line_and_column(wrong: Wrong) -> None:
    assert_told(wrong)
