"""The generated pages hold what the code holds; commands that text names exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from typer.testing import CliRunner

from benchmark.cli import build_app
from benchmark.method import discover
from docs.reference import commands_page, comments, corpora_page, methods_page, walk
from splits import corpora
from tests.docs.test_commands import NAMES, ROOT


def section(page: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_parameter_of_every_method_stands_with_its_default() -> None:
    page = methods_page()
    assert discover()
    for name, cls in discover().items():
        text = section(page, name)
        made = cls()
        for field in fields(cast("Any", cls)):
            row = next(line for line in text.splitlines() if line.startswith(f"| `{field.name}` |"))
            assert f"`{field.default!r}`" in row
            assert hasattr(made, field.name)
        assert (cls.__doc__ or "").splitlines()[0] in text


def test_comments_are_those_of_the_lines_inherited_ones_too() -> None:
    notes = comments(discover()["knowfree_syn"])
    assert notes["encoder_lr"] == "released code"
    assert notes["ratio"].startswith("synthetic sentences to a real one")
    assert notes["pseudo_labels"] == ""


def test_every_corpus_stands_with_its_files() -> None:
    page = corpora_page()
    for name in corpora.names():
        text = section(page, name)
        assert text
        for file in corpora.source(name).files.values():
            assert file.sha256 in text


@cache
def commands() -> dict[str, Any]:
    return dict(walk(typer.main.get_command(build_app()), "kfbench"))


@cache
def printed(command: str) -> str:
    return CliRunner().invoke(build_app(), [*command.split()[1:], "--help"], env={"COLUMNS": "200"}).output


def test_every_command_stands_with_the_options_that_its_help_prints() -> None:
    page = commands_page()
    for name in commands():
        text = section(page, name)
        options = re.findall(r"^│[ *]+(--[a-z-]+)", printed(name), re.MULTILINE)
        assert options
        for option in options:
            assert option == "--help" or f"`{option}`" in text, f"{name} {option}"


def test_groups_of_commands_are_walked() -> None:
    assert "kfbench corpora list" in commands()


def named(name: str) -> Iterator[tuple[str, str]]:
    """(where, code) of every `kfbench ...` and `make ...` in a page's running text and its blocks."""
    for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
        for code in re.findall(r"`((?:kfbench|make) [^`]+)`", line):
            yield f"{name}:{number}", code


def check(where: str, code: str) -> None:
    """A `kfbench` command as text writes it: known, with known options."""
    words = code.split()
    if words[1].startswith("-") or words[1].isupper():
        return
    known = [c for c in commands() if words[: len(c.split())] == c.split()]
    groups = {c.rpartition(" ")[0] for c in commands()}
    assert known or " ".join(words[:2]) in groups, f"{where}: `{code}`: there is no such command"
    for option in re.findall(r"(?<!\S)--[a-z-]+", code):
        assert option in printed(known[0]), f"{where}: `{code}`: no option {option}"


@pytest.mark.parametrize("name", NAMES)
def test_commands_that_running_text_names_exist_with_their_options(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):", Path(ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for where, code in named(name):
        if code.startswith("make "):
            assert code.split()[1] in targets, f"{where}: `{code}`: the Makefile has {', '.join(targets)}"
        else:
            check(where, code)


def test_examples_of_help_are_commands_with_their_options() -> None:
    examples = [line for line in commands_page().splitlines() if re.match(r"(.*\| )?kfbench ", line)]
    assert len(examples) >= len(commands()) - 1
    for line in examples:
        check("help", line[line.index("kfbench ") :].partition(" | ")[0].partition(" #")[0])
