"""Every command of README.md, CONTRIBUTING.md, docs/ and perf/README.md is run, page by page, in a copy of the checkout.

How a block says that it is not to be run: `blocks.py`. The copy's demo profile trains one epoch of a smaller encoder, so that a page's
`kfbench run` in demo/ takes seconds; nothing else is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import EXEMPT, ROOT, RUN, Block, Page, PageError, covered, read, script
from tests.environment import environment

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "perf/README.md", "demo/replies/README.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
NOT_GIVEN = {"KFBENCH_MIRROR", "KFBENCH_ENCODERS", "KFBENCH_LLMS"}  # what a reader need not have
SECONDS = 900  # a page that hangs is stopped there; all pages together take about a minute of a core
# `set -e` passes over `false && true`, so the status is looked at once more before the command of the next line, and at the end.
PREAMBLE = """unset BASH_ENV
set -eE -o pipefail
docs_note() { echo "$1" >> "$DOCS_FAILED"; exit 1; }
trap 'docs_note "$LINENO: $BASH_COMMAND"' ERR
trap '[ $? = 0 ] || [ "$LINENO" = "${docs_line:-}" ] || docs_note "$docs_line: the command before line $LINENO"; docs_line=$LINENO' DEBUG
trap '[ $? = 0 ] || docs_note "$docs_line: the last command"; pwd > "$DOCS_ENDED"' EXIT
"""


@dataclass(frozen=True, slots=True)
class Left:
    """What a page left: the copy of the checkout, and the directory (below it) where its commands ended."""

    root: Path
    at: str


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout as a repository of its own, with `.venv`, whose demo trains for seconds."""
    root = tmp_path_factory.mktemp("checkout") / "knowfree-bench"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.splitlines()):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    if (Path(sys.prefix) / "bin" / "activate").is_file():
        (root / ".venv").symlink_to(sys.prefix)
    else:
        (root / ".venv" / "bin").mkdir(parents=True)
        (root / ".venv" / "bin" / "activate").touch()
    params = root / "demo" / "params.yaml"
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    values["training"] |= {"epochs": 1, "evaluate_every": None}
    for encoder in values["encoders"].values():
        encoder |= {"layers": 1, "hidden": 16}
    params.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    git = ["git", "-c", "user.name=docs", "-c", "user.email=docs@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "A copy"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    return root


Run = Callable[[str], Left]


@pytest.fixture(scope="session")
def run(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a page once, after the page that it goes on from."""
    left: dict[str, Left] = {}

    def once(name: str) -> Left:
        if name not in left:
            page = read(ROOT / name)
            if page.after is not None and page.after not in NAMES:
                raise PageError(f"{name}: goes on from {page.after}, which is no page; there are {', '.join(NAMES)}")
            before = once(page.after) if page.after else Left(checkout, ".")
            root = tmp_path_factory.mktemp("page") / "knowfree-bench"
            shutil.copytree(before.root, root, symlinks=True)
            left[name] = Left(root, execute(page, root, before.at))
        return left[name]

    return once


def execute(page: Page, root: Path, at: str) -> str:
    """Run a page's commands; the directory where they ended.

    Raises:
        PageError: a command failed; names its line and shows what was printed.
    """
    notes = root.parent
    (notes / "page.sh").write_text(script(page), encoding="utf-8")
    (notes / "preamble.sh").write_text(PREAMBLE, encoding="utf-8")
    more = {"BASH_ENV": str(notes / "preamble.sh"), "DOCS_FAILED": str(notes / "failed"), "DOCS_ENDED": str(notes / "ended")}
    kept = environment(HF_HUB_OFFLINE="1", COLUMNS="120", **more) | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": ""}
    env = {k: v for k, v in kept.items() if k not in NOT_GIVEN}
    with (notes / "printed").open("w+") as printed:
        started = subprocess.Popen(
            ["bash", str(notes / "page.sh")],
            cwd=root / at,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | str = started.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()
            status = f"not done after {SECONDS} s; mark a block `covered by TEST` if a test runs its commands"
        printed.seek(0)
        text = printed.read()
    if status != 0:
        failed = notes / "failed"
        where = failed.read_text().splitlines()[0] if failed.exists() else "0: ?"
        raise PageError(f"{page.name}:{where}\n  status: {status}\n  " + "\n  ".join(text.splitlines()[-30:]))
    return str(Path((notes / "ended").read_text().strip()).relative_to(root.resolve()))


@pytest.mark.timeout(3 * SECONDS)
@pytest.mark.parametrize("name", NAMES)
def test_commands_run_as_the_page_says(name: str, run: Run) -> None:
    page = read(ROOT / name)
    if any(runs(block) for block in page.blocks):
        try:
            run(name)
        except PageError as error:
            pytest.fail(str(error), pytrace=False)


def runs(block: Block) -> bool:
    """Whether a block of commands is run here."""
    return bool(block.commands) and block.mark not in EXEMPT and not block.mark.startswith("covered by ")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_run_here_is_run_by_what_it_names(name: str) -> None:
    for block in read(ROOT / name).blocks:
        if block.mark.startswith("covered by "):
            covered(block)
        if block.mark in (*EXEMPT, "fails"):
            assert block.language in RUN, f"{block}: `{block.mark}` says nothing of a block of {block.language}"
