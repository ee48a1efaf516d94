"""Text files read line by line with honest errors, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from splits.errors import CorpusError, KfbenchError

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
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CorpusError(path, None, "no such file", "Check the path; `kfbench corpora prepare` makes prepared corpora.") from None
    except OSError as error:
        raise CorpusError(path, None, f"cannot be read: {error.strerror}", "Check the file and its permissions.") from None
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


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all: a temporary neighbour, flushed to disk, then renamed over the target."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise KfbenchError(
            f"{path}: cannot be written: {error.strerror}", "Check space and permissions; what stood there is untouched."
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into, which then takes its place: a kill at any moment leaves the old one, none, or the new one.

    An error inside leaves what stood there.
    """
    making = out.with_name(f".{out.name}.making")
    shutil.rmtree(making, ignore_errors=True)  # left by a kill
    making.mkdir(parents=True)
    try:
        yield making
        put_folder(making, out)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def put_folder(made: Path, out: Path) -> None:
    """Rename a folder over another; a failure puts the old one back."""
    leaving = out.with_name(f".{out.name}.leaving")
    shutil.rmtree(leaving, ignore_errors=True)
    if out.exists():
        out.rename(leaving)
    try:
        made.rename(out)
    except OSError:
        if leaving.exists():
            leaving.rename(out)
        raise
    shutil.rmtree(leaving, ignore_errors=True)
