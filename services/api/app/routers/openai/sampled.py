"""How tokens are drawn, under the names of OpenAI, vLLM and llama.cpp."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from app.domain.refusals import InvalidRequest
from app.routers.openai.formats import Constrained

MAX_BIASES = 1024

_SEED_LIMIT = 2**63
_LONGEST_STOP = 1024
_LARGEST_TOKEN = 2**31 - 1
_MOST_BIAS = 100
_LEAST_TOP_P = 1e-6  # 0 is allowed and means: only the likeliest token
_TOKEN = re.compile(r"0|[1-9][0-9]{0,9}")

Stop = Annotated[Any, Field(json_schema_extra={"type": ["string", "array", "null"]})]
Biases = Annotated[Any, Field(json_schema_extra={"type": ["object", "null"]})]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Factor = Annotated[float, Field(ge=0.01, le=2)]


class Sampled(Constrained):
    """What both routes share. Null means the default."""

    stop: Stop = None
    seed: Annotated[int, Field(ge=-_SEED_LIMIT, lt=_SEED_LIMIT)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=_LARGEST_TOKEN)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Factor | None = None
    repeat_penalty: Factor | None = None
    logit_bias: Biases = None

    def drawn(self) -> dict[str, Any]:
        """The members of `Sampling` that these fields are; each choice's seed is set apart."""
        return {
            "temperature": self.temperature,
            "top_p": None if self.top_p is None else max(self.top_p, _LEAST_TOP_P),
            "stop": _stops(self.stop),
            "top_k": None if self.top_k in (0, -1) else self.top_k,
            "min_p": self.min_p or None,
            "presence_penalty": self.presence_penalty or 0.0,
            "frequency_penalty": self.frequency_penalty or 0.0,
            "repetition_penalty": self._repetition(),
            "logit_bias": _biases(self.logit_bias),
            "constraint": self.constraint(),
        }

    def seed_of(self, choice: int) -> int | None:
        """Choice `j` of a seeded request has the seed plus `j`."""
        if self.seed is None:
            return None
        return (self.seed + choice + _SEED_LIMIT) % (2 * _SEED_LIMIT) - _SEED_LIMIT

    def _repetition(self) -> float:
        ours, theirs = self.repetition_penalty, self.repeat_penalty
        if ours is not None and theirs is not None and ours != theirs:
            raise InvalidRequest(
                "repeat_penalty and repetition_penalty are the same thing; send one of them.",
                param="repeat_penalty",
            )
        return next((given for given in (ours, theirs) if given is not None), 1.0)


def _stops(raw: Any) -> tuple[str, ...]:
    """Null, one string or up to four; none of them empty."""
    stops = [] if raw is None else [raw] if isinstance(raw, str) else raw
    if not isinstance(stops, list) or len(stops) > 4 or not all(map(_is_stop, stops)):
        raise InvalidRequest(
            f"stop must be a string of 1 to {_LONGEST_STOP} characters, or a list of up to four.",
            param="stop",
        )
    return tuple(stops)


def _is_stop(stop: Any) -> bool:
    return isinstance(stop, str) and 1 <= len(stop) <= _LONGEST_STOP


def _biases(raw: Any) -> tuple[tuple[int, float], ...]:
    if raw is None:
        return ()
    if not isinstance(raw, Mapping) or len(raw) > MAX_BIASES:
        raise InvalidRequest(
            f"logit_bias must be an object of at most {MAX_BIASES} token ids.", param="logit_bias"
        )
    return tuple((_token(token), _bias(token, bias)) for token, bias in raw.items())


def _token(raw: str) -> int:
    if _TOKEN.fullmatch(raw) is None or int(raw) > _LARGEST_TOKEN:
        raise InvalidRequest(
            f"logit_bias: {raw[:20]!r} is no token id, which is a whole number from 0 up.",
            param="logit_bias",
        )
    return int(raw)


def _bias(token: str, raw: Any) -> float:
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if not number or not -_MOST_BIAS <= raw <= _MOST_BIAS:
        raise InvalidRequest(
            f"logit_bias.{token} must be a number from -{_MOST_BIAS} to {_MOST_BIAS}.",
            param="logit_bias",
        )
    return float(raw)
