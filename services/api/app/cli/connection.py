"""The only place that speaks HTTP for the command line, and that reads what a refusal says."""

import hashlib
import json
import os
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from app.cli import address, text
from app.cli.outcomes import HINTS, CommandError, ExitCode, exit_code_for

_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 30.0
_NOT_OURS: Final = "What answers there does not speak as an lmx server does."


class Server:
    """The running server, as one actor sees it."""

    def __init__(self, *, url: str, key: str | None, patience_s: float = _ANSWER_S) -> None:
        self.url = url
        self._secret_sha256 = hashlib.sha256(key.encode()).digest() if key else None
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(patience_s, connect=min(_CONNECT_S, patience_s)),
            trust_env=False,  # a proxy must never see the key
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # unused: loading real ones takes long
            follow_redirects=False,
        )

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        given = {name: value for name, value in query.items() if value is not None}
        with self._speaking():
            return _object_of(self._client.get(path, params=given))

    def post(self, path: str, body: Mapping[str, Any], *, patient: bool = False) -> dict[str, Any]:
        """`patient`: the act takes as long as it takes (a load, hashing a model)."""
        timeout = _unhurried() if patient else httpx.USE_CLIENT_DEFAULT
        with self._speaking():
            return _object_of(self._client.post(path, json=_given(body), timeout=timeout))

    def put(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`body` is sent as it is: None in it forgets what was set."""
        with self._speaking():
            return _object_of(self._client.put(path, json=body and dict(body)))

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        with self._speaking():
            given = _given(body) if body else None
            return _object_of(self._client.request("DELETE", path, json=given))

    def lines(self, path: str, body: Mapping[str, Any]) -> Generator[str, None, None]:
        """The lines of a streamed answer as they come; closing the iterator hangs up."""
        with (
            self._speaking(),
            self._client.stream("POST", path, json=_given(body), timeout=_unhurried()) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise _refusal_of(answer)
            yield from answer.iter_lines()

    def pieces(self, path: str, **query: Any) -> Generator[bytes, None, None]:
        """The bytes of an answer of any length as they come; closing the iterator hangs up."""
        given = {name: value for name, value in query.items() if value is not None}
        with (
            self._speaking(),
            self._client.stream("GET", path, params=given, timeout=_unhurried()) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise _refusal_of(answer)
            yield from answer.iter_bytes()

    def prove(self, decision: str, *, plan_hash: str, challenge: str) -> str:
        """The proof, in hex, that whoever decides holds this key now."""
        from app.evidence.decision_proof import decision_proof

        if self._secret_sha256 is None:
            raise CommandError(
                "A decision needs your own approver's key. Set LMX_KEY.",
                exit_code=ExitCode.REFUSED,
            )
        return decision_proof(
            self._secret_sha256, decision=decision, plan_hash=plan_hash, challenge=challenge
        ).hex()

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _nobody(self.url) from error
        except httpx.TimeoutException as error:
            raise CommandError(
                f"The server at {self.url} did not answer within {_ANSWER_S:.0f} s. "
                "`lmx status` shows whether it is busy; its log is in LMX_HOME/logs."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CommandError(
                f"The connection to {self.url} broke before the answer was complete "
                f"({text.one_line(error)}). Look with `lmx status`, then try again."
            ) from error


@contextmanager
def connected(url: str, *, patience_s: float = _ANSWER_S) -> Iterator[Server]:
    """The server at `url`, with this account's key; an answer may take `patience_s`."""
    key = address.key(os.environ)
    server = Server(url=address.server_address(url), key=key, patience_s=patience_s)
    try:
        yield server
    finally:
        server.close()


def model_path(model_id: str, act: str = "") -> str:
    """The address of a model: its id keeps its slashes and can name nothing else."""
    steps = model_id.split("/")
    if any(step in ("", ".", "..") for step in steps):
        raise CommandError(
            f"{text.one_line(model_id)!r} is not a model's name: they read PUBLISHER/NAME.",
            exit_code=ExitCode.USAGE,
        )
    return "/authority/models/" + quote(model_id, safe="/") + (f"/{act}" if act else "")


def refusal(problem: Mapping[str, Any], *, status: int) -> CommandError:
    """A problem document, or OpenAI's error object, as one sentence and an exit code."""
    code = text.one_line(problem.get("code") or f"http_{status}")
    said = problem.get("detail") or problem.get("message") or problem.get("title")
    sentence = text.one_line(said) if said else f"The server answered with status {status}."
    hint = HINTS.get(code, "")
    if any(command in sentence for command in hint.split("`")[1::2]):
        hint = ""  # the server has said it already
    return CommandError(
        " ".join(part for part in (f"{sentence} [{code}]", hint) if part),
        exit_code=exit_code_for(code, status),
        problem=problem,
    )


def parse_object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CommandError(f"{_NOT_OURS} Is another program on that port?")
    return found


def rows(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise CommandError(f"{_NOT_OURS} Update lmx and the server to the same version.")
    return found


def _object_of(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise _refusal_of(answer)
    return parse_object(answer.text)


def _refusal_of(answer: httpx.Response) -> CommandError:
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        found = {}
    problem = found if isinstance(found, dict) else {}
    nested = problem.get("error")
    return refusal(nested if isinstance(nested, dict) else problem, status=answer.status_code)


def _nobody(url: str) -> CommandError:
    """What every command says where no server answers."""
    from app.cli.looking import unreachable

    try:
        hints = unreachable.hints(url, unreachable.look(address.home(os.environ)))
    except CommandError:  # this account has no home directory
        hints = ()
    return CommandError(f"No server answers at {url}.", hints=hints)


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _unhurried() -> httpx.Timeout:
    return httpx.Timeout(None, connect=_CONNECT_S)
