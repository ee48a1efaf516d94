"""Text files read line by line with honest errors, written whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from splits.errors import CorpusError, WriteError

LARGEST_FILE = 2**30  # bytes; the largest corpus here has a hundredth of it
LONGEST_LINE = 1_000_000  # characters; a longer one is a file without line ends, not a sentence


def text_lines(path: str | Path, *, newline: str | None = None) -> Iterator[tuple[int, str]]:
    """Numbered lines (from 1) of a UTF-8 file, without their line ends.

    Args:
        newline: `"\\n"` or `"\\r\\n"` where the format has just one; None takes either, but not both in one file.

    Raises:
        CorpusError: missing or empty file, not UTF-8, a byte order mark, mixed line ends, a line beyond LONGEST_LINE.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise CorpusError(path, None, "no such file", "Check the path; `kfbench corpora prepare` makes prepared corpora.") from None
    except OSError as error:
        raise CorpusError(path, None, f"cannot be read: {error.strerror}", "Check the file and its permissions.") from None
    if len(raw) > LARGEST_FILE:
        raise CorpusError(path, None, f"larger than {LARGEST_FILE:,} bytes", "No corpus is: is it the right file?")
    if not raw.strip():
        raise CorpusError(path, None, "the file is empty", "Fetch or write it again.")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise CorpusError(path, 1, "starts with a byte order mark", "Save the file as UTF-8 without BOM.")
    lines = raw.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    seen = newline
    for number, line in enumerate(lines, 1):
        last = number == len(lines)
        ends_crlf = line.endswith(b"\r")
        if not (last and not raw.endswith(b"\n")):  # an unended last line says nothing
            end = "\r\n" if ends_crlf else "\n"
            if seen is None:
                seen = end
            elif seen != end:
                names = {"\n": "LF", "\r\n": "CRLF"}
                raise CorpusError(
                    path, number, f"line ends in {names[end]}, expected {names[seen]}", "Use one kind of line end in the whole file."
                )
        if len(line) > LONGEST_LINE:
            raise CorpusError(
                path, number, f"a line of {len(line):,} bytes", f"No sentence has more than {LONGEST_LINE:,}; are the line ends lost?"
            )
        try:
            yield number, (line[:-1] if ends_crlf else line).decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorpusError(
                path, number, f"not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}", "Convert the file to UTF-8."
            ) from None


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(stat: os.stat_result) -> str:
    """What of a file is another when its bytes are: for memories that spare reading it again, never for a verdict.

    The time of the last change of any kind is in it, which no program can set: a file with the size and the modification time of
    the one it replaced (unpacked from an archive, written under a clock that was set back) is told from it.
    """
    return f"{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}"


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all: a temporary neighbour, flushed to disk, then renamed over the target."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with own_file(path.with_name(f".{path.name}.tmp")) as temporary:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written: {error.strerror}", "Check space and permissions; what stood there is untouched."
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def own_file(temporary: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[Path]:
    """A file that is this process's own until the block ends or renames it; an error in the block removes it.

    It has one name, so whoever writes it next takes over what a killed process left. Of two who want it at once one waits, and
    calls `waiting` first.
    """
    with _held(temporary, lambda: os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666), waiting):
        try:
            yield temporary
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into, which then takes its place: a kill at any moment leaves the old one, none, or the new one.

    An error inside leaves what stood there. Of two processes that make one folder the second waits for the first; where it has
    made the same files, it leaves the first one's in place: somebody may be reading them.
    """
    making = out.with_name(f".{out.name}.making")

    def opened() -> int:
        making.mkdir(parents=True, exist_ok=True)
        return os.open(making, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    with _held(making, opened):
        try:
            for left in making.iterdir():  # by a kill
                _remove(left)
            yield making
            if _same(making, out):
                _remove(making)
                _remove(_leaving(out))
            else:
                put_folder(making, out)
        except BaseException:
            _remove(making)
            raise


@contextmanager
def _held(path: Path, opened: Callable[[], int], waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold what stands at `path`, made by `opened` where nothing does; the lock is a `flock`: it dies with its process."""
    while True:
        try:
            descriptor = opened()
        except FileNotFoundError:
            if path.parent.is_dir():  # another process renamed it as we opened it
                continue
            raise
        try:
            _lock(descriptor, waiting)
            if stands_at(path, descriptor):  # else whoever held it has renamed it: what is at `path` now is another one
                yield
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, waiting: Callable[[], object]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # a file system without locks: two at once may then disturb each other, one alone is well
        pass


def stands_at(path: Path, descriptor: int) -> bool:
    """Whether what was opened is what has that name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same names with the same bytes."""
    if not other.is_dir():
        return False
    try:
        names, others = ({path.relative_to(top): path for path in top.rglob("*")} for top in (one, other))
        return names.keys() == others.keys() and all(
            path.is_dir() == others[name].is_dir() and (path.is_dir() or path.read_bytes() == others[name].read_bytes())
            for name, path in names.items()
        )
    except OSError:
        return False


def _remove(path: Path) -> None:
    """Whatever it is, and if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def put_folder(made: Path, out: Path) -> None:
    """Rename a folder over another; a failure puts the old one back."""
    leaving = _leaving(out)
    _remove(leaving)
    if out.exists():
        out.rename(leaving)
    try:
        made.rename(out)
    except OSError:
        if leaving.exists():
            leaving.rename(out)
        raise
    _remove(leaving)


def _leaving(out: Path) -> Path:
    """Where a folder stands while another takes its place."""
    return out.with_name(f".{out.name}.leaving")
