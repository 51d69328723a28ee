"""/authority/guardrails: documents, intents and tasks. What changes what decides is an ask."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.routers.authority import guardrails_bodies as given
from app.routers.authority.answers import answer
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

router = APIRouter(
    prefix="/authority/guardrails",
    tags=["authority"],
    responses=PROBLEMS,
    route_class=KeyedRoute,
    dependencies=[Depends(given.names_once)],
)

_Plain = dict[str, Any]
Number = Annotated[int, Path(ge=1, le=given.LARGEST, description="A document's version.")]
TaskId = Annotated[str, Path(max_length=64, description="A task's id, as verified-formats.")]


@router.post("/check", response_model=_Plain)
async def check(body: given.Text, services: UseCases, actor: Keyholder) -> Response:
    """Read a document and say everything that is wrong with it, by line. Nothing is kept.

    A document that cannot be used is an answer here: `ok` is false and `errors` lists all of it.
    """
    return answer(await services.guarding.check(actor, body.text, body.form))


@router.post("/compile", response_model=_Plain)
async def compile_intent(body: given.Compile, services: UseCases, actor: Keyholder) -> Response:
    """What an intent means under a document, with the trace of why. Nothing is kept.

    422 `intent_unclear` with `question` and `choices` where it leaves something open.
    """
    return answer(
        await services.guarding.compile(actor, body.intent, version=body.version, id=body.id)
    )


@router.post("/versions", response_model=_Plain)
async def load(
    body: given.LoadText, request: Request, services: UseCases, actor: Keyholder
) -> Response:
    """Keep a document as a new version. It changes nothing by itself.

    `loaded` is false where the same document is a version already.
    """
    name_subject(request, "guardrails")
    return answer(await services.guarding.load(actor, body.text, body.form, body.note))


@router.get(
    "/versions", response_model=_Plain, dependencies=[Depends(given.only("cursor", "limit"))]
)
async def list_versions(
    services: UseCases,
    actor: Keyholder,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Documents, the newest first: which is active, how many tasks each has compiled.

    `active` is the number of the active one, whatever page it is on. `next` continues.
    """
    return answer(await services.guarding.versions(actor, cursor=cursor, limit=limit))


@router.get("/versions/{version}", response_model=_Plain)
async def show_version(version: Number, services: UseCases, actor: Keyholder) -> Response:
    """One document, as it was loaded."""
    return answer(await services.guarding.version(actor, version))


@router.post("/versions/{version}/activate", status_code=202)
async def activate(
    version: Number,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: given.Why | None = None,
) -> _Plain:
    """Ask that intents be compiled under this document. What is bound stays as it is.

    The answer is the ask: nothing happens before it is approved.
    """
    name_subject(request, f"guardrails version {version}")
    return await services.guarding.activate(
        actor, version, reason=(body or given.Why()).reason, request_id=request_id_of(request)
    )


@router.get("/diff", response_model=_Plain, dependencies=[Depends(given.only("from", "to"))])
async def compare(
    services: UseCases,
    actor: Keyholder,
    before: Annotated[int, Query(alias="from", ge=1, le=given.LARGEST)],
    after: Annotated[int, Query(alias="to", ge=1, le=given.LARGEST)],
) -> Response:
    """Every key that two documents differ in, and the tasks whose compilation read one of them."""
    return answer(await services.guarding.diff(actor, before, after))


@router.get(
    "/tasks",
    response_model=_Plain,
    dependencies=[Depends(given.only("cursor", "limit", "retired"))],
)
async def list_tasks(
    services: UseCases,
    actor: Keyholder,
    retired: bool = False,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 500,
) -> Response:
    """What is bound and decides, by id: each task's intent, and what it was compiled to.

    `next` continues.
    """
    found = await services.guarding.tasks(actor, retired=retired, cursor=cursor, limit=limit)
    return answer(found)


@router.get("/tasks/{task}", response_model=_Plain)
async def show_task(task: TaskId, services: UseCases, actor: Keyholder) -> Response:
    """One task with its condition, the trace of its compilation and every earlier binding."""
    return answer(await services.guarding.task(actor, task))


@router.post(
    "/tasks", status_code=202, responses={200: {"description": "It is bound already: no ask."}}
)
async def add_task(
    body: given.Add, request: Request, response: Response, services: UseCases, actor: Keyholder
) -> _Plain:
    """Ask for a new task.

    The intent is compiled at once and refused where it cannot be. The answer is the ask: nothing
    decides before it is approved. 200 with `task` where exactly that is bound already.
    """
    name_subject(request, body.id)
    made = await services.guarding.add(
        actor,
        body.id,
        body.intent,
        version=body.version,
        reason=body.reason,
        request_id=request_id_of(request),
    )
    if made.get("ask", ...) is None:
        response.status_code = 200
    return made


@router.post("/tasks/{task}/retire", status_code=202)
async def retire(
    task: TaskId,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: given.Why | None = None,
) -> _Plain:
    """Ask that a task decide no longer. The answer is the ask; its past stays replayable."""
    name_subject(request, task)
    return await services.guarding.retire(
        actor, task, reason=(body or given.Why()).reason, request_id=request_id_of(request)
    )


@router.post("/recompile", response_model=_Plain)
async def recompile(body: given.Recompile, services: UseCases, actor: Keyholder) -> Response:
    """What another document would make of the tasks it concerns. Nothing is bound.

    For each: what changes, and what it would have decided in the last `days`, by replay.
    """
    found = await services.guarding.recompile(
        actor, version=body.version, tasks=body.tasks, days=body.days
    )
    return answer(found)


@router.post("/rebind", status_code=202)
async def rebind(
    body: given.Rebind, request: Request, services: UseCases, actor: Keyholder
) -> _Plain:
    """Ask that tasks be bound to what a document makes of them: forward, or back.

    The answer is the ask; executing it binds all of them at once, or none.
    """
    name_subject(request, "guardrails")
    return await services.guarding.rebind(
        actor,
        body.version,
        tasks=body.tasks,
        reason=body.reason,
        request_id=request_id_of(request),
    )
