"""Raw files of a corpus, from upstream or from a mirror directory, checked before a byte of them is parsed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from splits import corpora
from splits.errors import ConfigError, KfbenchError
from splits.files import own_file, sha256
from splits.source import Pinned

if TYPE_CHECKING:
    import httpx  # a third of a second to import: not for commands that download nothing

CACHE = Path(".kfbench/downloads")
ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt, doubled before each one after it
TIMEOUT, CONNECT = 30.0, 10.0  # seconds
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})  # answers that another attempt may change


class _TransientError(Exception):
    """A failure that may be over in a second."""


def fetch(
    name: str,
    into: Path = CACHE,
    mirror: Path | None = None,
    *,
    progress: Progress | None = None,
    transport: httpx.BaseTransport | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Path]:
    """The files of a corpus under the keys of its SOURCE, each of the pinned size and sha256.

    Args:
        into: cache of downloads, `<into>/<corpus>/<file>`; a damaged file in it is fetched again.
        mirror: a directory with `<corpus>/<file>`, read in place; the network is then never asked.
        progress: where bars go; by default an own one on stderr.
        transport, pause: of the HTTP client, of the wait between attempts; tests replace them.

    Raises:
        ConfigError: there is no such corpus, or the mirror is no directory.
        KfbenchError: a file is missing, is not the pinned one, or cannot be downloaded; nothing half-written is left.
    """
    pinned = corpora.source(name).files
    if mirror is not None:
        return {key: _in_mirror(name, file, mirror) for key, file in pinned.items()}
    found = {key: into / name / file.name for key, file in pinned.items()}
    missing = {key: pinned[key] for key, path in found.items() if not path.is_file() or _fault(path, pinned[key])}
    if missing:
        import httpx

        limits, timeout = httpx.Limits(max_connections=1), httpx.Timeout(TIMEOUT, connect=CONNECT)
        hooks = {"request": [_https_alone]}
        with (
            httpx.Client(follow_redirects=True, timeout=timeout, limits=limits, transport=transport, event_hooks=hooks) as client,
            _bars(progress) as bars,
        ):
            for key, file in missing.items():
                _download(client, name, file, found[key], bars, pause)
    return found


def _in_mirror(name: str, file: Pinned, mirror: Path) -> Path:
    if not mirror.is_dir():
        raise ConfigError(f"{mirror}: the mirror is no directory", "Set KFBENCH_MIRROR to a directory with CORPUS/FILE, or unset it.")
    path = mirror / name / file.name
    other = f"run `kfbench corpora fetch {name}` without KFBENCH_MIRROR, or set KFBENCH_MIRROR to another directory."
    if not path.is_file():
        raise KfbenchError(f"{name}: {file.name}: not in the mirror {mirror}", f"It belongs at {path}. Put it there, {other}")
    if fault := _fault(path, file):
        raise KfbenchError(
            f"{name}: {file.name}: {fault}", f"The file in the mirror, {path}, differs from the pinned one. Delete it and {other}"
        )
    return path


def _fault(path: Path, file: Pinned) -> str:
    """What is wrong with a file's bytes, or nothing; a page is named first, because then its size says little."""
    try:
        with path.open("rb") as opened:
            head = opened.read(1024)
        size, digest = path.stat().st_size, sha256(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if digest == file.sha256 and size == file.size:
        return ""
    if looks_like_html(head):
        return "starts like an HTML page, so it is an error or login page and not the corpus"
    if size != file.size:
        return f"size is {size:,} bytes, expected {file.size:,}"
    return f"sha256 is {digest}, expected {file.sha256}"


def looks_like_html(head: bytes) -> bool:
    """True for the first bytes of a page: what proxies, logins and moved hosts send with status 200."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def _https_alone(request: httpx.Request) -> None:
    """Refuse any hop that is not https, redirects too."""
    if request.url.scheme != "https":
        raise KfbenchError(
            f"{request.url}: not an https address", "Only https is fetched: something on the way redirects. Use KFBENCH_MIRROR."
        )


def _download(client: httpx.Client, name: str, file: Pinned, path: Path, bars: Progress, pause: Callable[[float], None]) -> None:
    """Download a file beside its place, check it, then rename it: what stands at `path` is whole and right.

    Two processes that want it take turns, and the second finds it there.
    """
    import httpx

    where = f"{name}: {file.name}"
    offline = f"Try again later, or put the file at CORPUS/{file.name} in a directory and set KFBENCH_MIRROR to it. Address: {file.url}"
    task = bars.add_task(where, total=file.size)

    def waiting() -> None:
        bars.update(task, description=f"{where}: waiting for another process that downloads it")

    def transfer(temporary: Path) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            bars.reset(task, total=file.size)
            try:
                _transfer(client, file, temporary, lambda count: bars.update(task, advance=count))
                return
            except (_TransientError, httpx.TransportError) as error:
                if attempt == ATTEMPTS or isinstance(error, httpx.UnsupportedProtocol):
                    raise KfbenchError(f"{where}: cannot be downloaded: {_why(error)} (attempt {attempt} of {ATTEMPTS})", offline) from None
                pause(PAUSE * 2 ** (attempt - 1))

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with own_file(path.with_name(f".{path.name}.tmp"), waiting) as temporary:
            if path.is_file() and not _fault(path, file):
                temporary.unlink()
                return
            transfer(temporary)
            if fault := _fault(temporary, file):
                raise KfbenchError(f"{where}: {fault}", f"What {file.url} sends is not the pinned file. {offline}")
            temporary.replace(path)
    except httpx.HTTPStatusError as error:
        raise KfbenchError(f"{where}: cannot be downloaded: HTTP {error.response.status_code}", offline) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise KfbenchError(f"{where}: cannot be downloaded: {_why(error)}", offline) from None
    except OSError as error:
        raise KfbenchError(f"{path}: cannot be written: {error.strerror}", "Check space and permissions.") from None


def _transfer(client: httpx.Client, file: Pinned, temporary: Path, advance: Callable[[int], object]) -> None:
    """One attempt. An answer that is too short is worth another; one that is too long is cut one byte after the pinned size.

    `identity`: a server that packs a .tgz once more would have httpx unpack it, and the bytes would not be upstream's.
    """
    received = 0
    with client.stream("GET", file.url, headers={"Accept-Encoding": "identity"}) as answer, temporary.open("wb") as out:
        if answer.status_code in BUSY:
            raise _TransientError(f"HTTP {answer.status_code}")
        answer.raise_for_status()
        head = b""
        for chunk in answer.iter_bytes():
            head = (head + chunk)[:1024] if len(head) < 1024 else head
            out.write(chunk[: file.size + 1 - received])
            received += len(chunk)
            advance(len(chunk))
            if received > file.size:
                break
        out.flush()
        os.fsync(out.fileno())
    if received < file.size and not looks_like_html(head):
        raise _TransientError(f"the connection ended after {received:,} of {file.size:,} bytes")


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


@contextmanager
def _bars(given: Progress | None) -> Iterator[Progress]:
    if given is not None:
        yield given
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
