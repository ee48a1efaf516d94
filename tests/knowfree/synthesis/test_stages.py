"""The stages of a corpus, from prepared data to artefacts that a method trains on, with replies made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.config import Params
from benchmark.extension import synthetic_sentences
from benchmark.plan import load_cell, make_plan
from benchmark.workspace import Workspace
from knowfree.synthesis.chat import Asked, Sampling
from knowfree.synthesis.config import synthesis_of
from knowfree.synthesis.replies import read
from knowfree.synthesis.stages import Stages
from splits.draw import materialise, write_draws
from splits.errors import ConfigError, KfbenchError
from splits.labels import read_labels
from splits.prepare import load, prepare
from splits.schema import read_jsonl

MODEL = {"backend": "none", "model": "someone/a-model", "revision": "0" * 40}
EXPLANATION = (
    "The harbour festival of Lower Millbrook brings many visitors to the old quays every summer. "
    "Doctor Vera Quill teaches marine biology at the Institute of Cold Waters. Too short."
)


def profile(**synthesis: Any) -> Params:
    return Params(
        corpora=["demo_en"],
        variants=["knowfree", "knowfree_fusion"],
        continued=["knowfree_syn"],
        methods={name: {"method": name} for name in ("knowfree", "knowfree_fusion", "knowfree_syn")},
        sizes=[5, 10],
        draws=2,
        encoders={"demo_en": {"name": "scratch"}},
        synthesis=synthesis,
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    prepare("demo_en", tmp_path / "data" / "demo_en")
    write_draws(tmp_path / "data" / "draws" / "demo_en.json", materialise(load(tmp_path / "data" / "demo_en"), [5, 10], 2))
    return Workspace(tmp_path)


@pytest.fixture
def answered(workspace: Workspace) -> Callable[[Params], Path]:
    """Writes a recorded log that explains every sample of a profile."""

    def write(params: Params) -> Path:
        from functools import partial

        from knowfree.synthesis import explain
        from knowfree.synthesis.tokenise import detokenise

        stages = Stages(params, workspace, "demo_en")
        requests = explain.requests(stages.samples(), "en", detokenise=partial(detokenise, language="en"))
        asked = Asked(MODEL["model"], MODEL["revision"], Sampling())
        path = workspace.root / "recorded" / "demo_en.explain.jsonl"
        path.parent.mkdir(exist_ok=True)
        rows = [
            {"key": asked.key(r), "about": dict(r.about), "text": f"Story {n} begins here, in a small town by the sea. {EXPLANATION}"}
            | {"finish": "stop", "tokens_in": 10, "tokens_out": 20}
            for n, r in enumerate(requests)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert len(read(path)) == len(rows)
        return path

    return write


def test_without_a_language_model_fusion_is_made_and_synthetic_is_empty(workspace):
    stages = Stages(profile(), workspace, "demo_en")
    assert stages.explain()["asked"] is False
    stages.annotate()
    stages.fuse()
    for size in (5, 10):
        folder = workspace.artefacts("demo_en", "morph", size, 1)
        fused = read_jsonl(folder / "train.fusion.jsonl")
        assert [s.id for s in fused] == [s.id for s in workspace.data("demo_en").sample(size, 1)]
        labels = read_labels(folder / "labels.json")
        assert labels.targets == workspace.data("demo_en").corpus.labels.targets
        assert len(labels) > len(labels.targets), "analysers find something"
        assert synthetic_sentences(folder / "train.synthetic.jsonl") == []


def test_recorded_replies_become_synthetic_sentences_of_their_own_draw(workspace, answered):
    params = profile(llm=MODEL, recorded="recorded")
    answered(params)
    stages = Stages(params, workspace, "demo_en")
    report = stages.explain()
    assert report["asked"]
    assert report["removed"]["too_short"] == report["sources"]
    stages.annotate()
    stages.fuse()
    for size in (5, 10):
        for draw in range(2):
            found = synthetic_sentences(workspace.artefacts("demo_en", "morph", size, draw) / "train.synthetic.jsonl")
            ids = {s.id for s in workspace.data("demo_en").sample(size, draw)}
            assert found
            assert {s.extra["source"] for s in found} <= ids
            assert all(s.extra["synthetic"] is True for s in found)
    overlap = report["overlap_with_test"]["10"]["0"]
    assert overlap["sentences"] == 10


def test_the_same_log_gives_the_same_bytes(workspace, answered):
    params = profile(llm=MODEL, recorded="recorded")
    answered(params)

    def artefacts() -> dict[str, bytes]:
        stages = Stages(params, workspace, "demo_en")
        stages.explain()
        stages.annotate()
        stages.fuse()
        files = [p for folder in (stages.explained, stages.annotated, stages.fused) for p in sorted(folder.rglob("*")) if p.is_file()]
        return {str(path.relative_to(workspace.root)): path.read_bytes() for path in files}

    first = artefacts()
    assert len(first) > 10
    assert artefacts() == first


def test_a_missing_reply_is_an_error_that_leaves_what_was_made(workspace, answered):
    params = profile(llm=MODEL, recorded="recorded")
    path = answered(params)
    stages = Stages(params, workspace, "demo_en")
    stages.explain()
    before = (stages.explained / "train.synthetic.jsonl").read_bytes()
    lines = path.read_text().splitlines(keepends=True)
    stages.log("explain").write_text("".join(lines[:-1]))
    with pytest.raises(KfbenchError, match="1 "):
        stages.explain()
    assert (stages.explained / "train.synthetic.jsonl").read_bytes() == before


def test_a_live_back_end_does_not_start_from_recorded_replies(workspace, answered, monkeypatch):
    params = profile(llm=MODEL, recorded="recorded")
    recorded = answered(params).read_bytes()
    monkeypatch.setenv("KFBENCH_LLM", "transformers")
    assert Stages(params, workspace, "demo_en").log("explain").read_bytes() == b""
    monkeypatch.setenv("KFBENCH_LLM", "none")
    assert Stages(params, workspace, "demo_en").log("explain").read_bytes() == recorded


def test_cells_wait_for_artefacts_and_a_plain_method_does_not(workspace):
    params = profile()
    plan = make_plan(params, workspace)
    assert {c.id.variant for c in plan.cells if c.hash is None} == {"knowfree_fusion", "knowfree_syn"}
    stages = Stages(params, workspace, "demo_en")
    stages.explain()
    stages.annotate()
    stages.fuse()
    plan = make_plan(params, workspace)
    assert all(c.hash for c in plan.cells)
    fusion = {(c.id.size, c.id.draw): c for c in plan.cells if c.id.variant == "knowfree_fusion"}
    for cell in plan.cells:
        if cell.id.variant == "knowfree_syn":
            assert cell.upstream
            assert cell.upstream.hash == fusion[cell.id.size, cell.id.draw].hash
    assert plan.required == {c.hash for c in fusion.values()}
    loaded = load_cell(fusion[5, 0], params, workspace)
    assert loaded.artefacts["fusion"] == workspace.artefacts("demo_en", "morph", 5, 0) / "train.fusion.jsonl"
    assert not any(label.startswith(("pos:", "seg:", "ext:")) for s in (*loaded.dev, *loaded.test) for _, _, label in s.spans)


def test_new_synthetic_sentences_leave_fusion_cells_alone(workspace, answered):
    hashes = []
    for params in (profile(), profile(llm=MODEL, recorded="recorded")):
        if params.synthesis:
            answered(params)
        stages = Stages(params, workspace, "demo_en")
        stages.explain()
        stages.annotate()
        stages.fuse()
        hashes.append({str(c.id): c.hash for c in make_plan(params, workspace).cells})
    before, after = hashes
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name in before if "knowfree_syn" in name}


@pytest.mark.parametrize(
    ("synthesis", "message"),
    [
        ({"annotate": {"annotators": ["llm"]}}, "the annotator `llm` needs an `llm`"),
        ({"explain": {"corpora": ["demo_en"]}}, "`explain.corpora` needs an `llm`"),
        ({"llm": {"model": "m", "temperature": 1}}, "synthesis.llm.temperature"),
        ({"annotate": {"annotators": ["oracle"]}}, "synthesis.annotate.annotators"),
        ({"llm": MODEL, "annotate": {"annotators": ["llm"]}}, "annotator 'morph' is not among"),
    ],
)
def test_a_wrong_part_of_a_profile_is_named(synthesis, message):
    with pytest.raises(ConfigError, match=message):
        synthesis_of(profile(**synthesis))


def test_rules_of_a_profile_must_exist(workspace):
    settings = synthesis_of(profile(llm=MODEL, explain={"rules": {"shortest": 3, "longst": 9}}))
    with pytest.raises(ConfigError, match="longst"):
        settings.explain.rules_of("en")
    assert synthesis_of(profile(llm=MODEL, explain={"rules": {"shortest": 3}})).explain.rules_of("en").shortest == 3


@pytest.mark.parametrize(("stage", "before"), [("annotate", "explain"), ("fuse", "explain")])
def test_a_stage_before_its_time_names_the_one_that_is_missing_and_leaves_nothing(workspace: Workspace, stage: str, before: str) -> None:
    stages = Stages(profile(), workspace, "demo_en")
    with pytest.raises(ConfigError) as error:
        getattr(stages, stage)()
    assert f"kfbench {before} demo_en" in error.value.mend
    assert not stages.annotated.exists()
    assert not stages.fused.exists()


def test_fusing_what_was_explained_and_not_annotated_says_so(workspace: Workspace) -> None:
    stages = Stages(profile(), workspace, "demo_en")
    stages.explain()
    with pytest.raises(ConfigError, match=r"morph\.jsonl: no such file") as error:
        stages.fuse()
    assert "kfbench annotate demo_en" in error.value.mend
    assert not stages.fused.exists()


def test_a_kill_while_recorded_replies_are_taken_leaves_none_of_them(workspace, answered, monkeypatch):
    """Half a log would be taken for one that somebody began to ask for, and never be completed."""
    params = profile(llm=MODEL, recorded="recorded")
    recorded = answered(params).read_bytes()
    stages = Stages(params, workspace, "demo_en")

    def killed(descriptor: int) -> None:
        raise SystemExit  # the bytes are in a file, the file is not in its place

    with monkeypatch.context() as patch:
        patch.setattr("splits.files.os.fsync", killed)
        with pytest.raises(SystemExit):
            stages.log("explain")
    assert stages.log("explain").read_bytes() == recorded
