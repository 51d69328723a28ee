"""The authority's own work before the first token: everything of a request but HTTP and the model.

The parts are the real ones on a real database; only the worker is a stand-in that accepts a
sequence at once. What is timed: recognising the key, permission, routing, catalog, the lease of
a resident model, the hand-over to the engine, until an answer could begin. What ends a request
(its usage row) is done between two measurements, as it is between two requests.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from app.authority.inference import Inference
from app.authority.leasing import InferencePorts
from app.authority.lifecycle.equipment import Equipment, Limits
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Access, Permission, grant
from app.domain.actors import SYSTEM
from app.domain.generation import ChatPrompt, InferenceRequest, Sampling, Sequence
from app.engines.memory_probe import SystemMemoryProbe
from app.home import prepare_home
from app.settings import Settings
from app.wiring.opening import Authority, open_authority
from bench.statistics import percentile
from bench.table import Row, below, orientation
from tests.fakes.engine import FakeEngineHost
from tests.fakes.warrants import create_key
from tests.models import tiny_model

MODEL = "bench/authority"
LIMIT_MS = 3
WARM_UPS = 200


def run(quick: bool) -> list[Row]:
    milliseconds = asyncio.run(_measure(300 if quick else 3000))
    what = "authority's own work before the first token, warm"
    note = f"{len(milliseconds)} requests with a key, one after another"
    return [
        below(f"{what}, p50", percentile(milliseconds, 50), "ms", limit=LIMIT_MS, note=note),
        orientation(f"{what}, p95", percentile(milliseconds, 95), None, "ms"),
    ]


async def _measure(requests: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        home = Path(scratch) / "home"
        prepare_home(home)
        settings = Settings.model_validate({})
        authority = open_authority(settings, home=home, version="bench")
        _import(authority, tiny_model(Path(scratch) / "model"))
        host = FakeEngineHost()
        serving = _serving(authority, host, settings)
        inference = _inference(authority, serving, settings)
        try:
            secret = _client_key(authority, home)
            return await _timed(authority, inference, secret, requests)
        finally:
            await serving.close()
            authority.usage.close()
            authority.refusals.close()
            authority.database.dispose()


async def _timed(
    authority: Authority, inference: Inference, secret: str, requests: int
) -> list[float]:
    milliseconds = []
    for number in range(requests + WARM_UPS):
        request = _request(number)
        started = time.perf_counter()
        actor = authority.keys.identify(secret)
        generation = await inference.open(actor, request)
        taken = time.perf_counter() - started
        async for _ in generation.events():
            pass
        if number >= WARM_UPS:
            milliseconds.append(taken * 1000)
    return milliseconds


def _client_key(authority: Authority, home: Path) -> str:
    operator = authority.keys.identify((home / "operator.key").read_text().strip())
    return create_key(authority.keys, operator, "bench", ["client"]).secret


def _request(number: int) -> InferenceRequest:
    prompt = ChatPrompt(({"role": "user", "content": "What is the ledger?"},))
    sampling = Sampling(temperature=0.0, max_tokens=1)
    sequence = Sequence(id=f"bench-{number}", prompt=prompt, sampling=sampling)
    return InferenceRequest(request_id=f"bench-{number}", model=MODEL, sequences=(sequence,))


def _import(authority: Authority, model: Path) -> None:
    may = grant(SYSTEM, Permission.MODEL_IMPORT, subject=MODEL)
    authority.catalog.import_directory(may, model, MODEL, lambda _: None, lambda: False)


def _serving(authority: Authority, host: FakeEngineHost, settings: Settings) -> Serving:
    limits = Limits(
        default_context=settings.default_context,
        slots=settings.slots,
        queue_limit=settings.queue_limit,
        idle_ttl_s=settings.idle_ttl_s,
        drain_timeout_s=settings.drain_timeout_s,
        stop_grace_s=1.0,
        crash_limit=settings.crash_limit,
        worker_base_bytes=settings.worker_base_bytes,
    )
    return Serving(
        Equipment(
            catalog=authority.catalog,
            ledger=authority.ledger,
            host=host,
            probe=SystemMemoryProbe(),
            clock=authority.clock,
            limits_now=lambda: limits,
        )
    )


def _inference(authority: Authority, serving: Serving, settings: Settings) -> Inference:
    return Inference(
        InferencePorts(
            catalog=authority.catalog,
            routing=authority.routing,
            serving=serving,
            usage=authority.usage,
            refusals=authority.refusals,
            clock=authority.clock,
            access=Access(inference_needs_key=True),
            timeout_now=lambda: settings.request_timeout_s,
        )
    )
