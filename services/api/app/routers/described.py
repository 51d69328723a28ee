"""The document that describes the whole API: made once, when somebody first asks for it.

It is more than a megabyte. Made anew for each who asks, anybody could hold up all the others.
"""

import asyncio
import json
import threading

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

router = APIRouter(include_in_schema=False)


class Described:
    """One per application; the same bytes for everybody."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._making = threading.Lock()
        self._made: bytes | None = None

    async def document(self) -> bytes:
        return await asyncio.to_thread(self._make) if self._made is None else self._made

    def _make(self) -> bytes:
        with self._making:
            if self._made is None:
                text = json.dumps(self._api.openapi(), ensure_ascii=False, separators=(",", ":"))
                self._made = text.encode()
                self._api.openapi_schema = None  # many times the size of its text
            return self._made


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    body = await request.app.state.described.document()
    return Response(body, media_type="application/json")
