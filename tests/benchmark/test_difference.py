"""Why two cells differ: every planted change is named in its group, and nothing else is."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.difference import ABSENT, Change, Side, compare, shown
from benchmark.fingerprint import of_method
from benchmark.history import modules_at
from benchmark.lookup import Cells, stored
from benchmark.plan import Filter
from benchmark.result import RUN, load_run
from benchmark.store import MANIFEST, Store
from splits.errors import ConfigError, KfbenchError
from splits.files import write_text
from tests.benchmark.conftest import DICTIONARY, Profile
from tests.benchmark.test_cli import call

NAME = "demo_zh/lookup/10/0-0"
ONE = Filter(["demo_zh"], ["lookup"], [10], [0], [0])


@pytest.fixture
def here(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """The working directory is a profile's, with one cell done; its method is a copy that a test may edit."""
    monkeypatch.chdir(profile.root)
    source = profile.root / "dictionary.py"
    shutil.copy(DICTIONARY.rsplit(":", 1)[0], source)
    profile.write(methods={"lookup": {"method": f"{source}:Dictionary", "params": {"log": "fits.log"}}}, seeds=[0], draws=1)
    profile.run(ONE)
    return profile


def found(here: Profile) -> dict[str, list[tuple[str, Any, Any]]]:
    """The one comparison of the cell's stored form with the planned one, without environment."""
    cells = Cells(here.params, here.workspace)
    now = cells.planned(NAME)
    (old,) = cells.others(now)
    groups: dict[str, list[tuple[str, Any, Any]]] = {}
    for change in compare(old, now).changes:
        groups.setdefault(change.group, []).append((change.key, change.a, change.b))
    return groups


def test_a_cell_that_is_done_differs_from_nothing(here: Profile) -> None:
    cells = Cells(here.params, here.workspace)
    now = cells.planned(NAME)
    assert now.metrics is not None
    assert cells.others(now) == []
    assert compare(now, stored(here.store.path(str(now.hash)))).changes == ()
    assert "the store has no other cell demo_zh/lookup/10/0-0; it is done" in call("cells", "diff", NAME)[1]


def test_a_parameter_and_a_default_that_was_not_written_are_named(here: Profile) -> None:
    values = here.values
    values["methods"]["lookup"] |= {"params": {"log": "fits.log", "seconds": 0.001}, "training": {"epochs": 9}}
    here.write(methods=values["methods"])
    assert found(here) == {"config": [("method.params.seconds", 0.0, 0.001), ("training.epochs", 20, 9)]}


def test_data_are_named_by_split(here: Profile) -> None:
    draws = here.root / "data/draws/demo_zh.json"
    other = json.loads(draws.read_text(encoding="utf-8"))
    rows = other["draws"]
    first, second = (next(r for r in rows if (r["size"], r["draw"]) == (10, draw)) for draw in (0, 1))
    before = first["sha256"]
    for key in ("rows", "ids", "sha256"):
        first[key] = second[key]
    draws.write_text(json.dumps(other), encoding="utf-8")
    assert found(here) == {"data": [("data.sample", before, second["sha256"])]}


def test_the_encoder_and_the_size_of_dev_are_told_apart(here: Profile) -> None:
    here.write(encoders={"demo_zh": {"name": "scratch", "hidden": 32}}, protocol={"dev_size": 40})
    assert found(here) == {"config": [("dev_size", 30, 40)], "encoder": [("encoder.hidden", 64, 32)]}


def test_code_is_named_by_module_as_run_json_lists_it(here: Profile) -> None:
    source = here.root / "dictionary.py"
    write_text(source, source.read_text(encoding="utf-8") + "# a comment\nCHANGED = True\n")
    groups = found(here)
    assert list(groups) == ["code"]
    assert [key for key, _, _ in groups["code"]] == ["dictionary"]


def test_code_that_nobody_can_give_back_is_said_to_be_unknown(here: Profile) -> None:
    (hash,) = here.store.hashes()
    path = here.store.path(hash) / RUN
    run = json.loads(path.read_text(encoding="utf-8"))
    del run["provenance"]["modules"]
    path.write_text(json.dumps(run), encoding="utf-8")
    source = here.root / "dictionary.py"
    write_text(source, source.read_text(encoding="utf-8") + "CHANGED = True\n")
    assert [key for key, _, _ in found(here)["code"]] == ["code"]
    assert "which modules changed is not recorded" in call("cells", "diff", NAME)[1]


def test_scores_and_sentences_are_compared_where_both_ran(here: Profile) -> None:
    here.write(draws=2)
    here.run()
    a, b = (Cells(here.params, here.workspace).planned(f"demo_zh/lookup/{size}/0-0") for size in (10, 20))
    assert a.metrics is not None
    assert b.metrics is not None
    changes = {change.key: change for change in compare(a, b).changes if change.group == "scores"}
    assert changes["dev.micro F1"] == Change("scores", "dev.micro F1", a.metrics.scores["dev"].micro.f1, b.metrics.scores["dev"].micro.f1)
    pairs = zip(a.metrics.scores["dev"].sentences, b.metrics.scores["dev"].sentences, strict=True)
    assert changes["dev.sentences counted otherwise"].b == sum(x != y for x, y in pairs)


def test_run_json_lists_the_modules_of_the_code_in_the_hash(here: Profile) -> None:
    (hash,) = here.store.hashes()
    directory = here.store.path(hash)
    modules = load_run(directory).provenance["modules"]
    assert modules == dict(of_method(f"{here.root / 'dictionary.py'}:Dictionary").modules)
    assert "benchmark.scoring" in modules


def side(**changes: Any) -> Side:
    return Side("x", NAME, "0" * 64, changes)


def test_a_line_names_the_first_modules_and_counts_the_rest() -> None:
    a, b = (replace(side(code=str(i)), modules={f"m{j}": str(i) for j in range(5)}) for i in range(2))
    assert compare(a, b).reasons() == ["code of m0, m1, m2 and 2 more"]


def test_what_one_side_lacks_is_absent_and_json_leaves_it_out() -> None:
    difference = compare(side(training={"epochs": 8}, upstream="a" * 64), side(training={"steps": 1}, upstream="b" * 64))
    assert [(c.group, c.key, c.a, c.b) for c in difference.changes] == [
        ("config", "training.epochs", 8, ABSENT),
        ("config", "training.steps", ABSENT, 1),
        ("data", "upstream", "a" * 64, "b" * 64),
    ]
    rows = difference.to_json()["differences"]
    assert rows["config"] == [{"key": "training.epochs", "a": 8}, {"key": "training.steps", "b": 1}]
    assert "kfbench cells diff aaaaaaaaaaaa bbbbbbbbbbbb" in difference.notes[0]
    assert difference.reasons() == [
        "training.epochs 8 -> (absent)",
        "training.steps (absent) -> 1",
        "upstream aaaaaaaaaaaa -> bbbbbbbbbbbb",
    ]
    assert len(shown(list(range(100)))) == 60


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("demo_zh/lookup/10/5-0", "no draw 5"),
        ("demo_zh/nobody/10/0-0", "no variant 'nobody'"),
        ("nonsense", "names no cell"),
        ("0000", "no cell has a hash that starts with 0000"),
        ("data", "there is no cell in it"),
    ],
)
def test_what_names_no_cell_says_how_one_is_named(text: str, what: str, here: Profile) -> None:
    with pytest.raises(ConfigError) as caught:
        call("cells", "diff", text)
    assert what in caught.value.what
    assert caught.value.mend


def test_a_cell_is_found_by_hash_name_and_directory(here: Profile) -> None:
    call("run", "--size", "10", "--record")
    (hash,) = here.store.hashes()
    for text in (hash, hash[:6], NAME, f".kfbench/store/{hash}", f"results/{NAME}"):
        row = json.loads(call("cells", "show", text, "--json")[1])
        assert (row["hash"], row["cell"]) == (hash, NAME)
        assert row["config"]["cell"]["size"] == 10
        assert yaml.safe_load(call("cells", "show", text)[1]) == row
    shutil.rmtree(here.root / ".kfbench/store")
    bare = json.loads(call("cells", "diff", f"results/{NAME}", NAME, "--json")[1])[0]
    assert bare["same_hash"]
    assert "has results only" in bare["notes"][0]


def test_a_prefix_of_several_hashes_is_refused(here: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    (hash,) = here.store.hashes()
    twin = hash[:20] + "0" * 44
    shutil.copytree(here.store.path(hash), here.store.path(twin))
    with pytest.raises(ConfigError, match="start of several hashes"):
        call("cells", "show", hash[:8])


def test_list_names_states_and_what_the_plan_does_not_want(here: Profile) -> None:
    (old,) = here.store.hashes()
    assert [line.split()[0] for line in call("cells", "list")[1].splitlines()] == ["done", "missing"]
    here.write(protocol={"dev_size": 40})
    rows = json.loads(call("cells", "list", "--all", "--json")[1])
    assert [(row["state"], row["cell"]) for row in rows] == [
        ("stale", NAME),
        ("missing", NAME.replace("/10/", "/20/")),
        ("stored", NAME),
    ]
    assert rows[2]["hash"] == old
    assert "dev_size" in call("cells", "diff", NAME)[1]
    assert json.loads(call("cells", "diff", old[:8], "--json")[1])[0]["differences"]["config"] == [{"key": "dev_size", "a": 30, "b": 40}]


def test_a_damaged_cell_is_no_traceback(here: Profile) -> None:
    (hash,) = here.store.hashes()
    write_text(here.store.path(hash) / MANIFEST, "{")
    with pytest.raises(KfbenchError, match="not a cell"):
        call("cells", "show", hash[:8])
    assert Store(here.workspace.store).cells() == {}


def git(root: Path, *arguments: str) -> str:
    line = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def test_an_older_commit_gives_its_modules_back_if_it_is_the_code_that_ran(tmp_path: Path) -> None:
    room = tmp_path / "baselines"
    write_text(room / "__init__.py", "")
    write_text(room / "parts.py", "RATE = 1\n")
    write_text(room / "mine.py", 'from baselines.parts import RATE\n\n\nclass Mine:\n    name = "mine_alone"\n    rate = RATE\n')
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    commit, before = git(tmp_path, "rev-parse", "HEAD"), of_method("mine_alone", tmp_path)
    write_text(room / "parts.py", "RATE = 2\n")
    now = of_method("mine_alone", tmp_path)
    assert modules_at(commit, "mine_alone", before.sha256, tmp_path) == before.modules != now.modules
    assert modules_at(commit, "mine_alone", now.sha256, tmp_path) is None, "the checkout was dirty: its commit is not what ran"
    assert modules_at(commit, "no_such_method", before.sha256, tmp_path) is None
    assert modules_at("0" * 40, "mine_alone", before.sha256, tmp_path) is None
