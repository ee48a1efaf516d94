"""The registry, and what every corpus in it must keep to; a new file in splits/corpora is tested here without being named."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from splits import corpora
from splits.corpus import SPLITS, Corpus
from splits.download import fetch
from splits.errors import ConfigError
from splits.schema import is_nested
from splits.source import CorpusInfo

DOWNLOADED = [name for name in corpora.names() if corpora.source(name).files]
GENERATED = [name for name in corpora.names() if not corpora.source(name).files]


def test_the_corpora_of_the_suite_are_found():
    assert {"weibo", "mit_movie", "stockmark_ja", "klp_ko", "genia", "demo_zh", "demo_en", "demo_ja", "demo_ko"} <= set(corpora.names())


@pytest.mark.parametrize("call", [corpora.source, corpora.info, lambda name: corpora.read(name, {}), lambda name: fetch(name)])
@pytest.mark.parametrize("name", ["weibo2", "_hidden", "os", "../weibo", ""])
def test_an_unknown_name_lists_the_known_ones(call, name):
    with pytest.raises(ConfigError, match=r"known are: .*genia.*weibo") as caught:
        call(name)
    assert "present.json" in caught.value.mend


def test_a_module_with_an_underscore_is_no_corpus(monkeypatch, tmp_path):
    for name in ("_shared", "tiny"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.setattr(corpora, "__path__", [str(tmp_path)])
    assert corpora.names() == ("tiny",)


@pytest.mark.parametrize("name", corpora.names())
def test_a_source_says_all_that_is_required(name):
    source = corpora.source(name)
    assert all((source.language, source.licence, source.citation))
    assert corpora.info(name) == CorpusInfo(name, source.language, source.nested, source.redistributable)
    for file in source.files.values():
        assert file.url.startswith("https://")
        assert any(len(part) == 40 and set(part) <= set("0123456789abcdef") for part in file.url.split("/")), "not pinned to a commit"
        assert len(file.sha256) == 64
        assert file.size > 0
    assert len({file.name for file in source.files.values()}) == len(source.files)
    if source.files:
        assert source.repository
        assert len(source.commit) == 40


@pytest.mark.parametrize("name", corpora.names())
def test_a_converter_says_what_it_is_in_its_first_line(name):
    tree = ast.parse(Path(corpora.__path__[0], f"{name}.py").read_text("utf-8"))
    assert ast.get_docstring(tree)


def hold(name: str, corpus: Corpus) -> None:
    """What every corpus keeps to, whatever it was read from."""
    assert corpus.name == name
    assert tuple(corpus.splits) == SPLITS
    everything = [s for split in SPLITS for s in corpus.splits[split]]
    assert all(corpus.splits.values())
    assert len({s.id for s in everything}) == len(everything)
    assert all(s.text and all(s.text) for s in everything)
    assert all(0 <= e.start < e.end <= len(s.text) for s in everything for e in s.entities)
    assert {e.label for s in everything for e in s.entities} == set(corpus.labels.names) == set(corpus.labels.targets)
    assert is_nested(everything) == corpora.source(name).nested
    assert not any(s.extra or s.tags or any(e.extra for e in s.entities) for s in everything)


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_corpus_keeps_the_contract(name):
    hold(name, corpora.read(name, fetch(name)))


@pytest.mark.real
@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_downloaded_corpus_keeps_the_contract(name, mirror):
    hold(name, corpora.read(name, fetch(name, mirror=mirror)))
