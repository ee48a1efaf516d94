"""The demo shows learning and not noise: every variant reaches a stated F1 on dev of every demo corpus."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from benchmark.cell import run_cell
from benchmark.config import load_params
from benchmark.extension import synthetic_sentences
from benchmark.plan import load_cell, make_plan
from benchmark.result import load_run
from benchmark.store import Store
from benchmark.worker import Worker
from benchmark.workspace import Workspace
from knowfree.synthesis.stages import Stages
from reports.gate.reference import read_reference
from reports.gate.settings import differences, settings_of
from splits.draw import materialise, write_draws
from splits.prepare import load, prepare

DEMO = Path(__file__).parents[1] / "demo"
PARAMS = load_params(DEMO / "params.yaml")
FLOOR = 0.85  # a tagger that knows the entities of its 120 sentences by heart and nothing else stays below: the last test


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("demo")
    for corpus in PARAMS.corpora:
        prepare(corpus, root / "data" / corpus)
        drawn = materialise(load(root / "data" / corpus), PARAMS.sizes, PARAMS.draws)
        write_draws(root / "data" / "draws" / f"{corpus}.json", drawn)
    shutil.copytree(DEMO / "replies", root / "replies")
    for corpus in PARAMS.corpora:
        stages = Stages(PARAMS, Workspace(root), corpus)
        stages.explain()
        stages.annotate()
        stages.fuse()
    return Workspace(root)


@cache
def pairs() -> list[tuple[str, str]]:
    return [(corpus, variant) for corpus in PARAMS.corpora for variant in PARAMS.variants if (corpus, variant) != ("demo_en", "bert_crf")]


@pytest.mark.parametrize(("corpus", "variant"), pairs())
def test_a_variant_learns_a_demo_corpus(corpus: str, variant: str, workspace: Workspace) -> None:
    planned = next(c for c in make_plan(PARAMS, workspace).cells if (c.id.corpus, c.id.variant, c.id.draw) == (corpus, variant, 0))
    outcome = run_cell(load_cell(planned, PARAMS, workspace))
    assert outcome.metrics.selected["dev_f1"] >= FLOOR
    assert outcome.curve[-1]["loss"] < outcome.curve[0]["loss"]


def test_continued_training_starts_from_what_fusion_has_learnt(workspace: Workspace) -> None:
    """On the one corpus with explanations: it goes on where fusion stopped, on more sentences, and does not lose what that knew."""
    plan = make_plan(PARAMS, workspace)
    planned = next(c for c in plan.cells if (c.id.corpus, c.id.variant, c.id.draw) == ("demo_en", "knowfree_syn", 0))
    assert planned.upstream
    store = Store(workspace.store)
    assert Worker(PARAMS, workspace, store, required=plan.required)(planned, lambda point: None) == "ran"
    before, after = (load_run(store.path(hash or "")).curve for hash in (planned.upstream.hash, planned.hash))
    assert after[0]["loss"] < before[0]["loss"] / 2
    assert after[0]["dev_f1"] > before[0]["dev_f1"]
    assert max(point["dev_f1"] for point in after) >= FLOOR
    synthetic = synthetic_sentences(planned.artefacts["synthetic"])
    assert after[-1]["step"] == PARAMS.training.epochs * -(-(planned.id.size + len(synthetic)) // PARAMS.training.batch_size)


def test_bert_crf_is_not_applicable_to_nested_entities(workspace: Workspace) -> None:
    pairs = {(n.corpus, n.variant) for n in make_plan(PARAMS, workspace).not_applicable}
    assert pairs == {("demo_en", "bert_crf")}


@pytest.mark.parametrize("corpus", PARAMS.corpora)
def test_knowing_the_lexicon_of_the_sample_is_not_enough(corpus: str, workspace: Workspace) -> None:
    data = workspace.data(corpus)
    known = {(s.surface(e), e.label) for s in data.sample(PARAMS.sizes[0], 0) for e in s.entities}
    right = found = gold = 0
    for sentence in data.dev(None):
        n = len(sentence.text)
        guessed = {
            (i, j, label) for i in range(n) for j in range(i + 1, min(n, i + 12) + 1) for text, label in known if text == sentence.text[i:j]
        }
        right, found, gold = right + len(guessed & sentence.spans), found + len(guessed), gold + len(sentence.spans)
    assert 2 * right / (found + gold) < FLOOR


def test_the_gates_reference_is_of_this_demo(workspace: Workspace) -> None:
    """Every cell, with today's settings and data: else the gate would be red, minutes of training later."""
    reference = read_reference(DEMO / "reference.json")
    planned = {str(cell.id): cell for cell in make_plan(PARAMS, workspace).cells}
    assert set(reference.cells) == set(planned), "write it anew: make demo, then make gate ARGS=--update"
    for name, cell in planned.items():
        assert [str(d) for d in differences(reference.settings(cell.id), settings_of(cell))] == [], name
        assert reference.cells[name].f1 > 80, "a method that has learnt little has little to lose"
        assert not reference.cells[name].dirty
    assert all(sum(corpus.gold) >= 500 for corpus in reference.corpora.values())
