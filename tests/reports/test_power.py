"""How many draws a difference needs: against the test itself, and where the smallest p decides."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark.config import load_params
from reports.aggregate import read_results
from reports.cli import commands
from reports.permutation import sign_flip
from reports.power import SIMULATED, Noise, Observed, needed, observe, pooled, power
from splits.errors import KfbenchError
from tests.reports.fakes import Profile


def command(*options: str) -> str:
    result = CliRunner().invoke(commands, ["power", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("draws", [6, 10, SIMULATED + 1])
def test_the_power_is_how_often_the_test_rejects(draws: int) -> None:
    random, trials = np.random.default_rng(1), 1200
    rejected = np.mean([sign_flip(random.normal(0.9, 1, draws)) <= 0.05 for _ in range(trials)])
    assert power(draws, 0.9, 0.05) == pytest.approx(rejected, abs=0.045)


def test_without_a_difference_the_power_is_the_level() -> None:
    assert power(10, 0.0, 0.05) == pytest.approx(0.05, abs=0.012)
    assert power(40, 0.0, 0.05) == pytest.approx(0.05, abs=1e-6)


def test_no_difference_is_so_large_that_the_smallest_p_does_not_matter() -> None:
    assert power(5, 100.0, 0.05) == 0
    assert needed(1000.0, Noise(1.0, None), 1, alpha=0.05, wanted=0.8).draws == 6
    assert needed(1000.0, Noise(1.0, None), 1, alpha=0.05 / 4, wanted=0.8).draws == 8
    assert needed(1.0, Noise(0.0, 0.0), 1, alpha=0.05, wanted=0.8).draws == 6


def test_more_noise_needs_more_draws_and_seeds_only_help_with_their_part() -> None:
    def draws(noise: Noise, seeds: int = 1) -> int | None:
        return needed(2.0, noise, seeds, alpha=0.05, wanted=0.8).draws

    assert draws(Noise(1.0, 0.0)) <= draws(Noise(2.0, 0.0)) < draws(Noise(4.0, 0.0))
    assert draws(Noise(2.0, 0.0), 1) == draws(Noise(2.0, 0.0), 5)
    assert draws(Noise(0.0, 4.0), 4) == draws(Noise(2.0, 0.0), 1)
    assert draws(Noise(100.0, 0.0)) is None
    assert needed(2.0, Noise(100.0, 0.0), 1, alpha=0.05, wanted=0.8).runs is None


def test_the_formula_takes_over_where_the_simulation_ends_without_a_jump() -> None:
    reached = [power(draws, 0.7, 0.05) for draws in range(SIMULATED - 2, SIMULATED + 4)]
    assert all(0 < later - earlier < 0.09 for earlier, later in pairwise(reached))


def test_variance_is_observed_in_paired_differences(tmp_path: Path) -> None:
    Profile(tmp_path, draws=4, seeds=[0, 1], sizes=[50])
    found = read_results(load_params(tmp_path / "params.yaml"), tmp_path / "results")
    observed = list(observe(found, "cnn_ner"))
    assert [(o.corpus, o.variant) for o in observed] == [
        ("demo_zh", "bert_crf"),
        ("demo_zh", "knowfree_zero"),
        ("demo_en", "knowfree_zero"),
    ]
    f1 = {v: {(r.cell.draw, r.cell.seed): r.score.micro.f1 for r in found.block("demo_zh", v, 50)} for v in ("cnn_ner", "bert_crf")}
    by_hand = np.array([[100 * (f1["bert_crf"][d, s] - f1["cnn_ner"][d, s]) for s in (0, 1)] for d in range(4)])
    within = by_hand.var(axis=1, ddof=1).mean()
    assert observed[0].seed == pytest.approx(within)
    assert observed[0].between == pytest.approx(by_hand.mean(axis=1).var(ddof=1))
    assert observed[0].draw == pytest.approx(observed[0].between - within / 2)
    noise = pooled(observed)
    assert noise.freedom == 9
    assert noise.draw**2 == pytest.approx(max(np.mean([o.draw for o in observed]), 0), abs=1e-9)
    assert noise.seed**2 == pytest.approx(np.mean([o.seed for o in observed]))


def test_components_that_were_put_in_are_found() -> None:
    """Differences with a known deviation between draws and between seeds, many times over."""
    random = np.random.default_rng(0)
    seen = []
    for _ in range(400):
        values = random.normal(0, 2, (5, 1)) + random.normal(0, 3, (5, 2))
        seen.append(Observed("c", "v", 1, 5, 2, values.mean(axis=1).var(ddof=1), values.var(axis=1, ddof=1).mean()))
    noise = pooled(seen)
    assert (noise.draw, noise.seed) == (pytest.approx(2, rel=0.15), pytest.approx(3, rel=0.1))
    assert noise.deviation(2) == pytest.approx(np.sqrt(noise.draw**2 + noise.seed**2 / 2))


def test_the_command_reads_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Profile(tmp_path, draws=3)
    said = json.loads(command("--json", "--difference", "3"))
    assert said["noise"]["seed"] is None
    assert said["family"] == 2
    assert [(need["difference"], need["seeds"]) for need in said["needs"]] == [(3.0, 1)]
    assert {one["corpus"] for one in said["observed"]} == {"demo_zh"}
    only = json.loads(command("--json", "--variant", "cnn_ner", "--size", "100"))
    assert [(o["variant"], o["size"]) for o in only["observed"]] == [("cnn_ner", 100)]
    assert only["family"] == 1
    assert "One seed was run" in command()


def test_the_command_takes_deviations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = json.loads(command("--sd", "2", "--seed-sd", "1", "--json"))
    assert len(said["needs"]) == 5 * 4
    assert all(need["draws"] is None or need["runs"] == need["draws"] * need["seeds"] for need in said["needs"])
    shown = command("--sd", "2", "--family", "4")
    assert "corrected for 4 variants" in " ".join(shown.split())
    assert "> 100" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seed-sd", "1"), "without --sd"),
        (("--sd", "-1"), "at least 0"),
        (("--sd", "nan"), "at least 0"),
        (("--sd", "1", "--difference", "0"), "above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], said: str) -> None:
    with pytest.raises(KfbenchError, match=said):
        command(*options)


def test_one_draw_has_no_variance_to_go_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Profile(tmp_path, draws=1)
    with pytest.raises(KfbenchError, match="no variance to go by"):
        command()
