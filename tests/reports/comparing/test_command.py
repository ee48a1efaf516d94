"""`kfbench compare` in a profile: runs what is missing and nothing else, and says what a report would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmark.config import load_params
from reports.aggregate import Results, read_results
from reports.comparing import cells
from reports.comparing.cells import Drawing
from reports.comparing.request import request
from reports.comparing.verdict import deviation
from reports.significance import verdicts
from splits.draw import load_draws, materialise
from splits.errors import ConfigError, KfbenchError
from splits.prepare import load
from tests.benchmark.conftest import DICTIONARY, Fits, Profile
from tests.benchmark.test_cli import call

MINE = ("compare", "mine.py", "--against", "lookup")


def logged(here: Profile) -> list[str]:
    """As `lookup`, so that its fits are logged too."""
    return ["--param", f"log={here.root / 'fits.log'}"]


def compared(*arguments: str) -> dict[str, Any]:
    status, text = call(*MINE, *arguments, "--json")
    assert status == 0, text
    found: dict[str, Any] = json.loads(text[text.index("\n{") :] if "\n{" in text else text)
    return found


def edit(here: Profile, **changes: Any) -> None:
    path = here.root / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_only_what_is_missing_is_run(here: Profile, fits: Fits) -> None:
    options = [*logged(here), "--size", "10"]
    assert call(*MINE, *options)[0] == 0
    assert len(fits(here)) == 2 * 2 * 2, "two methods, two draws, two seeds"
    call(*MINE, *options)
    assert len(fits(here)) == 8
    call(*MINE, *logged(here), "--size", "10", "--size", "20")
    assert len(fits(here)) == 16


def test_cells_are_the_profiles_own(here: Profile, fits: Fits) -> None:
    here.run()
    before = len(fits(here))
    call(*MINE, *logged(here))
    assert len(fits(here)) == before + 8, "those of `lookup` were done"
    values = yaml.safe_load((here.root / "params.yaml").read_text(encoding="utf-8"))
    mine = {"method": "mine.py:Mine", "params": {"log": str(here.root / "fits.log")}}
    edit(here, variants=["lookup", "mine"], methods=values["methods"] | {"mine": mine})
    assert call("run")[0] == 0
    assert len(fits(here)) == before + 8, "named in params, its cells are done"


def test_an_edit_makes_its_cells_stale_and_a_comment_does_not(here: Profile, fits: Fits) -> None:
    options = [*logged(here), "--size", "10"]
    call(*MINE, *options)
    path = here.root / "mine.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"# what a comment says\n{text}", encoding="utf-8")
    call(*MINE, *options)
    assert len(fits(here)) == 8
    path.write_text(text.replace("1 / epoch", "2 / epoch"), encoding="utf-8")
    call(*MINE, *options)
    assert len(fits(here)) == 12, "four of `mine`, none of `lookup`"


def test_the_verdict_is_that_of_a_report_on_the_same_cells(here: Profile) -> None:
    found = compared()
    values = yaml.safe_load((here.root / "params.yaml").read_text(encoding="utf-8"))
    edit(here, variants=["lookup", "mine"], methods=values["methods"] | {"mine": {"method": "mine.py:Mine"}})
    assert call("run", "--record")[0] == 0
    expected = verdicts(read_results(load_params("params.yaml"), Path("results")), baseline="lookup")
    assert [(row["size"], row["mean"], row["p"], row["improvement"], row["draws"]) for row in found["comparisons"]] == [
        (c.size, c.mean, c.p, c.improvement, c.draws) for c in expected.comparisons
    ]
    for row, c in zip(found["comparisons"], expected.comparisons, strict=True):
        assert c.difference is not None
        assert (row["difference"]["low"], row["difference"]["high"]) == (c.difference.low, c.difference.high)
    assert found["comparisons"][0]["mean"] > 0, "it knows twice what the other knows"
    assert found["comparisons"][0]["f1"] - found["comparisons"][0]["baseline_f1"] == pytest.approx(found["comparisons"][0]["mean"])


def test_the_deviation_is_that_of_the_paired_difference_between_draws(here: Profile) -> None:
    asked = request(load_params("params.yaml"), "mine.py", "lookup", sizes=[10, 20], draws=4)
    ran = cells.run(asked, Path())
    found = {c.size: deviation(ran, c) for c in verdicts(ran.results, baseline="lookup").comparisons}
    f1 = {
        (v, size): np.array([[score_of(ran.results, v, size, draw, seed) for seed in (0, 1)] for draw in range(4)]).mean(axis=1)
        for v in ("mine", "lookup")
        for size in (10, 20)
    }
    apart = {size: 100 * (f1["mine", size] - f1["lookup", size]) for size in (10, 20)}
    assert found[10] == pytest.approx(apart[10].std(ddof=1))
    assert found[None] == pytest.approx(((apart[10] + apart[20]) / 2).std(ddof=1))
    assert call("power", "--sd", f"{found[10]:.2g}")[0] == 0, "what the words tell one to type"


def score_of(results: Results, variant: str, size: int, draw: int, seed: int) -> float:
    (row,) = (r for r in results.block("demo_zh", variant, size) if (r.cell.draw, r.cell.seed) == (draw, seed))
    counts = np.array(row.score.sentences).sum(axis=0)
    return float(2 * counts[0] / (counts[1] + counts[2]))


def test_draws_beyond_the_profile_are_made_and_said_and_nothing_on_disk_changes(here: Profile) -> None:
    path = here.root / "data" / "draws" / "demo_zh.json"
    before = path.read_bytes()
    found = compared("--size", "10", "--size", "15", "--draws", "4")
    assert [(row["size"], row["draws"]) for row in found["comparisons"]] == [(10, 4), (15, 4), (None, 4)]
    assert any("draws: 4 (the profile has 2)" in note for note in found["notes"])
    assert any("sizes: 15" in note for note in found["notes"])
    assert path.read_bytes() == before


def test_a_draw_is_the_same_whoever_makes_it(here: Profile) -> None:
    wide = Drawing([10, 15], 4, here.root).data("demo_zh")
    alone = materialise(load(here.root / "data" / "demo_zh"), [10, 15], 4)
    assert {key: one.sample for key, one in wide.draws.drawn.items()} == {key: one.sample for key, one in alone.drawn.items()}
    on_disk = load_draws(here.root / "data" / "draws" / "demo_zh.json")
    assert wide.draws.drawn[10, 1].sample == on_disk.drawn[10, 1].sample
    assert Drawing([10], 2, here.root).data("demo_zh").draws == on_disk


def test_a_corpus_that_was_prepared_needs_no_draw(here: Profile) -> None:
    (here.root / "data" / "draws" / "demo_zh.json").unlink()
    assert compared("--size", "10", "--draws", "1")["comparisons"][0]["draws"] == 1


def test_one_draw_gives_a_difference_and_no_verdict(here: Profile) -> None:
    (row,) = compared("--size", "10", "--draws", "1")["comparisons"]
    assert row["difference"] is None
    assert row["mean"] != 0
    assert "proves nothing" in row["words"]
    status, text = call(*MINE, "--size", "10", "--draws", "1")
    assert status == 0
    assert "proves nothing" in text


def test_a_corpus_that_one_of_them_cannot_do_is_named_and_left_out(here: Profile, fits: Fits) -> None:
    options = ["--size", "10", "--param", "flat_only=true"]
    found = compared(*options, "--corpus", "demo_zh", "--corpus", "demo_en")
    assert {row["corpus"] for row in found["comparisons"]} == {"demo_zh"}
    assert any("n/a: demo_en: mine: entities nest" in note for note in found["notes"])
    assert not any(line.startswith("demo_en") for line in fits(here)), "nor is the other one trained there"
    status, text = call(*MINE, *options, "--corpus", "demo_en")
    assert status == 0
    assert "nothing to compare" in text


def test_a_failing_cell_is_told_and_the_rest_is_judged(here: Profile) -> None:
    (here.root / "trap").touch()
    status, text = call(*MINE, "--size", "10", "--param", f"trap={here.root / 'trap'}", "--seed", "0", "--seed", "1", "--json")
    assert status == 1
    assert "the trap is set" in text
    assert "4 cells are missing" in text


def test_what_is_not_there_is_an_error_with_a_mend(here: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than its train split"):
        call(*MINE, "--size", "100000")
    with pytest.raises(ConfigError, match="no parameter 'logg'"):
        call(*MINE, "--param", "logg=1")
    edit(here, encoders={name: {"name": "scratch"} for name in ("demo_zh", "demo_ko")})
    with pytest.raises(KfbenchError, match="not prepared") as caught:
        call(*MINE, "--corpus", "demo_ko")
    assert "kfbench corpora prepare demo_ko" in caught.value.mend
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(ConfigError, match=r"params\.yaml: no such file"):
        call("compare", DICTIONARY, "--against", "lookup")


def test_side_by_side_processes_draw_for_themselves_too(here: Profile, fits: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFBENCH_ENGINE", "processes")
    monkeypatch.setenv("KFBENCH_WORKERS", "2")
    asked = request(load_params("params.yaml"), "mine.py", "lookup", sizes=[10], draws=3, seeds=[0])
    ran = cells.run(asked, Path())
    assert (ran.report.count("ran"), ran.report.failed) == (6, [])
    assert len(fits(here)) == 3, "`lookup` logs"
