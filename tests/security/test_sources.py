"""Our own code holds none of the calls that turn data into code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import ROOT

ROOMS = ("splits", "benchmark", "baselines", "knowfree", "reports", "perf", "docs", "demo")
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "input"}
FORBIDDEN = {
    "pickle.load", "pickle.loads", "marshal.loads", "shelve.open", "dill.loads", "joblib.load", "os.system", "os.popen", "os.execv",
    "yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "pandas.read_pickle", "tempfile.mktemp", "shutil.unpack_archive",
    "torch.hub.load", "torch.jit.load", "zipfile.ZipFile", "urllib.request.urlopen", "numpy.loads", "ElementTree.XML",
}  # fmt: skip
LOADERS = {"from_pretrained", "from_config"}  # of transformers: they ask whether to run a repository's code unless told not to
OURS = {"LLM"}


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def name_of(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id if isinstance(node, ast.Name) else "?", *reversed(parts)])


def keywords(call: ast.Call) -> dict[str | None, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords}


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call that is not allowed."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name, given = name_of(call.func), keywords(call)
        short = name.rsplit(".", 1)[-1]
        if name in FORBIDDEN_CALLS or name in FORBIDDEN:
            yield call.lineno, name
        if isinstance(shell := given.get("shell"), ast.Constant) and shell.value:
            yield call.lineno, f"{name}(shell=True)"
        if name in ("torch.load",) and not (isinstance(only := given.get("weights_only"), ast.Constant) and only.value is True):
            yield call.lineno, "torch.load without weights_only=True"
        if name in ("np.load", "numpy.load") and "allow_pickle" in given:
            yield call.lineno, "np.load with allow_pickle"
        if short in LOADERS and None not in given:
            trust = given.get("trust_remote_code")
            if not (isinstance(trust, ast.Constant) and trust.value is False):
                yield call.lineno, f"{name} without trust_remote_code=False"
        if isinstance(trust := given.get("trust_remote_code"), ast.Constant) and trust.value is not False:
            yield call.lineno, f"{name}(trust_remote_code={trust.value})"
        if short == "Environment" and not (isinstance(auto := given.get("autoescape"), ast.Constant) and auto.value is True):
            yield call.lineno, "jinja2.Environment without autoescape"
        if short == "extractall" and not (isinstance(how := given.get("filter"), ast.Constant) and how.value == "data"):
            yield call.lineno, "extractall without filter='data'"
        if short == "Template" and name.startswith("jinja2"):
            yield call.lineno, "jinja2.Template escapes nothing"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_turns_data_into_code(path: Path) -> None:
    assert list(faults(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "eval(x)", "pickle.loads(x)", "yaml.load(x)", "subprocess.run(x, shell=True)", "torch.load(p)", "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)", "AutoModel.from_pretrained(x)", "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "jinja2.Environment(loader=y)", "archive.extractall(p)", "jinja2.Template(x)", "os.system(x)",
    ],
)  # fmt: skip
def test_the_scan_finds_what_it_looks_for(code: str) -> None:
    assert list(faults(ast.parse(code)))


def test_templates_switch_no_escaping_off() -> None:
    for path in (ROOT / "reports" / "templates").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text.replace(" ", "")
        assert "autoescape" not in text
        assert "javascript:" not in text.lower()
