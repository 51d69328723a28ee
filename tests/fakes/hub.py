"""A real HTTP server that speaks the hub's API as its own client uses it, and can lie about it.

It lists a revision's files (`/api/models/ORG/NAME/revision/REV?blobs=True`) and gives their bytes
(`/ORG/NAME/resolve/COMMIT/PATH`): small ones at once, large ones after a redirect, with the headers
that the real one sends. `Range` is honoured. Every fault is an attribute.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
REPO = "acme/tiny"
KNOWN_REPO = "mlx-community/tiny"
"""Of a publisher that the guardrails which ship know: others are not pulled from."""
LARGE = (".safetensors",)


@dataclass(frozen=True)
class Heard:
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class FakeHub:
    """What it holds, what it lies about, and what it was asked."""

    url: str = ""
    repo: str = REPO
    commit: str = COMMIT
    files: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    large: tuple[str, ...] = LARGE

    moved_to: str = ""  # what the listing calls the repository, instead
    card: Any = None  # what the model's card says, as the hub has read it
    tags: Any = field(default_factory=list)
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)  # overrides, by path
    more: list[dict[str, Any]] = field(default_factory=list)  # siblings that do not exist
    raw_listing: bytes | None = None
    served: dict[str, bytes] = field(default_factory=dict)  # other bytes than those listed
    refuses: tuple[int, dict[str, str]] | None = None  # status and headers of every listing
    statuses: list[int] = field(default_factory=list)  # of the next answers, before it is fine
    redirect: str = ""  # where bytes are said to be, instead
    cut_after: list[int] = field(
        default_factory=list
    )  # bytes after which the next large bodies end
    takes_ranges: bool = True
    says_total: int | None = None  # in Content-Range and Content-Length
    packs: bool = False
    drip_s: float = 0.0  # pause after every few bytes of a file
    silent: threading.Event | None = None  # set: answers nothing until it is cleared

    heard: list[Heard] = field(default_factory=list)
    content_bytes: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)

    def holds(self, directory: Path) -> "FakeHub":
        self.files = {p.name: p.read_bytes() for p in sorted(directory.iterdir()) if p.is_file()}
        return self

    def moves_on(self, commit: str, files: dict[str, bytes]) -> None:
        """The branch gets another commit; the old one stays."""
        self.commits[self.commit] = dict(self.files)
        self.commit, self.files = commit, files

    def paths_of(self, part: str) -> list[str]:
        return [heard.path for heard in self.heard if part in heard.path]


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sibling(path: str, content: bytes, *, large: bool) -> dict[str, Any]:
    """One file as the hub lists it."""
    shown: dict[str, Any] = {"rfilename": path, "size": len(content)}
    if not large:
        return shown | {"blobId": git_blob(content)}
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\n".encode()
    lfs = {"sha256": sha256, "size": len(content), "pointerSize": len(pointer)}
    return shown | {"blobId": git_blob(pointer), "lfs": lfs}


@contextmanager
def serving_hub(hub: FakeHub) -> Iterator[FakeHub]:
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.heard.append(Heard(self.command, self.path, dict(self.headers.items())))
        if hub.silent is not None:
            self.close_connection = True
            hub.silent.wait(30)
            return
        if hub.statuses and (status := hub.statuses.pop(0)) != 200:
            self._send(status, b"{}", {})
        elif path.startswith("/api/models/"):
            self._list(path.removeprefix("/api/models/"))
        elif path.startswith("/cdn/"):
            self._content(path.removeprefix("/cdn/"))
        elif "/resolve/" in path:
            self._resolve(path.lstrip("/"))
        else:
            self._send(404, b"{}", {})

    def do_POST(self) -> None:
        self.hub.heard.append(Heard(self.command, self.path, dict(self.headers.items())))
        self._send(405, b"{}", {})

    def log_message(self, *_: Any) -> None:
        """Tests look at `heard`."""

    def _list(self, asked: str) -> None:
        hub = self.hub
        repo, _, revision = asked.partition("/revision/")
        if hub.refuses is not None:
            self._send(hub.refuses[0], b"{}", hub.refuses[1])
        elif hub.raw_listing is not None:
            self._send(200, hub.raw_listing, {})
        elif repo.lower() != hub.repo.lower():
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif revision not in {"", "main", hub.commit, *hub.commits}:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            commit = revision if revision in hub.commits else hub.commit
            files = hub.commits.get(commit, hub.files)
            siblings = [
                sibling(p, c, large=p.endswith(hub.large)) | hub.listed.get(p, {})
                for p, c in files.items()
            ]
            body = {
                "id": hub.moved_to or hub.repo,
                "sha": commit,
                "siblings": siblings + hub.more,
                "tags": hub.tags,
            }
            if hub.card is not None:
                body["cardData"] = hub.card
            self._send(200, json.dumps(body).encode(), {})

    def _resolve(self, path: str) -> None:
        """`ORG/NAME/resolve/COMMIT/PATH`: large files lie elsewhere."""
        hub = self.hub
        repo, _, rest = path.partition("/resolve/")
        commit, _, name = rest.partition("/")
        files = hub.commits.get(commit, hub.files if commit == hub.commit else {})
        if repo.lower() != hub.repo.lower() or name not in files:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        elif name.endswith(hub.large):
            shown = sibling(name, files[name], large=True)["lfs"]
            where = hub.redirect or f"/cdn/{commit}/{name}"
            headers = {
                "Location": where,
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(shown["size"]),
                "X-Linked-Etag": f'"{shown["sha256"]}"',
            }
            self._send(302, b"", headers)
        else:
            self._content(f"{commit}/{name}")

    def _content(self, path: str) -> None:
        hub = self.hub
        commit, _, name = path.partition("/")
        files = hub.commits.get(commit, hub.files)
        content = hub.served.get(name, files[name])
        total = hub.says_total if hub.says_total is not None else len(content)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{git_blob(content)}"'}
        if hub.packs:
            headers["Content-Encoding"] = "gzip"
        wanted = self.headers.get("Range", "")
        begin, end = 0, len(content)
        if hub.takes_ranges and wanted.startswith("bytes="):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last) + 1, len(content)) if last else len(content)
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{total}"
        body = content[begin:end]
        length = total if "Content-Range" not in headers else len(body)
        self.send_response(206 if "Content-Range" in headers else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        cut = hub.cut_after.pop(0) if hub.cut_after and name.endswith(hub.large) else None
        self._body(body if cut is None else body[:cut])
        if cut is not None or length != len(body):
            self.close_connection = True

    def _body(self, body: bytes) -> None:
        step = 64 if self.hub.drip_s else max(1, len(body))
        try:
            for at in range(0, len(body), step):
                piece = body[at : at + step]
                with self.hub.counting:  # before it is sent: whoever has it may look at the count
                    self.hub.content_bytes += len(piece)
                self.wfile.write(piece)
                if self.hub.drip_s:
                    self.wfile.flush()
                    time.sleep(self.hub.drip_s)
        except OSError:  # nobody listens any more
            self.close_connection = True

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
