"""Starts, watches and stops workers: the authority's `EngineHost`."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from app.domain.engine import LoadFailure, LoadSpec
from app.engines.process import WorkerProcess, worker_command
from app.engines.worker_engine import LogLine, Patience, WorkerEngine

_OUT_OF_MEMORY_SIGNS = ("memoryerror", "out of memory", "insufficient memory", "bad_alloc")


class WorkerHost:
    """Starts one worker process per model. Use it from one event loop."""

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        patience: Patience | None = None,
        log: LogLine | None = None,
    ) -> None:
        self._command = tuple(command or worker_command())
        self._patience = patience or Patience()
        self._log: LogLine = log or (lambda _level, _message: None)
        self._engines: set[WorkerEngine] = set()
        self._scratch: Path | None = None

    async def start(self, grant: object, spec: LoadSpec) -> WorkerEngine:  # noqa: ARG002
        """Start, load, canary. Raises `LoadFailure`; cancelling kills the half-started worker.

        `grant` is proof for whoever calls; the hands do not look at it.
        """
        process = self._spawn()
        engine = WorkerEngine(process, spec, patience=self._patience, log=self._log)
        self._engines.add(engine)
        process.exited.add_done_callback(lambda _: self._engines.discard(engine))
        try:
            await engine.connect()
            async with asyncio.timeout(self._patience.load_s):
                await engine.loaded()
        except TimeoutError as error:
            await self._discard(process)
            raise LoadFailure(f"loading took longer than {self._patience.load_s:g} s") from error
        except LoadFailure as failure:
            await self._discard(process)
            raise self._explain(failure, process) from failure
        except BaseException:
            await self._discard(process)
            raise
        engine.watch()
        return engine

    async def close(self) -> None:
        """Stop every worker, half-started ones too."""
        await asyncio.gather(*(engine.stop(2.0) for engine in list(self._engines)))
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def _spawn(self) -> WorkerProcess:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="lmx-workers-"))
        try:
            return WorkerProcess(self._command, directory=self._scratch)
        except OSError as error:
            reason = f"the worker could not be started: {error.strerror or error}"
            raise LoadFailure(reason) from error

    def _explain(self, failure: LoadFailure, process: WorkerProcess) -> LoadFailure:
        """Add what only the process knows: a kill that was not ours means no memory was left."""
        tail = process.stderr_tail().lower()
        signs = any(sign in tail for sign in _OUT_OF_MEMORY_SIGNS)
        killed = failure.reason.endswith("killed by signal 9")
        return LoadFailure(failure.reason, out_of_memory=failure.out_of_memory or signs or killed)

    @staticmethod
    async def _discard(process: WorkerProcess) -> None:
        process.kill("stopped")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(process.exited)
