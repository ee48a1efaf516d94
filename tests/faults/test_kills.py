"""Five kills of the pipeline, and the parts of the runner that could make it pass for nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.kills import TARGETS, Undisturbed, faults, kill, moments
from tests.faults.pipeline import CORPUS, served
from tests.faults.upstream import Upstream

linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
KILLS = 5


@linux
@pytest.mark.timeout(1800)  # about twenty starts of dvc, and trainings: a busy machine takes its time
def test_a_kill_at_any_moment_and_a_re_run_end_in_the_undisturbed_bytes(tmp_path: Path) -> None:
    """Download, train (twice), annotate, report; `python -m tests.faults.kills` hits every stage many times."""
    files = served(tmp_path / "served")
    with Upstream(files, tmp_path) as upstream:
        undisturbed = Undisturbed(tmp_path / "undisturbed", upstream, files)
        verdicts = [kill(undisturbed, moment, tmp_path / str(number)) for number, moment in enumerate(moments(0, KILLS))]
        assert [verdict.faults for verdict in verdicts] == [[]] * KILLS, "\n".join(v.line(i) for i, v in enumerate(verdicts))
        landed = [text for verdict in verdicts for text in verdict.landed]
        assert {text.partition("SIGKILL to ")[2].split(" ")[0] for text in landed if "SIGKILL" in text} >= {"the", "dvc"}, landed
        the_judge_sees_what_is_wrong(undisturbed, tmp_path / "wrong")


def the_judge_sees_what_is_wrong(undisturbed: Undisturbed, root: Path) -> None:
    """Each of the faults that a kill might leave, made by hand."""
    pipeline = undisturbed.pipeline.copy(root)
    assert faults(pipeline, undisturbed) == []
    for name in (f".kfbench/store/.tmp-{'0' * 64}-x/a", f"results/{CORPUS}/.bert_crf.making/a", "data/draws/.x.json.tmp"):
        path = pipeline.profile / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left")
        assert any(name in fault for fault in faults(pipeline, undisturbed))
        shutil.rmtree(path.parent) if path.parent.name.startswith(".") else path.unlink()
    table = pipeline.profile / "site" / "tables" / "f1.md"
    table.write_text(table.read_text() + " ")
    assert faults(pipeline, undisturbed) == ["other bytes: site/tables/f1.md"]
    table.unlink()
    assert faults(pipeline, undisturbed) == ["not there: site/tables/f1.md"]
    shutil.copy(undisturbed.pipeline.profile / "site" / "tables" / "f1.md", table)
    pipeline.log.mkdir()
    (pipeline.log / "events.jsonl").write_text('{"what": "twice", "pid": 7, "cpu": 1.0, "hash": "abcdef"}\n')
    assert faults(pipeline, undisturbed) == ["twice in training: abcdef by 7"]


def test_moments_are_drawn_from_the_seed_and_reach_every_stage() -> None:
    fifty = list(moments(0, 50))
    assert fifty[:5] == list(moments(0, 5))
    assert fifty != list(moments(1, 50))
    assert {moment.target for moment in fifty} == set(TARGETS)
    assert len({(moment.target, moment.engine) for moment in fifty}) == 2 * len(set(TARGETS))
    assert {moment.whom for moment in fifty} == {"stage", "dvc"}
    assert 5 <= sum(moment.twice for moment in fifty) <= 20
