"""The pages as files: whole, linked, escaped, and true to the results; tests of a browser are in test_browser.py."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from typer.testing import CliRunner

from benchmark.cli import build_app
from benchmark.config import load_params
from benchmark.result import PREDICTIONS, load_metrics
from reports.published import read_published
from splits.files import write_text
from splits.schema import read_jsonl
from tests.reports.worlds import EVIL, HOSTILE, World, report

VOID = ("meta", "link", "img", "br", "input")


@pytest.fixture(scope="module")
def public(world: World) -> Path:
    return report(world.root, "--public", out="public")


class Page(HTMLParser):
    """Tags opened and closed, what is linked, ids, and what would run."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.count: Counter[str] = Counter()
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.count[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not [name for name in said if name.startswith("on")], "nothing runs from an attribute"
        if tag == "img":
            assert said.get("alt")
        if tag == "script":
            self.scripts.append(said)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@cache
def read(path: Path) -> Page:
    return Page(path)


def html(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


def test_there_is_a_page_for_everything(site):
    names = {path.relative_to(site).as_posix() for path in html(site)}
    corpora, methods = ("demo_zh", "demo_en", HOSTILE), ("bert_crf", "cnn_ner", "knowfree", "%3Ci%3Eown")
    expected = {f"{kind}/{name}.html" for kind in ("corpora", "errors", "provenance") for name in corpora}
    assert names == expected | {f"methods/{name}.html" for name in methods} | {"index.html"}


@pytest.mark.parametrize("which", ["site", "public"])
def test_every_page_is_whole_and_links_only_to_what_is_there(which, request):
    folder = request.getfixturevalue(which)
    for path in html(folder):
        page = read(path)
        assert page.open == []
        assert len(page.ids) == len(set(page.ids)), f"{path}: an id stands twice"
        assert page.count["table"] == page.count["caption"]
        for link in page.links:
            if link.startswith("data:"):
                continue
            parts = urlsplit(link)
            assert parts.scheme == "", f"{path}: {link} leaves the report"
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            assert target.is_file(), f"{path}: {link}"
            if parts.fragment and "=" not in parts.fragment:  # else it is a choice of the error browser
                assert unquote(parts.fragment) in read(target).ids, f"{path}: {link}"


def test_nothing_but_the_reports_own_scripts_and_data_can_run(site):
    for path in html(site):
        for script in read(path).scripts:
            source = script.get("src")
            assert source is not None or script["type"] == "application/json"
            assert source is None or re.fullmatch(r"(\.\./)?assets/(tables|errors)\.js|[a-z_]+/sentences\.js", source)
        text = path.read_text(encoding="utf-8")
        assert "script-src 'self' file:;" in text
        assert EVIL not in text
        assert "<i>own" not in text
        assert "<b>LOC" not in text
    for path in site.rglob("errors/**/*.js"):
        assert "<" not in path.read_text(encoding="utf-8")


def test_links_of_the_markdown_page_are_there(site):
    text = (site / "index.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    for link in links:
        assert (site / link).is_file(), link


def called(path: Path) -> list[object]:
    """The arguments of the call that a data file consists of."""
    match = re.fullmatch(r"kfbench\.\w+\((.*)\);\n", path.read_text(encoding="utf-8"), re.DOTALL)
    assert match
    values: list[object] = json.loads(f"[{match[1]}]")
    return values


def test_the_error_browsers_data_are_the_predictions_and_the_gold(world, site):
    for corpus in ("demo_en", HOSTILE):
        [data] = called(site / f"errors/{corpus}/sentences.js")
        gold = read_jsonl(world.root / f"data/{corpus}/test.jsonl")
        assert [row[0] for row in data["rows"]] == [sentence.id for sentence in gold]
        assert [tuple(row[1]) for row in data["rows"]] == [sentence.text for sentence in gold]
        labels = data["labels"]
        spans = [{(s, e, labels[k]) for s, e, k in triples(row[2], 3)} for row in data["rows"]]
        assert spans == [set(sentence.spans) for sentence in gold]
        size, run, rows = called(site / f"errors/{corpus}/100/1-0.js")
        assert (size, run) == ("100", "1-0")
        assert [name for name, _ in rows] == world.values["variants"]
        for name, wrong in rows:
            cell = world.root / f"results/{corpus}/{name}/100/1-0"
            for i, line in enumerate((cell / PREDICTIONS).read_text(encoding="utf-8").split("\n")[:-1]):
                said = {(e["start"], e["end"], e["entity"]) for e in json.loads(line)["entities"]}
                shown = spans[i] if str(i) not in wrong else {(s, e, labels[k]) for s, e, k, _, _ in triples(wrong[str(i)][1], 5)}
                assert shown == said
                kinds = [k for *_, k, _ in triples(wrong[str(i)][1], 5)] if str(i) in wrong else [0] * len(said)
                assert kinds.count(0) == len(said & spans[i])


def triples(flat: list[int], width: int) -> Iterator[tuple[int, ...]]:
    return zip(*[iter(flat)] * width, strict=True)


def records(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / f"tables/{name}.csv").read_text(encoding="utf-8"))))


def test_kinds_of_errors_add_up_to_the_counts_of_the_results(world, site):
    found = records(site, "errors")
    assert len(found) == 3 * 4 * 2
    for row in found:
        cells = [world.root / f"results/{row['corpus']}/{row['variant']}/{row['size']}/{draw}-0" for draw in range(3)]
        counts = [load_metrics(cell).score.micro for cell in cells]
        number = {kind: float(row[kind]) for kind in ("correct", "type", "boundary", "both", "missed", "spurious")}
        paired = number["correct"] + number["type"] + number["boundary"] + number["both"]
        assert number["correct"] == pytest.approx(sum(c.tp for c in counts) / 3, abs=1e-4)
        assert paired + number["missed"] == pytest.approx(counts[0].gold, abs=1e-4)
        assert paired + number["spurious"] == pytest.approx(sum(c.pred for c in counts) / 3, abs=1e-4)


def test_seen_and_unseen_entities_are_all_entities(world, site):
    for row in records(site, "seen"):
        cells = [world.root / f"results/{row['corpus']}/{row['variant']}/{row['size']}/{draw}-0" for draw in range(3)]
        scores = [load_metrics(cell).score for cell in cells]
        share = scores[0].unseen.gold / scores[0].micro.gold
        assert float(row["unseen_share"]) == pytest.approx(share, abs=1e-6)
        recall = share * float(row["unseen_recall"] or 0) + (1 - share) * float(row["seen_recall"])
        assert recall == pytest.approx(sum(s.micro.recall for s in scores) / 3, abs=1e-5)


def test_a_number_leads_to_exactly_its_cells(world, site):
    text = (site / "index.html").read_text(encoding="utf-8")
    links = set(re.findall(r'class="source" href="(provenance/[^"]+)"', text))
    assert len(links) == 3 * 4 * 2
    page = (site / "provenance/demo_en.html").read_text(encoding="utf-8")
    block = page.split('id="knowfree-50"')[1].split("<section")[0]
    hashes = [load_metrics(world.root / f"results/demo_en/knowfree/50/{draw}-0").hash for draw in range(3)]
    assert re.findall(r"<dd><code>(\w{64})", block) == hashes
    assert "0123456789abcdef0123456789abcdef01234567" in block
    assert "&#34;name&#34;: &#34;knowfree&#34;" in block, "the configuration that the cells share"
    assert "&#34;draw&#34;" not in block, "and not what differs between them"


def test_a_public_report_has_every_number_and_no_sentence_that_may_not_be_given_away(world, site, public):
    words = {token for sentence in read_jsonl(world.root / f"data/{HOSTILE}/test.jsonl") for token in sentence.text if len(token) > 8}
    assert words
    for path in public.rglob("*"):
        if path.suffix in (".html", ".js", ".md", ".csv"):
            text = path.read_text(encoding="utf-8")
            assert not [word for word in words if word in text or json.dumps(word).strip('"') in text], path
    assert not (public / f"errors/{HOSTILE}").exists()
    assert (public / "errors/demo_en/sentences.js").read_bytes() == (site / "errors/demo_en/sentences.js").read_bytes()
    for path in (site / "tables").iterdir():
        assert (public / "tables" / path.name).read_bytes() == path.read_bytes()
    for name in ("index.html", f"corpora/{HOSTILE}.html", f"errors/{HOSTILE}.html"):
        assert "Public report." in (public / name).read_text(encoding="utf-8")
    assert "Not for publication." in (site / "index.html").read_text(encoding="utf-8")
    assert "Not for publication." not in (public / "index.html").read_text(encoding="utf-8")


def test_the_same_results_give_the_same_bytes(world, site):
    again = report(world.root, out="again")
    one, other = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in (site, again))
    assert one == other


@pytest.fixture
def small(tmp_path: Path) -> World:
    return World(tmp_path, corpora=[HOSTILE], sizes=[50], draws=1)


def test_predictions_that_are_not_those_of_the_result_are_left_out_and_named(small):
    _, bad, gone, short = (small.root / f"results/{HOSTILE}/{name}/50/0-0" for name in small.values["variants"])
    lines = (bad / PREDICTIONS).read_text(encoding="utf-8").split("\n")
    wrong = next(i for i, row in enumerate(load_metrics(bad).score.sentences) if row[0] != row[2])
    row = json.loads(lines[wrong])
    lines[wrong] = json.dumps(row | {"entities": []} if row["entities"] else row | {"entities": [{"start": 0, "end": 1, "entity": "PER"}]})
    write_text(bad / PREDICTIONS, "\n".join(lines))
    (gone / PREDICTIONS).unlink()
    write_text(short / PREDICTIONS, "{}\n")
    folder = report(small.root)
    assert [row["variant"] for row in records(folder, "errors")] == ["bert_crf"]
    text = (folder / "tables/errors.md").read_text(encoding="utf-8")
    for said in (f"predictions.jsonl:{wrong + 1}: not the predictions that were scored", "No such file", "1 lines for 50 sentences"):
        assert said in text


def test_a_corpus_prepared_anew_shows_no_sentences_beside_old_results(small):
    path = small.root / f"data/{HOSTILE}/test.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")
    write_text(path, "\n".join(lines[1:]))
    folder = report(small.root)
    assert not (folder / "errors").exists()
    assert not (folder / "tables/errors.md").exists()
    assert (folder / "tables/board.md").exists()


def test_published_figures_stand_beside_ours_under_their_own_protocol(tmp_path):
    [weibo] = [figure for figure in read_published() if (figure.corpus, figure.size) == ("weibo", 1000)]
    assert (weibo.f1, weibo.protocol) == (76.78, "test")
    small = World(tmp_path, corpora=["demo_zh"], sizes=[50], draws=1)
    from reports import aggregate
    from reports.published import published_table

    results = aggregate.read_results(load_params(small.root / "params.yaml"), small.root / "results")
    assert published_table(results, [weibo]) is None, "only where the profile has the corpus and size"
    known = weibo.model_copy(update={"corpus": "demo_zh", "size": 50, "beside": ("cnn_ner",)})
    table = published_table(results, [known])
    assert table is not None
    theirs, *ours = ([cell.text for cell in line.cells] for line in table.lines)
    assert theirs[2:5] == ["KnowFREE (published)", "selected on test", "76.78"]
    f1 = load_metrics(small.root / "results/demo_zh/cnn_ner/50/0-0").score.micro.f1
    assert ours[0][2:5] == ["cnn_ner", "selected on dev", f"{100 * f1:.2f}"]
    assert [row[2] for row in ours] == ["cnn_ner", "<i>own"], "both variants of the method"


def test_another_systems_predictions_have_a_page_sentences_and_what_is_declared_of_them(tmp_path, monkeypatch):
    small = World(tmp_path, corpora=["demo_zh"], sizes=[50], draws=1)
    monkeypatch.chdir(small.root)
    theirs = small.root / "theirs.jsonl"
    theirs.write_bytes((small.root / "results/demo_zh/cnn_ner/50/0-0" / PREDICTIONS).read_bytes())
    place = ["--corpus", "demo_zh", "--size", "50", "--draw", "0", "--seed", "0"]
    told = [*place, "--note", f"few {EVIL} shots", "--url", "https://example.org/<x>"]
    result = CliRunner().invoke(build_app(), ["score", str(theirs), "--as", "llama", *told], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    folder = report(small.root)
    _, _, rows = called(folder / "errors/demo_zh/50/0-0.js")
    wrong = dict(rows)
    assert wrong["llama"] == wrong["cnn_ner"]
    text = (folder / "methods/llama.html").read_text(encoding="utf-8")
    assert "External." in text
    assert "few &lt;script&gt;" in text
    assert "https://example.org/<x>" in "".join(read(folder / "methods/llama.html").text)
    block = (folder / "provenance/demo_zh.html").read_text(encoding="utf-8").split('id="llama-50"')[1]
    assert "declared and not checked: protocol dev, file theirs.jsonl" in block
    assert "llama†" in (folder / "tables/errors.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("small")
def test_a_partial_report_says_which_cells_are_missing_and_links_to_no_page_that_is_not_there(small):
    for draw in small.root.glob(f"results/{HOSTILE}/knowfree/*/*"):
        (draw / "metrics.json").unlink()
    folder = report(small.root, "--partial")
    assert "Partial report." in (folder / "index.html").read_text(encoding="utf-8")
    for path in html(folder):
        for link in read(path).links:
            parts = urlsplit(link)
            assert parts.scheme or not parts.path or (path.parent / unquote(parts.path)).is_file(), f"{path}: {link}"
