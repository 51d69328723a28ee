"""/api/v1/models/download: LM Studio's download is an ask here, and a person says yes to it.

The job is the ask: `paused` while it waits for a person, `downloading` while what was approved is
fetched. Nothing but a listing and headers is fetched before.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Request
from pydantic import Field

from app.authority.approvals.transitions import State
from app.authority.policy.hard import PULL
from app.domain.actors import Actor
from app.domain.refusals import AskNotFound, InvalidRequest, JobNotFound
from app.routers.dependencies import (
    KeyedRoute,
    Services,
    UseCases,
    actor_of,
    name_subject,
    request_id_of,
)
from app.routers.lmstudio.documents import ERRORS, Strict
from app.routers.lmstudio.models import Name
from app.routers.openai.documents import body_of
from app.routers.openai.parsing import parse

router = APIRouter(
    prefix="/api/v1/models", tags=["lm studio"], responses=ERRORS, route_class=KeyedRoute
)

Json = dict[str, Any]

STATUSES: Mapping[State, str] = {
    State.DRAFT: "paused",
    State.FEASIBLE: "paused",
    State.PENDING: "paused",
    State.APPROVED: "paused",
    State.REVISION_REQUIRED: "paused",
    State.CLAIMED: "downloading",
    State.DONE: "completed",
    State.PARTIAL: "failed",
    State.FAILED: "failed",
    State.REJECTED: "failed",
    State.WITHDRAWN: "failed",
    State.REVOKED: "failed",
    State.EXPIRED: "failed",
    State.STALE: "failed",
    State.BLOCKED: "failed",
}
"""Where an ask stands, as a download's status."""

_JOB = re.compile("job_([0-9a-f]{8})")
_REASON = "Asked for over POST /api/v1/models/download."


class Download(Strict):
    model: Name
    quantization: Annotated[str, Field(max_length=200)] | None = None


@router.post("/download", openapi_extra=body_of(Download))
async def download(request: Request, services: UseCases) -> Json:
    """Ask for a download. It is `paused` until a person has seen what comes from where."""
    body = parse(Download, await request.body())
    link, repo = _repo_of(body.model)
    name_subject(request, repo)
    actor = actor_of(request)
    chosen = f"{repo}:{body.quantization}" if body.quantization else repo
    plan = await services.pulling.plan(actor, chosen, None, None)
    _check_link(link, plan["endpoint"])
    if plan["here_already"]:
        return {"status": "already_downloaded"}
    ask = await _ask(services, actor, plan, request_id_of(request))
    return await _job(services, actor, ask)


@router.get("/download/status/{job_id}")
async def status(
    job_id: Annotated[str, Path(max_length=64)], request: Request, services: UseCases
) -> Json:
    """How a download stands."""
    name_subject(request, job_id)
    actor = actor_of(request)
    job = _JOB.fullmatch(job_id)
    try:
        ask = await services.governance.show(actor, job[1] if job else "", width=60, whole=False)
    except AskNotFound as unknown:
        raise _not_found(job_id) from unknown
    if ask["act"] != PULL:
        raise _not_found(job_id)
    return await _job(services, actor, ask)


async def _ask(services: Services, actor: Actor, plan: Json, request_id: str) -> Json:
    """The ask for what was planned: the one that waits already, or a new one."""
    params = {"repo": plan["repo"], "revision": plan["commit"], "name": plan["name"]}
    params |= {"choice": plan["choice"]} if "choice" in plan else {}
    found = await services.governance.list(
        actor, state="open", act=PULL, subject=plan["name"], cursor=None, limit=50
    )
    for ask in found["asks"]:
        if ask["params"] == params:
            return await services.governance.show(actor, ask["id"], width=60, whole=False)
    return await services.governance.ask(actor, PULL, params, _REASON, request_id)


async def _job(services: Services, actor: Actor, ask: Json) -> Json:
    """An ask as LM Studio tells a download, with a sentence of what it waits for."""
    state = State(ask["state"])
    status, total = STATUSES[state], _total(ask)
    here = {"completed": total}.get(status)
    if status == "downloading":
        here = await services.pulling.fetched_bytes(actor, ask["subject"])
    told = {
        "job_id": f"job_{ask['id']}",
        "status": status,
        "total_size_bytes": total,
        "downloaded_bytes": here or 0,
        "started_at": _time(ask["created_us"]),
        "message": _sentence(ask, state),
    }
    return told | ({"completed_at": _time(ask["ended_us"])} if status == "completed" else {})


def _total(ask: Json) -> int:
    """What the plan names; an ask that could not be planned names nothing."""
    effects = ask.get("plan", {}).get("effects", {})
    return int(effects.get("fetch_bytes", 0))


def _sentence(ask: Json, state: State) -> str:
    if state is State.PENDING:
        return f"Waits for a person, who sees what comes from where: lmx approvals show {ask['id']}"
    if state is State.APPROVED:
        return f"Approved, and not executed yet: lmx approvals execute {ask['id']}"
    return str(ask["why"] or ask["meaning"])


def _repo_of(asked: str) -> tuple[str | None, str]:
    """The link, if it is one, and the repository: ``ORG/NAME``."""
    if "://" not in asked:
        return None, asked
    try:
        link = urlsplit(asked)
    except ValueError:
        raise InvalidRequest("model is no link to a repository.", param="model") from None
    return f"{link.scheme}://{link.netloc}", link.path.strip("/")


def _check_link(link: str | None, endpoint: str) -> None:
    """A link to another hub than that of the settings was not looked at, and is not guessed."""
    if link is not None and link.lower() != endpoint.rstrip("/").lower():
        raise InvalidRequest(
            f"This server's hub is {endpoint}, not the link's. Name the model as ORG/NAME to have "
            "it from there.",
            param="model",
        )


def _not_found(job_id: str) -> JobNotFound:
    return JobNotFound(
        f"There is no download {job_id!a}. POST /api/v1/models/download begins one.",
        param="job_id",
    )


def _time(at_us: int) -> str:
    moment = datetime.fromtimestamp(at_us / 1_000_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
