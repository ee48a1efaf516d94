"""The test of commands can fail: a broken command, a lost mark, a block that nobody runs are found, with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import PageError, covered, read, script
from tests.docs.test_commands import execute


def page(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


def ran(tmp_path: Path, text: str) -> Path:
    """Run a page in an empty directory, and give that."""
    root = tmp_path / "work" / "checkout"
    root.mkdir(parents=True)
    execute(read(page(tmp_path, text), tmp_path), root, ".")
    return root


def test_a_failing_command_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"page\.md:5: false\n"):
        ran(tmp_path, "# A\n\n```bash\necho before\nfalse\necho after\n```\n")


def test_a_failure_within_a_pipe_and_of_an_unknown_command_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(PageError, match=r"page\.md:2: "):
        ran(tmp_path / "a", "```bash\nfalse | cat\n```\n")
    (tmp_path / "b").mkdir()
    with pytest.raises(PageError, match=r"page\.md:2: no-such-command-here"):
        ran(tmp_path / "b", "```bash\nno-such-command-here\n```\n")


@pytest.mark.parametrize("after", ["", "echo after\n", "\n# why\n\necho after\n"])
def test_a_failing_first_half_of_a_line_is_found(after: str, tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"page\.md:3: "):
        ran(tmp_path, f"```bash\ntrue || echo no\nfalse && true\n{after}```\n")


def test_a_status_that_is_asked_for_is_no_failure(tmp_path: Path) -> None:
    root = ran(
        tmp_path, "```bash\nfalse || echo it failed > a\nif false; then echo no; fi\nfor x in 1 2; do echo $x; done > b\n! false\nls\n```\n"
    )
    assert (root / "b").read_text() == "1\n2\n"


def test_blocks_of_a_page_share_directory_and_variables(tmp_path: Path) -> None:
    root = ran(
        tmp_path, "```bash\nmkdir sub && cd sub\nexport A=1\n```\n\ntext\n\n```console\n$ echo $A > found\nnot a command $( false )\n```\n"
    )
    assert (root / "sub" / "found").read_text() == "1\n"


def test_a_file_block_is_written_as_it_stands(tmp_path: Path) -> None:
    text = "<!-- docs: file sub/x.py -->\n\n```python\nprint('$HOME `ls` \\\\')\n```\n\n```bash\npython sub/x.py > out\n```\n"
    root = ran(tmp_path, text)
    assert (root / "sub" / "x.py").read_text() == "print('$HOME `ls` \\\\')\n"
    assert (root / "out").read_text() == "$HOME `ls` \\\n"


def test_a_command_that_is_to_fail_must(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    ran(tmp_path / "a", "<!-- docs: fails -->\n```bash\necho first\nfalse\n```\n")
    (tmp_path / "b").mkdir()
    with pytest.raises(PageError, match=r"page\.md:2: it was to fail and did not"):
        ran(tmp_path / "b", "<!-- docs: fails -->\n```bash\ntrue\n```\n")


@pytest.mark.parametrize("mark", ["gpu", "slurm", "remote", "covered by README.md"])
def test_marked_blocks_are_not_run(mark: str, tmp_path: Path) -> None:
    assert ran(tmp_path, f"<!-- docs: {mark} -->\n\n```bash\nexit 3\n```\n")


def test_indented_blocks_are_run(tmp_path: Path) -> None:
    root = ran(tmp_path, "1. so:\n\n    ```bash\n    cat > a <<'E'\n    x\n    E\n    ```\n")
    assert (root / "a").read_text() == "x\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n```\nls\n```\n", r"page\.md:2: a block without a language"),
        ("```bash\nls\n", r"page\.md:1: the block has no end"),
        ("<!-- docs: gpus -->\n```bash\nls\n```\n", r"page\.md:1: unknown mark 'gpus'"),
        ("<!-- docs: gpu -->\ntext\n```bash\nls\n```\n", r"page\.md:1: `docs: gpu` stands above no block"),
        ("<!-- docs: gpu -->\n", r"page\.md:1: `docs: gpu` stands above no block"),
    ],
)
def test_what_cannot_be_run_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PageError, match=message):
        read(page(tmp_path, text), tmp_path)


def test_cover_is_checked(tmp_path: Path) -> None:
    (tmp_path / "ci").write_text("make test\n")
    (tmp_path / "test_x.py").write_text("def test_y(): ...\n")

    def block(by: str, command: str = "make test") -> None:
        text = f"<!-- docs: covered by {by} -->\n```bash\n{command} # why\n```\n"
        covered(read(page(tmp_path, text), tmp_path).blocks[0], tmp_path)

    block("ci")
    block("test_x.py::test_y")
    for by, command in (("nothing", "make test"), ("ci", "make demo"), ("test_x.py::test_z", "make test"), ("test_x.py", "make test")):
        with pytest.raises(PageError, match=r"page\.md:2: covered by"):
            block(by, command)


def test_each_command_keeps_its_line(tmp_path: Path) -> None:
    text = "# A\n\n```console\n$ one\noutput\n$ two\n```\n\n```text\nthree\n```\n"
    assert script(read(page(tmp_path, text), tmp_path)).splitlines() == ["", "", "", "one", "", "two", "", "", "", "", ""]
