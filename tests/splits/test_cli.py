"""The commands `corpora` and `draw`, run as a user runs them, on the demo corpora and without network."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from splits.cli import commands
from splits.draw import load_draws, sample, take
from splits.errors import ConfigError, KfbenchError
from splits.labels import read_labels
from splits.schema import read_jsonl


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """An empty profile directory, entered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KFBENCH_MIRROR", raising=False)
    return tmp_path


def run(*words: str) -> str:
    """Standard output of a command that must succeed."""
    result = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_names_every_corpus_with_its_licence(profile):
    rows = {row["name"]: row for row in json.loads(run("corpora", "list", "--json"))}
    assert {"demo_zh", "demo_en", "demo_ja", "demo_ko", "weibo", "mit_movie", "stockmark_ja", "klp_ko", "genia"} <= set(rows)
    assert all(row["licence"] for row in rows.values())
    assert {name for name, row in rows.items() if row["nested"]} == {"demo_en", "genia"}
    assert "demo_zh" in run("corpora", "list")


def test_a_generated_corpus_has_nothing_to_fetch(profile):
    assert json.loads(run("corpora", "fetch", "demo_zh", "demo_en", "--json")) == {"demo_zh": {}, "demo_en": {}}
    assert "nothing to fetch" in run("corpora", "fetch", "demo_zh")


def test_prepare_writes_the_folder_that_the_readme_promises(profile):
    run("corpora", "prepare", "demo_zh", "demo_en", "--out", "made")
    for name in ("demo_zh", "demo_en"):
        folder = profile / "made" / name
        assert {"train.jsonl", "dev.jsonl", "test.jsonl", "labels.txt", "audit.json", "audit.md"} <= {p.name for p in folder.iterdir()}
        assert len(read_jsonl(folder / "train.jsonl")) == 400
        assert len(read_labels(folder / "labels.txt")) == 4
        assert json.loads((folder / "audit.json").read_text())["splits"]["test"]["sentences"] == 400


def test_audit_of_a_name_and_of_its_folder_agree(profile):
    run("corpora", "prepare", "demo_en")
    by_name = json.loads(run("corpora", "audit", "demo_en", "--size", "60", "--size", "k5", "--draws", "3", "--json"))
    assert by_name == json.loads(run("corpora", "audit", "data/demo_en", "--size", "60", "--size", "k5", "--draws", "3", "--json"))
    assert by_name["is_nested"]
    assert [row["size"] for row in by_name["draws"]] == [60, "k5"]
    assert "Audit of demo_en" in run("corpora", "audit", "demo_en")


def test_draw_follows_params_and_flags_override_it(profile):
    run("corpora", "prepare", "demo_ko")
    (profile / "params.yaml").write_text("sizes: [60, k5]\ndraws: 3\nmethods: {}\n")
    train = read_jsonl(profile / "data/demo_ko/train.jsonl")

    printed = json.loads(run("draw", "demo_ko", "--json"))
    draws = load_draws(profile / "data/draws/demo_ko.json")
    assert set(draws.drawn) == {(size, draw) for size in (60, "k5") for draw in range(3)}
    assert all(one.verified for one in draws.drawn.values())
    assert take(draws.get("k5", 2).sample, train) == take(sample(train, "demo_ko", "k5", 2), train)
    assert [(row["size"], row["draws"], row["verified"]) for row in printed["sizes"]] == [(60, 3, 3), ("k5", 3, 3)]

    run("draw", "demo_ko", "--draws", "1", "--size", "61")
    draws = load_draws(profile / "data/draws/demo_ko.json")
    assert set(draws.drawn) == {(61, 0)}
    assert not draws.get(61, 0).verified


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, r"params.yaml: no such file"),
        ("sizes: {", "not YAML"),
        ("[]", "`sizes` must be a list"),
        ("draws: 2\n", "`sizes` must be a list"),
        ("sizes: [60]\n", "`draws` must be a number"),
        ("sizes: [60]\ndraws: many\n", "`draws` must be a number"),
        ("sizes: [x5]\ndraws: 1\n", "a size is a number of sentences"),
        ("sizes: [401]\ndraws: 1\n", "the largest possible is 400"),
    ],
)
def test_wrong_params_end_in_one_clear_error(profile, text, what):
    run("corpora", "prepare", "demo_ko")
    if text is not None:
        (profile / "params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=what):
        run("draw", "demo_ko")


@pytest.mark.parametrize("words", [("corpora", "fetch", "demo_fr"), ("corpora", "prepare", "demo_fr"), ("corpora", "audit", "demo_fr")])
def test_an_unknown_corpus_is_named_beside_those_that_are(profile, words):
    with pytest.raises(KfbenchError, match=r"demo_fr(.|\n)*demo_zh"):
        run(*words)


@pytest.mark.parametrize("words", [("--present", "own/present.json"), ()])
def test_a_corpus_of_ones_own_is_prepared_and_drawn(profile, words):
    run("corpora", "prepare", "demo_ko", "--out", "own")
    files = {key: f"demo_ko/{key}.jsonl" for key in ("train", "dev", "test")} | {"labels": "demo_ko/labels.txt"}
    (profile / "own/present.json").write_text(json.dumps({"mine": files}))
    if not words:
        (profile / "params.yaml").write_text("present: own/present.json\n")
    run("corpora", "prepare", "mine", *words)
    run("draw", "mine", "--size", "60", "--draws", "2")
    draws = load_draws(profile / "data/draws/mine.json")
    assert not any(one.verified for one in draws.drawn.values())
    assert len(take(draws.get(60, 1).sample, read_jsonl(profile / "data/mine/train.jsonl"))) == 60


def test_a_mirror_without_the_file_says_where_it_belongs(profile):
    with pytest.raises(KfbenchError, match=r"weibo(.|\n)*not in the mirror"):
        run("corpora", "fetch", "weibo", "--mirror", str(profile))


def test_draw_of_a_corpus_that_is_not_prepared_says_so(profile):
    with pytest.raises(KfbenchError, match="demo_ko"):
        run("draw", "demo_ko", "--size", "60", "--draws", "1")


@pytest.mark.parametrize("words", [("corpora", "list"), ("corpora", "fetch"), ("corpora", "prepare"), ("corpora", "audit"), ("draw",)])
def test_help_has_an_example(words):
    assert f"kfbench {' '.join(words)} " in run(*words, "--help")
