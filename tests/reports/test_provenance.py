"""What cells share, and where they come from."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from benchmark.config import load_params
from reports.aggregate import read_results
from reports.provenance import ABSENT, blocks, commits, shared
from reports.runs import read_runs
from tests.reports.fakes import Profile
from tests.reports.worlds import World

LEAVES = st.none() | st.integers(0, 2) | st.text("ab", max_size=2)
CONFIGS = st.recursive(
    st.dictionaries(st.sampled_from("xyz"), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), LEAVES | inner, max_size=3),
)


def paths(value: object, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """Leaves of nested dictionaries by their path; an empty dictionary is none."""
    if isinstance(value, dict):
        return {path: leaf for key, inner in value.items() for path, leaf in paths(inner, (*at, key)).items()}
    return {at: value}


@given(st.lists(CONFIGS, min_size=1, max_size=3))
def test_shared_is_the_leaves_that_all_have(configs):
    expected = set.intersection(*(set(paths(config).items()) for config in configs))
    assert set(paths(shared(configs) or {}).items()) == expected


def test_a_block_names_its_cells_and_leaves_out_what_differs(tmp_path):
    world = World(tmp_path, corpora=["demo_zh"], sizes=[50])
    results = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    runs = read_runs(results, tmp_path / ".kfbench" / "store")
    found = list(blocks(results, runs, "demo_zh"))
    assert [block.variant for block in found] == world.values["variants"]
    for block in found:
        rows = results.block("demo_zh", block.variant, 50)
        assert [cell.hash for cell in block.cells] == [row.hash for row in rows]
        assert [cell.f1["dev"] for cell in block.cells] == [f"{100 * row.score.micro.f1:.2f}" for row in rows]
        assert {cell.draw for cell in block.cells} == {0, 1, 2}
        config = json.loads(block.config)
        assert config["method"]["name"] == block.variant
        assert "draw" not in config["cell"]
        assert config["cell"]["seed"] == 0
    [commit] = commits(results, runs)
    assert (commit.commit[:8], commit.dirty, commit.cells) == ("01234567", False, 12)


def test_without_the_store_cells_are_named_and_their_commits_are_unknown(tmp_path):
    Profile(tmp_path)
    results = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    [commit] = commits(results, {})
    assert (commit.commit, commit.cells) == (ABSENT, 30)
    block = next(blocks(results, {}, "demo_zh"))
    assert (block.config, block.cells[0].commit, len(block.cells[0].hash)) == ("", ABSENT, 64)
