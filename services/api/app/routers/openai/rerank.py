"""POST /v1/rerank, in the shape of Jina, Cohere and vLLM."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from app.domain.refusals import InvalidRequest
from app.domain.work import Rerank, Scores
from app.routers.dependencies import ClientRoute, actor_of, name_subject, request_id_of, services_of
from app.routers.inference_ports import WorkDone
from app.routers.openai.documents import ERRORS, body_of
from app.routers.openai.parsing import parse
from app.routers.openai.unsupported import refuse_unsupported
from app.routers.openai.work import Asked, WorkAnswer, in_pieces
from app.routers.openai.work_fields import RERANK

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS, route_class=ClientRoute)

MAX_DOCUMENTS = 2048


class RerankRequest(BaseModel):
    """POST /v1/rerank."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[list[Any], Field(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    return_documents: bool | None = None

    def texts(self) -> list[str]:
        """Raises InvalidRequest."""
        return [_text(one, f"documents[{at}]") for at, one in enumerate(self.documents)]


@router.post("/rerank", openapi_extra=body_of(RerankRequest), response_model=None)
async def rerank(request: Request) -> WorkAnswer:
    """Documents by how well they answer the query, the best first; scores are from 0 to 1."""
    ask = parse(RerankRequest, await request.body())
    name_subject(request, ask.model)
    refuse_unsupported(RERANK, ask.model_extra)
    texts = ask.texts()
    request_id = request_id_of(request)

    async def written(done: WorkDone) -> list[bytes]:
        body = {
            "id": f"rerank-{request_id}",
            "model": done.model_id,
            "results": _results(done, ask, texts),
            "usage": {"prompt_tokens": done.prompt_tokens, "total_tokens": done.prompt_tokens},
        }
        return [orjson.dumps(body)]

    asked = Asked(
        actor=actor_of(request),
        request_id=request_id,
        model=ask.model,
        works=[Rerank(ask.query, piece, first) for first, piece in in_pieces(texts)],
        written=written,
    )
    return WorkAnswer(services_of(request), asked)


def _results(done: WorkDone, ask: RerankRequest, texts: list[str]) -> list[dict[str, Any]]:
    scores: list[float] = []
    for result in done.results:
        assert isinstance(result, Scores)
        scores += result.scores
    best_first = sorted(range(len(scores)), key=lambda at: -scores[at])
    results: list[dict[str, Any]] = [
        {"index": at, "relevance_score": scores[at]} for at in best_first[: ask.top_n]
    ]
    if ask.return_documents:
        for entry in results:
            entry["document"] = {"text": texts[entry["index"]]}
    return results


def _text(document: Any, where: str) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str) or not text:
        raise InvalidRequest(
            f"{where} must be a text that is not empty, or an object with such a text.",
            param=where,
        )
    return text
