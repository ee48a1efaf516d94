"""The fenced blocks of a Markdown page as a bash script whose line numbers are the page's.

A block says its language: `bash` (or `sh`) and `console` hold commands and are run, anything else (`text`, `yaml`, `python`, ...) is not.
In `console`, commands follow `$ ` and the other lines are output. A comment just above a block, which no page shows, says more:

    <!-- docs: gpu -->                     not run: needs a GPU; likewise `slurm`, and `remote` (the net, corpora or models from elsewhere)
    <!-- docs: covered by .ci/run -->      not run here: that file runs the same lines, or a test (tests/test_x.py::test_y) does
    <!-- docs: file my_method.py -->       a block of any language, written to that file of the working directory
    <!-- docs: fails -->                   the last command of the block must fail
    <!-- docs: after docs/index.md -->     anywhere on a page: it starts from what that page left, in the directory where that ended
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = ("bash", "sh", "shell", "console")
EXEMPT = ("slurm", "gpu", "remote")
FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
MARK = re.compile(r"^\s*<!--\s*docs:\s*(?P<text>.+?)\s*-->\s*$")
END = "KFBENCH_END_OF_FILE"


class PageError(Exception):
    """A page that cannot be run; the message names file, line and mend."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the page's line numbers of its fences (from 1), its lines without indent, the mark above it."""

    page: str
    start: int
    end: int
    language: str
    lines: tuple[str, ...]
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.start}"

    @property
    def commands(self) -> list[str]:
        """What is typed, in order; none for a block that holds no commands."""
        if self.language not in RUN:
            return []
        lines = self.lines
        if self.language == "console":
            lines = tuple(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


@dataclass(slots=True)
class Page:
    """The blocks of a page, and the page that it goes on from."""

    name: str
    lines: int
    blocks: list[Block] = field(default_factory=list)
    after: str | None = None


def read(path: Path, root: Path = ROOT) -> Page:
    """Parse a page.

    Raises:
        PageError: a block without language or end, an unknown mark, a mark above nothing.
    """
    text = path.read_text(encoding="utf-8").splitlines()
    page = Page(path.relative_to(root).as_posix(), len(text))
    mark, marked, at = "", 0, 0
    while at < len(text):
        line = text[at]
        at += 1
        if found := MARK.match(line):
            if found["text"].startswith("after "):
                page.after = found["text"].removeprefix("after ").strip()
            else:
                mark, marked = found["text"], at
                _known(mark, f"{page.name}:{at}")
            continue
        if not (fence := FENCE.match(line)):
            if mark and line.strip():
                raise PageError(f"{page.name}:{marked}: `docs: {mark}` stands above no block; put it on the line before the fence")
            continue
        info = fence["info"].split()
        if not info:
            raise PageError(f"{page.name}:{at}: a block without a language; say bash (it will be run), console, text, ...")
        start, inside = at, []
        while at < len(text) and not re.match(rf"^\s*{fence['ticks']}\s*$", text[at]):
            inside.append(text[at].removeprefix(fence["indent"]))
            at += 1
        if at == len(text):
            raise PageError(f"{page.name}:{start}: the block has no end")
        at += 1
        page.blocks.append(Block(page.name, start, at, info[0], tuple(inside), mark))
        mark = ""
    if mark:
        raise PageError(f"{page.name}:{marked}: `docs: {mark}` stands above no block")
    return page


def _known(mark: str, where: str) -> None:
    if mark not in (*EXEMPT, "fails") and not mark.startswith(("covered by ", "file ")):
        raise PageError(
            f"{where}: unknown mark {mark!r}; there are {', '.join(EXEMPT)}, fails, `covered by FILE`, `file NAME`, `after PAGE`"
        )


def covered(block: Block, root: Path = ROOT) -> None:
    """Check that what a block names as its cover is there and runs its lines.

    Raises:
        PageError: no such file or test, or a file that is no test lacks one of the lines.
    """
    name = block.mark.removeprefix("covered by ").strip()
    file, _, test = name.partition("::")
    if not (root / file).is_file():
        raise PageError(f"{block}: covered by {file}, which is not there")
    text = (root / file).read_text(encoding="utf-8")
    if file.endswith(".py"):
        known = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
        if not test.startswith("test_") or test not in known:
            raise PageError(f"{block}: covered by {name}: name a test of that file, `{file}::test_...`")
        return
    for line in block.commands:
        if (command := line.partition(" #")[0].strip()) not in text:
            raise PageError(f"{block}: covered by {file}, which does not run `{command}`")


def script(page: Page) -> str:
    """The page as bash: each command stands on its own line of the page, so that an error's line is the page's."""
    lines = [""] * page.lines
    for block in page.blocks:
        first, last = block.start - 1, block.end - 1
        inside = slice(first + 1, last)
        if block.mark.startswith("file "):
            name = block.mark.removeprefix("file ").strip()
            lines[first] = f"mkdir -p \"$(dirname '{name}')\"; cat > '{name}' <<'{END}'"
            lines[inside], lines[last] = list(block.lines), END
        elif block.commands and block.mark not in EXEMPT and not block.mark.startswith("covered by "):
            if block.language == "console":
                lines[inside] = [line.removeprefix("$ ") if line.startswith("$ ") else "" for line in block.lines]
            else:
                lines[inside] = list(block.lines)
            if block.mark == "fails":
                lines[first] = "if ("
                lines[last] = f'); then echo "{block}: it was to fail and did not" >&2; exit 1; fi'
    return "\n".join(lines) + "\n"
