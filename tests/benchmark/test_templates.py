"""Files that `kfbench new-method` writes: named as asked, never over anything, sound as they stand."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.fingerprint import declared, of_method
from benchmark.method import Method, build, find
from benchmark.reference import imported, reference
from benchmark.templates import CLASS, NAME, check_name, class_name, render, write_method
from splits.errors import ConfigError, KfbenchError
from tests.benchmark.conftest import ROOT
from tests.benchmark.test_cli import call

KINDS = ("neural", "rules")


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_under_a_name_is_a_method_of_that_name(kind, tmp_path: Path) -> None:
    write_method("span_bert", kind, tmp_path / "span_bert.py")
    method = reference(str(tmp_path / "span_bert.py"))
    assert method == f"{tmp_path / 'span_bert.py'}:SpanBertMethod"
    built = build(method, find(method).test_config)
    assert isinstance(built, Method)
    assert built.name == "span_bert"
    with pytest.raises(FrozenInstanceError):
        built.anything = 1
    text = (tmp_path / "span_bert.py").read_text(encoding="utf-8")
    assert NAME not in text
    assert CLASS not in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_file_passes_the_projects_own_style(kind, tmp_path: Path) -> None:
    path = tmp_path / f"a_name_as_long_as_a_name_may_be_{kind}.py"
    write_method(path.stem, kind, path)
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--config", ROOT / "pyproject.toml", path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_templates_use_the_suites_parts_and_no_method(kind) -> None:
    imports = {node.module for node in ast.walk(ast.parse(render(kind, "x"))) if isinstance(node, ast.ImportFrom)}
    assert not {str(name).split(".")[0] for name in imports} & {"baselines", "knowfree", "reports"}
    assert ("benchmark.training" in imports) is (kind == "neural")


def test_the_command_writes_and_says_what_to_type_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, text = call("new-method", "span_bert")
    assert status == 0
    assert "kfbench check span_bert.py" in text
    assert "kfbench compare span_bert.py --against" in text
    assert declared(tmp_path / "span_bert.py") == [("SpanBertMethod", "span_bert")]
    call("new-method", "other", "--kind", "rules", "--out", "elsewhere.py")
    assert "torch" not in (tmp_path / "elsewhere.py").read_text(encoding="utf-8").split("import")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(KfbenchError, match=r"mine\.py: exists"):
        write_method("mine", "neural", path)
    assert path.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["", "Span", "1st", "a-b", "a.b", "a b", "../a", "class", "method", "_method", "_a", "ä", "x" * 41, "a\n"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no name for a method"):
        write_method(name, "neural", tmp_path / "x.py")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["bert_crf", "knowfree", "knowfree_syn"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="already") as caught:
        check_name(name)
    assert "cnn_ner" in caught.value.mend


@pytest.mark.parametrize(
    ("out", "what"),
    [("torch.py", "would hide"), ("random.py", "would hide"), ("mine.txt", "not a Python file"), ("no/mine.py", "no folder")],
)
def test_a_file_that_would_do_harm_is_refused(out: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=what):
        write_method("mine", "rules", Path(out))
    assert not list(tmp_path.iterdir())


@given(st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True))
def test_every_name_that_is_allowed_gives_a_class_of_its_own(name: str) -> None:
    try:
        check_name(name)
    except ConfigError:
        return
    assert class_name(name).isidentifier()
    assert class_name(name) not in {"Method", "Model", "Tagger", "SurfaceTagger"}
    ast.parse(render("neural", name))


FILE = """from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class First:
    name: ClassVar[str] = "first"
    def fit(self, given): {body}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.py"
    path.write_text(FILE.format(body="..."), encoding="utf-8")
    return path


def test_a_file_with_one_method_needs_no_class(file: Path) -> None:
    assert reference(str(file)) == reference(f"{file}:First") == f"{file}:First"
    assert reference("bert_crf") == "bert_crf"
    assert imported(f"{file}:First").name == "first"


def test_a_file_with_none_or_several_says_so(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text + text.replace("First", "Second").replace('"first"', '"second"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="2 methods") as caught:
        reference(str(file))
    assert f"{file}:Second" in caught.value.mend
    file.write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no method in it"):
        reference(str(file))
    with pytest.raises(ConfigError, match="no such file"):
        reference(str(file.with_name("none.py")))


def test_two_methods_of_a_name_are_refused_for_their_cells_would_be_one(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text + text.replace("First", "Second"), encoding="utf-8")
    with pytest.raises(ConfigError, match="First and Second are both called 'first'"):
        reference(f"{file}:First")


@pytest.mark.parametrize(
    ("text", "line", "kind"), [("x = 1\nx = 1 / 0\n", 2, "ZeroDivisionError"), ("import no_such_package\n", 1, "ModuleNotFoundError")]
)
def test_a_file_that_cannot_be_imported_names_its_line(text: str, line: int, kind: str, file: Path) -> None:
    file.write_text(text + file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"some\.py:{line}: {kind}"):
        imported(reference(str(file)))


def test_a_file_that_is_not_python_names_its_line(file: Path) -> None:
    file.write_text("x = 1\ndef f(:\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"some\.py:2: not Python"):
        reference(str(file))


def test_results_of_a_file_are_stale_once_its_code_changes_but_not_for_a_comment(file: Path) -> None:
    before = of_method(f"{file}:First").sha256
    text = file.read_text(encoding="utf-8")
    file.write_text(f"# a comment\n{text}    # another\n", encoding="utf-8")
    assert of_method(f"{file}:First").sha256 == before
    file.write_text(text.replace("...", "return 1"), encoding="utf-8")
    assert of_method(f"{file}:First").sha256 != before
