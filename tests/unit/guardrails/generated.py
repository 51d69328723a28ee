"""Documents and intents at random, for properties of compiling: most are odd, some compile."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from app.authority.guardrails.strategies.registry import STRATEGIES
from tests.unit.guardrails.documents import REMOVED, SMALL

NAMES = sorted(STRATEGIES)
LEAVES = ("threshold", "percentile", "z_score", "change", "equals")
TIERS = ("low", "medium", "high")
SIZED = {"threshold": "value", "percentile": "value", "z_score": "threshold", "change": "value"}

names = st.sampled_from(NAMES)
some_names = st.lists(st.sampled_from(LEAVES), unique=True, max_size=3)
levels = st.sampled_from([0, 0.05, 0.5, 1, 3, 5, 10, 20, 40, 50, 99, 1e9, 4e9, 4e10, 1e12])
primitives = st.sampled_from(sorted(SMALL["primitives"]))
tiers = st.sampled_from(TIERS)


def at(path: Callable[..., str], *parts: Any, to: Any) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.builds(path, *parts), to)


bounds = st.one_of(
    st.builds(lambda low: {"min": low}, levels),
    st.builds(lambda high: {"max": high}, levels),
    st.builds(lambda a, b: {"min": min(a, b), "max": max(a, b)}, levels, levels),
)
change = st.one_of(
    st.tuples(st.just("severity/default"), tiers),
    st.tuples(st.just("severity/urgent"), st.sampled_from([[], ["urgently"], ["sharply now"]])),
    st.tuples(st.just("severity/words/high"), st.sampled_from([["very"], ["sharply", "clearly"]])),
    st.tuples(st.just("preferences/preferred"), some_names),
    st.tuples(st.just("preferences/discouraged"), some_names),
    st.tuples(st.just("preferences/default"), st.sampled_from(LEAVES)),
    st.tuples(st.just("application_context/preferred"), some_names),
    st.tuples(
        st.just("application_context/instructions"),
        st.lists(
            st.sampled_from(["Give early warning.", "We want few alerts.", "Quiet, and cautious."]),
            unique=True,
        ),
    ),
    at(
        "bias_rules/{}".format,
        st.sampled_from(["early warning", "cautious", "few alerts", "want"]),
        to=st.one_of(st.integers(-2, 2), st.just(REMOVED)),
    ),
    st.tuples(st.just("constraints/on_bounds_exceeded"), st.sampled_from(["clamp", "reject"])),
    st.tuples(st.just("constraints/max_conditions"), st.integers(1, 4)),
    st.tuples(st.just("constraints/disallowed_strategies"), some_names),
    st.tuples(st.just("constraints/disallowed_primitives"), st.lists(primitives, max_size=1)),
    at("constraints/minimum_versions/{}".format, names, to=st.integers(1, 2)),
    at("strategies/{}/enabled".format, names, to=st.booleans()),
    at(
        "type_compatibility/{}".format,
        st.sampled_from(sorted(SMALL["type_compatibility"])),
        to=st.lists(names, unique=True, max_size=4),
    ),
    at(
        "parameters/{}/{}".format,
        st.sampled_from(LEAVES[:4]),
        st.sampled_from(["value", "threshold", "window"]),
        to=bounds,
    ),
    at("primitives/{}/bounds/{}".format, primitives, st.sampled_from(LEAVES[:4]), to=bounds),
    at(
        "primitives/{}/priors/{}/{}".format,
        primitives,
        st.sampled_from(LEAVES[:4]),
        tiers,
        to=st.one_of(levels, st.none(), st.just(REMOVED)),
    ),
    at(
        "defaults/priors/{}/{}".format,
        st.sampled_from(LEAVES[:4]),
        tiers,
        to=st.one_of(levels, st.none(), st.just(REMOVED)),
    ),
    at(
        "primitives/{}/windows/{}".format,
        primitives,
        st.sampled_from(LEAVES[1:4]),
        to=st.sampled_from(["90s", "2h", "14d", REMOVED]),
    ),
    at(
        "defaults/windows/{}".format,
        st.sampled_from(LEAVES[1:4]),
        to=st.sampled_from(["5m", "2h", REMOVED]),
    ),
    at("primitives/{}/worse".format, primitives, to=st.sampled_from(["above", "below"])),
    at("primitives/{}/preferred".format, primitives, to=some_names),
    at("primitives/{}/discouraged".format, primitives, to=some_names),
    at("primitives/{}/words".format, primitives, to=st.sampled_from([["thing"], ["rather"]])),
    at("primitives/{}".format, primitives, to=st.just(REMOVED)),
    st.tuples(
        st.just("primitives/model_publisher/terms"),
        st.sampled_from([{}, {"unknown sources": {"one_of": "safe"}}]),
    ),
    at(
        "domain/sets/{}".format,
        st.sampled_from(["safe", "known"]),
        to=st.sampled_from([["gguf"], ["other", "gguf"]]),
    ),
    at(
        "mappings/{}".format,
        st.sampled_from(["rise", "rises", "drops", "spikes", "above", "is", "sharply"]),
        to=st.sampled_from(
            [
                {"strategy": "change", "direction": "any"},
                {"strategy": "percentile", "direction": "bottom"},
                {"strategy": "z_score"},
                REMOVED,
            ]
        ),
    ),
    at(
        "mappings/{}".format,
        st.sampled_from(["large", "larger than", "spikes", "not seen within", "rises"]),
        to=st.one_of(
            st.builds(
                lambda primitive, strategy, direction: {
                    "strategy": strategy,
                    "direction": direction,
                    "primitive": primitive,
                },
                st.one_of(primitives, st.none()),
                st.sampled_from(["threshold", "threshold", "percentile"]),
                st.sampled_from(["above", "above", "below", None]),
            ),
            st.just(REMOVED),
        ),
    ),
)
changes = st.lists(change, max_size=6).map(dict)


def clauses() -> st.SearchStrategy[dict[str, Any]]:
    optional = {
        "strategy": st.sampled_from(LEAVES),
        "severity": st.lists(st.sampled_from(["very", "slightly", "urgently", "high"]), max_size=2),
        "mapping": st.sampled_from(["rises", "drops", "spikes", "large"]),
        "term": st.sampled_from(["unverified", "unknown sources"]),
        "scope": st.sampled_from(["all", "model", "actor"]),
        "params": st.dictionaries(
            st.sampled_from(["value", "threshold", "direction", "window", "values", "negate"]),
            st.one_of(levels, st.sampled_from(["above", "any"]), st.just(["gguf"]), st.booleans()),
            max_size=2,
        ),
    }
    return st.fixed_dictionaries({"primitive": primitives}, optional=optional)


expressions = st.recursive(
    clauses(),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=3,
)
structures = st.fixed_dictionaries(
    {"action": st.sampled_from(["alert", "block", "require_approval"]), "when": expressions},
    optional={"points": st.lists(st.sampled_from(["load", "pull", "tick"]), max_size=2)},
)
VOCABULARY = (
    "alert block ask when unless and or not is is above below more than by more than at least in "
    "the top 5 % 95th percentile 10 0.5 20 gb 3 standard deviations within 1 hour per key per "
    "model ( ) , loading pulls size format licence publisher memory pressure latency blocked "
    'attempts rises sharply very unverified unknown sources "mit" critical percentile '
    "mlx-community large larger than somebody any model all from gguf"
).split(" ")
texts = st.one_of(
    st.sampled_from(
        [
            "Alert when blocked attempts rise sharply and are above 10",
            "Block loading or pulling a model whose format is unverified",
            "Block pulls from unknown sources unless size is below 5 GB",
            "Ask for approval before loading a model whose size is very large",
            "Alert when memory pressure rises by more than 20 % within 1 hour",
            "Alert when latency per model spikes or error rate is unusual",
            "Alert when headroom drops slightly",
            "Alert when latency is critical",
            "Block loading when memory pressure is above 90 %",
            'Block loading a model whose licence is "mit" or "isc" and size is in the top 5 %',
            "Ask for approval for large models",
            "Block loading models larger than 20 GB",
            "Block loading a model not seen within 90 days",
            "Block pulls of gguf models or large ones",
            "Block pulls of gguf models or models larger than 20 GB",
            "Block deletes of publisher mlx-community",
            "Alert when somebody has more than 5 blocked attempts in an hour",
            "Alert when latency of any model spikes",
        ]
    ),
    st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join),
)
