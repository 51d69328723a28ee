"""The only place that writes long answers: as JSON at once, without a look at each of their values.

FastAPI copies what a route returns before it writes it, to find values that JSON has no form for; a
page of the ledger is plain already, and that copy took most of a page's time.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.encoders import jsonable_encoder
from starlette.responses import JSONResponse, Response


def answer(content: Mapping[str, Any]) -> Response:
    """Return `content` as the response FastAPI would have made of it."""
    try:
        return Response(orjson.dumps(content), media_type=JSONResponse.media_type)
    except TypeError:  # not plain after all: an index that was altered may hold anything
        return JSONResponse(jsonable_encoder(content))
