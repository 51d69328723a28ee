"""The only place that reaches another machine: pulls from the hub, over one guarded HTTP client.

`huggingface_hub` says what a repository holds and where its files lie; it is imported when a pull
first needs it. Every request, redirects included, passes one guard: a host that is not allowed, a
method that sends anything, a header that says more than it must, or a body longer than was asked
for ends the request. No proxy or token is taken from the environment.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.domain.hub import HubFile, HubRevision
from app.domain.refusals import HubRefused, HubUnreachable
from app.engines.hub_answers import (
    Again,
    of_status,
    plain_bytes_only,
    revision_of,
    starts_at,
    wants_token,
)
from app.engines.hub_hosts import Allowed

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
Check = Callable[[], None]

LISTING_BYTES: Final = 32 << 20
"""A listing of a million files is longer; those of real models stay below one."""
ANSWER_S: Final = 60.0
"""The longest that an answer other than a file's bytes may take, however steadily it drips."""
BREAKS_AT_MOST: Final = 1000
_SENT: Final = frozenset(
    {"host", "accept", "accept-encoding", "connection", "range", "authorization", "user-agent"}
)
_LIBRARY: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to connect, of silence between bytes, and of pauses before each further try."""

    connect_s: float = 10.0
    silence_s: float = 10.0
    pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)


class HuggingFaceHub:
    """`app.authority.ports.Hub` over HTTP. Methods block and may be called from any thread."""

    def __init__(
        self,
        *,
        endpoint: str,
        hosts: tuple[str, ...],
        version: str,
        token: Callable[[], str | None] = lambda: None,
        sends_token: bool = False,
        patience: Patience | None = None,
    ) -> None:
        """`token`: asked for each request to the endpoint, so that a new one is seen at once."""
        self._allowed = Allowed.of(endpoint, hosts)
        self._endpoint = endpoint
        self._agent = f"lmx-authority/{version}"
        self._token = token
        self._sends_token = sends_token
        self._patience = patience or Patience()
        self._client: httpx2.Client | None = None
        self._making = threading.Lock()

    @property
    def endpoint(self) -> str:
        return self._endpoint

    @property
    def hosts(self) -> tuple[str, ...]:
        return self._allowed.names

    @property
    def sends_token(self) -> bool:
        return self._sends_token

    def close(self) -> None:
        with self._making:
            if self._client is not None:
                self._client.close()
            self._client = None

    # --- what is there ----------------------------------------------------------------------

    def resolve(self, repo: str, revision: str, check: Check) -> HubRevision:
        return self._patiently(lambda: self._listing(repo, revision), check)

    def _listing(self, repo: str, revision: str) -> HubRevision:
        from huggingface_hub import HfApi, set_client_factory

        api = HfApi(endpoint=self._endpoint, token=self._token() or False)
        wait_s = self._patience.silence_s
        # The library keeps one client for the process: ours for as long as it is asked.
        with _LIBRARY, self._said_plainly(repo):
            set_client_factory(self._new_client)
            try:
                found = api.model_info(repo, revision=revision, timeout=wait_s, files_metadata=True)
            finally:
                set_client_factory(_no_client)
            return revision_of(repo, revision, found)

    # --- bytes ------------------------------------------------------------------------------

    def read(self, at: HubRevision, file: HubFile, begin: int, end: int) -> bytes:
        def attempt() -> bytes:
            return b"".join(self._stream(at, file, begin, end, most_s=ANSWER_S))

        return self._patiently(attempt, lambda: None) if end > begin else b""

    def fetch(
        self,
        at: HubRevision,
        file: HubFile,
        begin: int,
        sink: Callable[[bytes], None],
        check: Check,
    ) -> None:
        done, tries = begin, 0
        for _ in range(BREAKS_AT_MOST):
            if done == file.size:
                return
            before = done
            try:
                with closing(self._stream(at, file, done, file.size)) as pieces:
                    for piece in pieces:
                        check()
                        sink(piece)
                        done += len(piece)
            except Again as again:
                tries = 0 if done > before else tries + 1
                self._pause(tries, again, check)
        if done != file.size:
            raise self._unreachable(f"{file.path} broke off {BREAKS_AT_MOST} times")

    def _stream(
        self, at: HubRevision, file: HubFile, begin: int, end: int, *, most_s: float | None = None
    ) -> Generator[bytes, None, None]:
        """The bytes from `begin` to `end`; Again where the connection ends before them."""
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(at.repo, file.path, revision=at.commit, endpoint=self._endpoint)
        headers = {"Range": f"bytes={begin}-{end - 1}", **self._authorization()}
        bounds = {"lmx_most": file.size + 1, "lmx_most_s": most_s}
        done = begin
        with (
            self._said_plainly(f"{at.repo}: {file.path}"),
            self._used_client().stream("GET", url, headers=headers, extensions=bounds) as answer,
        ):
            skip = begin - starts_at(answer, file, begin, end)
            for piece in answer.iter_raw():
                wanted, skip = piece[skip:], max(0, skip - len(piece))
                if done + len(wanted) > end:
                    if end < file.size:  # a hub that takes no ranges sends the rest as well
                        yield wanted[: end - done]
                        return
                    raise HubRefused(
                        f"The hub sends more of {file.path} than the {file.size} bytes that it "
                        "listed. Nothing of it is used. Ask whoever published it."
                    )
                done += len(wanted)
                yield wanted
        if done < end:
            raise Again(f"{file.path} ended after {done} of {end} bytes")

    # --- one guarded client -----------------------------------------------------------------

    def _used_client(self) -> "httpx2.Client":
        with self._making:
            if self._client is None:
                self._client = self._new_client()
            return self._client

    def _new_client(self) -> "httpx2.Client":
        import httpx2

        from app.engines.hub_transport import bounded_transport

        patience = self._patience
        return httpx2.Client(
            transport=bounded_transport(most=LISTING_BYTES, most_s=ANSWER_S),
            timeout=httpx2.Timeout(patience.silence_s, connect=patience.connect_s),
            event_hooks={"request": [self._guard], "response": [plain_bytes_only]},
            follow_redirects=True,
            max_redirects=5,
            trust_env=False,
        )

    def _guard(self, request: "httpx2.Request") -> None:
        """Runs before every request and redirect is sent; what raises here sends nothing."""
        url = request.url
        self._allowed.check(scheme=url.scheme, host=url.host, port=url.port)
        if request.method not in {"GET", "HEAD"}:
            raise HubRefused(f"Nothing is sent to a hub, so no {request.method} either.")
        for name in set(request.headers.keys()) - _SENT:
            del request.headers[name]
        request.headers["user-agent"] = self._agent
        request.headers["accept-encoding"] = "identity"

    def _authorization(self) -> dict[str, str]:
        token = self._token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    # --- patience ---------------------------------------------------------------------------

    def _patiently(self, attempt: Callable[[], T], check: Check) -> T:
        tries = 0
        while True:
            check()
            try:
                return attempt()
            except Again as again:
                tries += 1
                self._pause(tries, again, check)

    def _pause(self, tries: int, again: Again, check: Check) -> None:
        if tries > len(self._patience.pauses_s):
            raise self._unreachable(str(again)) from again
        until = time.monotonic() + (self._patience.pauses_s[tries - 1] if tries else 0.0)
        check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
            check()

    def _unreachable(self, why: str) -> HubUnreachable:
        return HubUnreachable(
            f"{self._endpoint} does not answer as it should ({why[:300]}). Pull again later: what "
            "was fetched is kept."
        )

    @contextmanager
    def _said_plainly(self, what: str) -> Iterator[None]:
        """Turns whatever the library and the client raise into a refusal or `Again`."""
        import httpx2
        from huggingface_hub import errors

        try:
            yield
        except errors.GatedRepoError as error:
            raise wants_token(what) from error
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
            raise HubRefused(
                f"The hub has no {what}, or not that revision of it, or wants a token for it. "
                "Check the spelling; a private model needs hub.token_file in config.yaml."
            ) from error
        except errors.HfHubHTTPError as error:
            raise of_status(error.response.status_code, what) from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise Again(f"{type(error).__name__}: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise HubRefused(f"The hub's answer about {what} cannot be used ({error}).") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise HubRefused(
                f"What the hub says about {what} is not what a hub says ({type(error).__name__}). "
                "Nothing of it is used."
            ) from error


def _no_client() -> Any:
    raise HubRefused("Only a pull that a person confirmed asks a hub.")
