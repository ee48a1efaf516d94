"""The log of a model's replies: JSONL that only grows, and survives a kill at any byte."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from knowfree.synthesis.chat import Reply
from splits.errors import CorpusError, KfbenchError

Session = Mapping[str, Any]  # model, revision, sampling, engine settings, prompts: of the replies below it

SYNC_EVERY = 1.0  # seconds; a killed process loses nothing that was written, a machine without power this much
MEND = "Remove the line: its request is asked again. A log is written by `ask` alone, a line a reply."


class LogBusyError(KfbenchError):
    """Another process appends to the log."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log: a reply under its key, or the session that the replies below it come from."""

    number: int
    key: str = ""
    reply: Reply | None = None
    about: Mapping[str, str] | None = None
    session: Session | None = None


def read(path: str | Path) -> dict[str, Reply]:
    """Replies under their keys, in the order of the file; a file that does not exist has none.

    Needs no model and no lock: what another process is writing right now is the last line, and a torn last line is
    dropped. Of two replies to one request the first counts, so that a log means the same however long it grows.

    Raises:
        CorpusError: a line cannot be read; names file and line.
    """
    replies: dict[str, Reply] = {}
    for line in lines(path):
        if line.reply is not None:
            replies.setdefault(line.key, line.reply)
    return replies


def sessions(path: str | Path) -> list[Session]:
    """The settings that wrote a log, in the order of the file.

    Raises:
        CorpusError: as `read`.
    """
    return [line.session for line in lines(path) if line.session is not None]


def lines(path: str | Path) -> Iterator[Line]:
    """The lines of a log, without a torn last one.

    Raises:
        CorpusError: the file cannot be read, or a line of it; names file and line.
    """
    path = Path(path)
    whole, _ = _split(path)
    for number, raw in enumerate(whole, 1):
        yield _parse(raw, path, number)


def _split(path: Path) -> tuple[list[bytes], int]:
    """Whole lines, and the number of bytes they fill.

    A last line without its line end is whole where it is whole JSON: an editor may have taken the line end away.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise CorpusError(path, None, f"cannot be read: {error.strerror}", "Check the file and its permissions.") from None
    *whole, last = raw.split(b"\n")
    if not last:
        return whole, len(raw)
    try:
        _json(last)
    except ValueError:
        return whole, len(raw) - len(last)
    return [*whole, last], len(raw)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"))  # given bytes, json guesses at UTF-16 too
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse(raw: bytes, path: Path, number: int) -> Line:
    try:
        row = _json(raw)
    except ValueError:
        raise CorpusError(path, number, "not JSON in UTF-8", MEND) from None
    if not isinstance(row, dict):
        raise CorpusError(path, number, f"expected a JSON object, found {type(row).__name__}", MEND)
    if "session" in row:
        if not isinstance(row["session"], dict):
            raise CorpusError(path, number, "`session` must be an object", MEND)
        return Line(number, session=row["session"])
    for name, kind in (("key", str), ("text", str), ("finish", str), ("tokens_in", int), ("tokens_out", int), ("about", dict)):
        if type(row.get(name)) is not kind:
            raise CorpusError(path, number, f"`{name}` must be of type {kind.__name__}", MEND)
    return Line(number, row["key"], Reply(row["text"], row["finish"], row["tokens_in"], row["tokens_out"]), row["about"])


class ReplyLog:
    """A log open for appending, by one process at a time.

    The lock is `.<name>.lock` beside the file, and dies with its process. It stays there, empty: ignore it in git, and
    track the log in DVC as a file (`persist: true`, or DVC deletes it before each run), not the directory around it.

    Raises:
        LogBusyError: another process has it open.
        CorpusError: a line of it cannot be read.
        KfbenchError: it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.replies: dict[str, Reply] = {}
        self._session: Session | None = None
        self._synced = 0.0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LogBusyError(
                f"{self.path}: another process is asking for it", "Wait for it, or stop it: what it has got so far is kept."
            ) from None
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            for line in lines(self.path):
                if line.session is not None:
                    self._session = line.session
                elif line.reply is not None:
                    self.replies.setdefault(line.key, line.reply)
            self._file = self._opened()
        except BaseException:
            self._lock.release()
            raise

    def _opened(self) -> FileIO:
        """The file at the end of its last whole line; what is torn behind it goes."""
        whole, size = _split(self.path)
        try:
            file = self.path.open("ab", buffering=0)
            file.truncate(size)
            if whole and size == sum(len(line) + 1 for line in whole) - 1:
                file.write(b"\n")
        except OSError as error:
            raise self._unwritable(error) from error
        return file

    def session(self, session: Session) -> None:
        """Say where the replies that follow come from, if it is not where the last ones came from."""
        plain = json.loads(json.dumps(session))  # tuples are lists in a file
        if plain != self._session:
            self._write({"session": plain})
            self._session = plain

    def add(self, key: str, about: Mapping[str, str], reply: Reply) -> Reply:
        """One reply, in the file when this returns, as the file has it: text that is no Unicode cannot be written."""
        reply = replace(reply, text=reply.text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
        self._write(
            {
                "key": key,
                "about": dict(about),
                "text": reply.text,
                "finish": reply.finish,
                "tokens_in": reply.tokens_in,
                "tokens_out": reply.tokens_out,
            }
        )
        return self.replies.setdefault(key, reply)

    def _write(self, row: Mapping[str, Any]) -> None:
        data = memoryview(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
        try:
            while data:
                data = data[self._file.write(data) :]
            if time.monotonic() - self._synced > SYNC_EVERY:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> KfbenchError:
        return KfbenchError(
            f"{self.path}: cannot be written: {error.strerror}",
            "Check space and permissions (`dvc unprotect` for a file that DVC linked from its cache); the replies in it are kept.",
        )

    def __enter__(self) -> ReplyLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            os.fsync(self._file.fileno())
        finally:
            self._file.close()
            self._lock.release()
