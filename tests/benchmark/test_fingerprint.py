"""Fingerprints follow code, not comments, and only the code of the method."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmark.fingerprint import EXCLUDED, Packages, closure, digest, locate, of_method, packages
from splits.errors import ConfigError
from tests.benchmark.conftest import DICTIONARY, ROOT, environment

BUILT_IN = ("bert_crf", "cnn_ner", "knowfree", "knowfree_syn", "cnn_ner_syn")

FILES = {
    "splits/__init__.py": "",
    "splits/schema.py": "X = 1\n",
    "splits/cli.py": "import splits.schema\n",
    "benchmark/__init__.py": "",
    "benchmark/cell.py": "from splits import schema\nfrom benchmark import store\n",
    "benchmark/scoring.py": "import math\n",
    "benchmark/store.py": "S = 1\n",
    "benchmark/nn/__init__.py": "",
    "benchmark/nn/lazy.py": "L = 1\n",
    "benchmark/nn/grid.py": "from . import shared\nfrom .shared import S\nfrom ..nn import star\n",
    "benchmark/nn/shared.py": "S = 1\n",
    "benchmark/nn/star.py": "from benchmark.nn.unused_name import *\n",
    "benchmark/nn/unused_name.py": "",
    "benchmark/nn/lonely.py": "",
    "baselines/__init__.py": "",
    "baselines/crf.py": """class C:
    'Doc.'
    name: ClassVar[str] = "bert_crf"
    def fit(self):
        from benchmark.nn import lazy
""",
    "knowfree/__init__.py": "",
    "knowfree/method.py": 'from benchmark.nn.grid import *\nclass K:\n    name = "knowfree"\n',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def modules(method: str, root: Path) -> set[str]:
    return set(of_method(method, root).modules)


COMMON = {"benchmark", "benchmark.cell", "benchmark.scoring", "splits", "splits.schema"}


def test_the_closure_follows_lazy_relative_and_starred_imports(checkout: Path) -> None:
    assert modules("bert_crf", checkout) == COMMON | {"baselines", "baselines.crf", "benchmark.nn", "benchmark.nn.lazy"}
    nn = {f"benchmark.nn.{name}" for name in ("grid", "shared", "star", "unused_name")} | {"benchmark.nn"}
    assert modules("knowfree", checkout) == COMMON | nn | {"knowfree", "knowfree.method"}


def sha(checkout: Path) -> dict[str, str]:
    return {method: of_method(method, checkout).sha256 for method in ("bert_crf", "knowfree")}


@pytest.mark.parametrize(
    ("file", "text", "changed"),
    [
        ("baselines/crf.py", FILES["baselines/crf.py"].replace("Doc.", "Other words.") + "\n\n# a comment\n", set()),
        ("baselines/crf.py", FILES["baselines/crf.py"].replace("def fit(self)", "def fit(  self  )"), set()),
        ("baselines/crf.py", FILES["baselines/crf.py"] + "        return 1\n", {"bert_crf"}),
        ("benchmark/nn/lazy.py", "L = 2\n", {"bert_crf"}),
        ("benchmark/nn/shared.py", "S = 2\n", {"knowfree"}),
        ("benchmark/nn/shared.py", "S = 1.0\n", {"knowfree"}),
        ("benchmark/nn/lonely.py", "x = 1\n", set()),
        ("benchmark/store.py", "S = 2\n", set()),
        ("splits/cli.py", "x = 1\n", set()),
        ("splits/schema.py", "X = 2\n", {"bert_crf", "knowfree"}),
        ("benchmark/nn/__init__.py", "x = 1\n", {"bert_crf", "knowfree"}),
        ("knowfree/__init__.py", "x = 1\n", {"knowfree"}),
        ("baselines/__init__.py", "x = 1\n", {"bert_crf"}),
        ("baselines/crf.py", FILES["baselines/crf.py"] + "    from splits import newcomer\n", {"bert_crf"}),
    ],
)
def test_only_methods_whose_code_changed_change(file: str, text: str, changed: set[str], checkout: Path) -> None:
    before = sha(checkout)
    (checkout / file).write_text(text, encoding="utf-8")
    after = sha(checkout)
    assert {method for method in before if before[method] != after[method]} == changed


def test_a_file_that_is_not_python_is_named(checkout: Path) -> None:
    (checkout / "benchmark/nn/lazy.py").write_text("def f(:\n")
    with pytest.raises(ConfigError, match=r"lazy\.py:1: not Python"):
        of_method("bert_crf", checkout)


def test_an_unknown_method_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no method 'nothing'") as caught:
        of_method("nothing")
    assert all(name in caught.value.mend for name in BUILT_IN)


@pytest.mark.parametrize("method", BUILT_IN)
def test_a_method_is_located_where_python_finds_it(method: str) -> None:
    from benchmark.method import find

    module, path, _ = locate(method)
    assert find(method).__module__ == module
    assert Path(sys.modules[module].__file__ or "").resolve() == path.resolve()


@pytest.mark.parametrize("method", BUILT_IN)
def test_the_closure_holds_every_module_of_ours_that_training_imports(method: str) -> None:
    """An oracle that is no AST: what a fresh interpreter has loaded once the method, cell and scoring are imported."""
    module, _, _ = locate(method)
    code = f"import sys, {module}, benchmark.cell, benchmark.scoring; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), cwd=ROOT, capture_output=True, text=True, check=True)
    known = packages()
    loaded = {name for name in done.stdout.split() if known.file(name)}
    excluded = {name for name in loaded if any(name == e or name.startswith(f"{e}.") for e in EXCLUDED)}
    assert loaded - excluded <= set(of_method(method).modules)
    assert not excluded, "what a cell imports must be part of its hash"


@pytest.mark.parametrize("method", BUILT_IN)
def test_the_deps_of_the_dvc_stage_cover_the_closure(method: str) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    covered = {dep.removeprefix("${code}/") for dep in stages["method"]["deps"]}
    assert {module.split(".")[0] for module in of_method(method).modules} <= covered


@pytest.mark.parametrize("method", BUILT_IN)
def test_methods_do_not_share_the_code_of_another_room(method: str) -> None:
    found = {module.split(".")[0] for module in of_method(method).modules}
    assert not {"knowfree", "baselines"} <= found
    assert "reports" not in found


def test_the_harness_around_a_cell_does_not_count() -> None:
    found = set(of_method("knowfree").modules)
    for module in ("cli", "engine", "store", "plan", "worker", "commands", "progress", "config"):
        assert f"benchmark.{module}" not in found


def test_a_method_in_a_file_of_its_own_has_a_fingerprint_with_our_code() -> None:
    found = of_method(DICTIONARY).modules
    assert {"dictionary", "benchmark.method", "benchmark.cell"} <= set(found)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(st.sampled_from(["a", "b", "c"])), min_size=3, max_size=3))
def test_cycles_end_and_the_closure_is_what_can_be_reached(tmp_path_factory: pytest.TempPathFactory, graph: dict[str, list[str]]) -> None:
    root = tmp_path_factory.mktemp("graph") / "pkg"
    root.mkdir()
    (root / "__init__.py").touch()
    for name, imported in graph.items():
        (root / f"{name}.py").write_text("".join(f"import pkg.{other}\n" for other in imported))
    reached, waiting = set(), ["a"]
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting += graph[name]
    found = closure({"pkg.a": root / "a.py"}, Packages({"pkg": root}))
    assert {module.removeprefix("pkg.") for module in found} - {"pkg"} == reached


def test_the_digest_does_not_depend_on_the_name_of_the_file(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 'text'\n")
    (tmp_path / "c.py").write_text('"""Docs."""\nx = "text"  # why\n')
    assert digest(tmp_path / "a.py") == digest(tmp_path / "b.py") == digest(tmp_path / "c.py")


def test_nothing_is_imported_to_take_a_fingerprint() -> None:
    code = "import sys; from benchmark.fingerprint import of_method; print(of_method('knowfree').sha256);"
    code += "assert not {'torch', 'transformers', 'knowfree'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == of_method("knowfree").sha256


def test_the_command_writes_what_the_stage_depends_on(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "tests/micro/params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    line = [sys.executable, "-c", "from benchmark.cli import main; main()", "fingerprint", "--variant", "knowfree"]
    subprocess.run(line, env=environment(), cwd=tmp_path, check=True, capture_output=True)
    row = json.loads((tmp_path / "data/methods/knowfree.json").read_text(encoding="utf-8"))
    assert row["sha256"] == of_method("knowfree").sha256
    assert row["modules"] == dict(of_method("knowfree").modules)
    assert row["params"] == {"encoder_lr": 0.001, "size": 40}
