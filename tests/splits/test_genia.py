"""GENIA: nested terms over tokens, the article that stands twice, and the counts of the CNN-NER paper."""

from __future__ import annotations

import io
import tarfile

import pytest

from splits import corpora
from splits.corpora import genia
from splits.errors import CorpusError
from splits.schema import is_nested

TERM = '<cons sem="{}">{}</cons>'


def article(name: str, *sentences: str) -> str:
    lines = "\n".join(f"<sentence>{s}</sentence>" for s in sentences)
    return f"<article>\n<articleinfo>\n<bibliomisc>{name}</bibliomisc>\n</articleinfo>\n<title>\n{lines}\n</title>\n</article>\n"


@pytest.fixture
def archive(tmp_path):
    def write(xml: str, member: str = genia.MEMBER):
        path = tmp_path / "small.tgz"
        with tarfile.open(path, "w:gz") as out:
            entry = tarfile.TarInfo(member)
            entry.size = len(xml.encode())
            out.addfile(entry, io.BytesIO(xml.encode()))
        return path

    return write


def only(archive, sentence: str):
    ((_, (found,)),) = genia.documents(archive(f"<set>\n{article('MEDLINE:1', sentence)}</set>"))
    return found


def test_terms_nest(archive):
    found = only(archive, TERM.format("G#DNA_domain_or_region", TERM.format("G#protein_molecule", "Foo-2") + " gene") + " of mice.")
    assert found.text == ("Foo", "-", "2", "gene", "of", "mice", ".")
    assert {(found.surface(e), e.label) for e in found.entities} == {(("Foo", "-", "2"), "protein"), (("Foo", "-", "2", "gene"), "DNA")}


def test_an_entity_boundary_inside_a_word_cuts_it(archive):
    found = only(archive, f"the {TERM.format('G#cell_line', 'Bar')}s grew, {TERM.format('G#RNA_molecule', 'mRNA')}")
    assert found.text == ("the", "Bar", "s", "grew", ",", "mRNA")
    assert found.spans == {(1, 2, "cell_line"), (5, 6, "RNA")}


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("G#protein", "protein"),
        ("G#protein_N/A", "protein"),
        ("G#proteins", None),
        ("(AND G#protein G#protein)", None),
        ("G#other_name", None),
    ],
)
def test_what_counts_as_a_type(archive, kind, label):
    assert {e.label for e in only(archive, TERM.format(kind, "Foo")).entities} == ({label} if label else set())


def test_equal_terms_count_once_and_two_types_of_a_span_are_two(archive):
    double = TERM.format("G#protein_a", TERM.format("G#protein_b", TERM.format("G#DNA", "Foo")))
    assert [e.span for e in only(archive, double).entities] == [(0, 1, "DNA"), (0, 1, "protein")]


def test_blanks_at_the_edge_of_a_term_are_no_part_of_it_and_escapes_are_signs(archive):
    found = only(archive, f"a{TERM.format('G#DNA', ' Foo &lt; 1.5 ')}b")
    assert [found.surface(e) for e in found.entities] == [("Foo", "<", "1.5")]


def test_the_later_copy_of_an_article_stays(archive, tmp_path):
    path = archive(f"<set>\n{article('MEDLINE:1', 'old')}{article('MEDLINE:2', 'a')}{article('MEDLINE:1', 'new', 'more')}</set>")
    for split in ("train", "dev", "test"):
        (tmp_path / split).write_text({"train": "MEDLINE:1\n", "dev": "MEDLINE:2\n", "test": "MEDLINE:2\n"}[split])
    files = {"corpus": path} | {split: tmp_path / split for split in ("train", "dev", "test")}
    assert [(s.id, s.text) for s in genia.read(files).splits["train"]] == [("MEDLINE:1-0", ("new",)), ("MEDLINE:1-1", ("more",))]
    (tmp_path / "dev").write_text("MEDLINE:2\nMEDLINE:3\n")
    with pytest.raises(CorpusError, match=r"dev:2: document 'MEDLINE:3' is not in the corpus"):
        genia.read(files)


@pytest.mark.parametrize(
    ("xml", "what"),
    [
        ("<set>\n" + article("MEDLINE:1", "a <cons>b") + "</set>", r"xml:7: not XML: mismatched tag"),
        ("<set>\n" + article("MEDLINE:1", "a"), r"xml:10: not XML: no element found"),
        ("<set>\n" + article("", "a") + "</set>", r"xml:9: an article ends here that has no `bibliomisc`"),
        ("<set>\n" + article("MEDLINE:1", "a", " ") + "</set>", r"xml:10: sentence 1 of MEDLINE:1, which ends here, is empty"),
    ],
)
def test_broken_xml_is_named_by_its_line(archive, xml, what):
    with pytest.raises(CorpusError, match=what):
        list(genia.documents(archive(xml)))


def test_broken_archives(archive, tmp_path):
    with pytest.raises(CorpusError, match="the archive has no GENIA_term"):
        list(genia.documents(archive("<set/>", member="other.xml")))
    whole = archive("<set>\n" + "".join(article(f"MEDLINE:{i}", f"word {i * i}") for i in range(3000)) + "</set>").read_bytes()
    for data in (whole[: len(whole) // 2], b"not an archive", b"<html>"):
        (tmp_path / "cut.tgz").write_bytes(data)
        with pytest.raises(CorpusError, match=r"cut\.tgz: not a whole tar\.gz archive"):
            list(genia.documents(tmp_path / "cut.tgz"))
    with pytest.raises(CorpusError, match="no such file"):
        list(genia.documents(tmp_path / "none.tgz"))


@pytest.mark.real
def test_counts_of_the_cnn_ner_paper(mirror):
    corpus = corpora.read("genia", {key: mirror / "genia" / file.name for key, file in genia.SOURCE.files.items()})
    assert [len(corpus.splits[s]) for s in ("train", "dev", "test")] == [15038, 1765, 1732]
    assert [sum(len(x.entities) for x in corpus.splits[s]) for s in ("train", "dev", "test")] == [46203, 4714, 5119]
    everything = [s for split in corpus.splits.values() for s in split]
    assert len({s.id for s in everything}) == len(everything)
    assert all(len(s.spans) == len(s.entities) for s in everything)
    assert is_nested(corpus.splits["train"])


@pytest.mark.real
def test_tokens_hardly_depend_on_gold(mirror, monkeypatch):
    tokenise, added = genia.tokenise, 0

    def counting(text, boundaries):
        nonlocal added
        tokens = list(tokenise(text, boundaries))
        added += len(tokens) - len(list(tokenise(text, ())))
        return tokens

    monkeypatch.setattr(genia, "tokenise", counting)
    list(genia.documents(mirror / "genia" / "GENIAcorpus3.02.tgz"))
    assert added == 11
