"""POST /v1/embeddings."""

import base64
import sys
from array import array
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from app.domain.refusals import InvalidRequest
from app.domain.work import Embed, Vectors
from app.routers.dependencies import ClientRoute, actor_of, name_subject, request_id_of, services_of
from app.routers.inference_ports import WorkDone
from app.routers.openai.documents import ERRORS, body_of
from app.routers.openai.parsing import parse
from app.routers.openai.prompts import prompts_of
from app.routers.openai.unsupported import refuse_unsupported
from app.routers.openai.work import Asked, WorkAnswer, in_pieces
from app.routers.openai.work_fields import EMBEDDINGS

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS, route_class=ClientRoute)

MAX_INPUTS = 2048


class EmbeddingsRequest(BaseModel):
    """POST /v1/embeddings."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    input: Annotated[Any, Field(json_schema_extra={"type": ["string", "array"]})]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None

    def works(self) -> list[Embed]:
        """Raises InvalidRequest."""
        refuse_unsupported(EMBEDDINGS, self.model_extra)
        inputs = prompts_of(self.input, name="input")
        if len(inputs) > MAX_INPUTS:
            raise InvalidRequest(
                f"input has {len(inputs)} texts; at most {MAX_INPUTS} fit one request.",
                param="input",
            )
        return [Embed(piece, self.dimensions, first) for first, piece in in_pieces(inputs)]


@router.post("/embeddings", openapi_extra=body_of(EmbeddingsRequest), response_model=None)
async def embeddings(request: Request) -> WorkAnswer:
    """A vector of length 1 for each input."""
    return WorkAnswer(services_of(request), await asked_by(request))


async def asked_by(request: Request) -> Asked:
    """What a request in OpenAI's shape asks for, on whatever route it came. Raises Refusals."""
    ask = parse(EmbeddingsRequest, await request.body())
    name_subject(request, ask.model)

    async def written(done: WorkDone) -> Iterator[bytes]:
        return _written(done, as_base64=ask.encoding_format == "base64")

    return Asked(
        actor=actor_of(request),
        request_id=request_id_of(request),
        model=ask.model,
        works=ask.works(),
        written=written,
    )


def _written(done: WorkDone, *, as_base64: bool) -> Iterator[bytes]:
    yield b'{"object":"list","data":['
    index = 0
    for result in done.results:
        assert isinstance(result, Vectors)
        entries = []
        for vector in result.vectors:
            shown = base64.b64encode(vector).decode() if as_base64 else _floats(vector)
            entry = {"object": "embedding", "index": index, "embedding": shown}
            entries.append(orjson.dumps(entry))
            index += 1
        yield (b"," if index > len(entries) else b"") + b",".join(entries)
    usage = {"prompt_tokens": done.prompt_tokens, "total_tokens": done.prompt_tokens}
    yield b'],"model":' + orjson.dumps(done.model_id)
    yield b',"usage":' + orjson.dumps(usage) + b"}"


def _floats(vector: bytes) -> list[float]:
    """Exactly the numbers that base64 would carry."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
