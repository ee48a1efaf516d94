"""The pages in a real browser: they work by mouse and keyboard, in the dark, on a phone, and run nothing that data say.

Screenshots of every page are kept in KFBENCH_SCREENSHOTS, or in pytest's temporary folder.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from benchmark.result import PREDICTIONS
from splits.schema import read_jsonl
from tests.reports.browser import LOOKS, tab, until
from tests.reports.test_pages import html
from tests.reports.worlds import EVIL, HOSTILE, LABELS, World

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

PAGE = 20  # sentences that the error browser shows at a time


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("KFBENCH_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def choice(page: Page, name: str) -> Locator:
    """A field of the page's form; each has a label."""
    field = page.locator(f"form label [name={name}]")
    assert field.count() == 1
    return field


# Colours of every element that has text of its own, against what is painted behind it; those below WCAG's 4.5 to 1.
FAINT = """() => {
  const parse = (text) => {
    const srgb = text.match(/^color\\(srgb ([\\d.e-]+) ([\\d.e-]+) ([\\d.e-]+)(?: \\/ ([\\d.e-]+))?\\)$/);
    if (srgb) return [srgb[1] * 255, srgb[2] * 255, srgb[3] * 255, srgb[4] === undefined ? 1 : Number(srgb[4])];
    const rgb = text.match(/^rgba?\\(([\\d.]+), ([\\d.]+), ([\\d.]+)(?:, ([\\d.]+))?\\)$/);
    if (rgb) return [Number(rgb[1]), Number(rgb[2]), Number(rgb[3]), rgb[4] === undefined ? 1 : Number(rgb[4])];
    throw new Error(`colour ${text}`);
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]);
  const behind = (element) => {
    if (element === null) return [255, 255, 255];
    return over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = new Set();
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.disabled || !element.checkVisibility() || ["SCRIPT", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
    const back = behind(element);
    const [a, b] = [light(over(parse(getComputedStyle(element).color), back)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.add(`${element.tagName}.${element.className}: ${ratio.toFixed(2)} in ${element.textContent.slice(0, 30)}`);
  }
  return [...faint];
}"""


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_quiet_legible_and_fits_its_width(browser, site, screenshots, look):
    for path in html(site):
        name = path.relative_to(site).as_posix()
        with tab(browser, site, look) as opened:
            page = opened.open(quote(name))
            if name.startswith("errors/"):
                page.wait_for_selector("article")
            width, height = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            assert width <= LOOKS[look]["viewport"]["width"], f"{name} scrolls sideways"
            assert page.evaluate(FAINT) == [], name
            assert page.evaluate("window.pwned") is None
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == ("rgb(20, 23, 29)" if look == "dark" else "rgb(255, 255, 255)")
            assert page.evaluate("[...document.images].every((image) => image.loading === 'lazy' || image.complete)")
            page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
            until(page, "[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
            assert height > 300
            page.screenshot(path=str(screenshots / f"{look}-{name.replace('/', '-').removesuffix('.html')}.png"), full_page=True)


def column(page: Page, table: str, name: str) -> list[str]:
    """What the visible rows of a table say in a column."""
    found: list[str] = page.evaluate(
        """([table, name]) => {
          const rows = [...document.querySelectorAll(`${table} tbody tr`)].filter((row) => row.checkVisibility());
          const at = [...document.querySelectorAll(`${table} thead th`)].findIndex((head) => head.textContent.trim() === name);
          return rows.map((row) => row.cells[at].firstElementChild?.textContent ?? row.cells[at].textContent);
        }""",
        [table, name],
    )
    return found


def test_columns_sort_by_mouse_and_keyboard_and_say_so(browser, site):
    with tab(browser, site) as opened:
        page = opened.open("index.html")
        before = column(page, "#board", "F1")
        head = page.locator("#board th", has_text="F1")
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        assert [float(f1) for f1 in column(page, "#board", "F1")] == sorted(map(float, before), reverse=True)
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert [float(f1) for f1 in column(page, "#board", "F1")] == sorted(map(float, before))
        page.keyboard.press("Space")
        assert head.get_attribute("aria-sort") is None
        assert column(page, "#board", "F1") == before, "the page's own order comes back"
        name = page.locator("#board th", has_text="variant")
        name.get_by_role("button").press("Enter")
        assert name.get_attribute("aria-sort") == "ascending"
        variants = column(page, "#board", "variant")
        assert variants == sorted(variants)
        assert page.locator("#board [aria-sort]").count() == 1


def test_the_bar_shows_one_corpus_size_and_protocol(browser, site):
    with tab(browser, site) as opened:
        page = opened.open("index.html")
        status = page.locator("#filter output")
        assert status.text_content() == "24 of 48 entries"
        assert set(column(page, "#board", "protocol")) == {"dev"}
        choice(page, "corpus").select_option("demo_en")
        choice(page, "size").select_option("50")
        assert status.text_content() == "4 of 48 entries"
        for table in ("#board", "#errors", "#seen", "#cost", "#supplement"):
            assert set(column(page, table, "corpus")) == {"demo_en"}
            assert set(column(page, table, "size")) == {"50"}
        shown = [figure.get_attribute("data-corpus") for figure in page.locator(".plot").all() if figure.is_visible()]
        assert shown
        assert set(shown) == {"demo_en"}
        choice(page, "protocol").select_option("both")
        assert status.text_content() == "8 of 48 entries"
        choice(page, "protocol").focus()
        page.keyboard.press("ArrowUp")
        assert set(column(page, "#board", "protocol")) == {"last"}


def test_a_number_leads_to_its_cells_by_keyboard(browser, site):
    with tab(browser, site) as opened:
        page = opened.open("index.html")
        page.locator("#board a.source").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/provenance/demo_zh.html#*")
        block = page.locator("section:target")
        assert block.count() == 1
        assert block.locator("tbody tr").count() == 3
        block.get_by_text("Configuration, as all 3 share it").press("Enter")
        assert '"name": "' in (block.locator("pre").first.text_content() or "")


def test_the_first_tab_skips_to_the_content(browser, site):
    with tab(browser, site) as opened:
        page = opened.open("index.html")
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        assert skip.evaluate("(link) => document.activeElement === link && link.getBoundingClientRect().left >= 0")
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"


def test_without_javascript_every_row_stands_there(browser, site):
    with tab(browser, site, java_script_enabled=False) as opened:
        page = opened.open("index.html")
        assert page.locator("#board tbody tr").count() == 48
        assert all(row.is_visible() for row in page.locator("#board tbody tr").all())
        assert not page.locator("#filter").is_visible()
        page = opened.open("errors/demo_en.html")
        assert page.get_by_text("The error browser needs JavaScript").is_visible()
        assert page.locator("#errors").is_visible()


def opened_errors(opened: Any, corpus: str, **chosen: str) -> Page:
    page: Page = opened.open(f"errors/{corpus}.html#" + "&".join(f"{key}={quote(value)}" for key, value in chosen.items()))
    until(page, "document.getElementById('status').textContent !== ''")
    return page


def count(page: Page) -> int:
    return int((page.locator("#status").text_content() or "0").split(" ")[0])


def spans_of(world: World, corpus: str, variant: str, run: str) -> list[set[tuple[int, int, str]]]:
    text = (world.root / f"results/{corpus}/{variant}/{run}/{PREDICTIONS}").read_text(encoding="utf-8")
    return [{(e["start"], e["end"], e["entity"]) for e in json.loads(line)["entities"]} for line in text.split("\n")[:-1]]


def test_the_error_browser_finds_the_sentences_with_errors_of_one_method_or_both(browser, site, world):
    gold = [set(sentence.spans) for sentence in read_jsonl(world.root / "data/demo_en/test.jsonl")]
    wrong = {
        v: [spans != said for spans, said in zip(gold, spans_of(world, "demo_en", v, "100/2-0"), strict=True)]
        for v in ("knowfree", "cnn_ner")
    }
    pairs = list(zip(wrong["knowfree"], wrong["cnn_ner"], strict=True))
    expected = {
        "either": sum(a or b for a, b in pairs),
        "a": sum(a for a, _ in pairs),
        "b": sum(b for _, b in pairs),
        "only-a": sum(a and not b for a, b in pairs),
        "only-b": sum(b and not a for a, b in pairs),
        "both": sum(a and b for a, b in pairs),
    }
    with tab(browser, site) as opened:
        page = opened_errors(opened, "demo_en", size="100", run="2-0", a="knowfree", b="cnn_ner")
        for who, sentences in expected.items():
            choice(page, "who").select_option(who)
            assert count(page) == sentences
        choice(page, "kind").select_option("all")
        assert count(page) == len(gold)
        choice(page, "run").select_option("0-0")
        choice(page, "kind").select_option("")
        choice(page, "who").select_option("a")
        until(page, f"!document.getElementById('status').textContent.startsWith('{expected['a']} ')")
        other = spans_of(world, "demo_en", "knowfree", "100/0-0")
        assert count(page) == sum(spans != said for spans, said in zip(gold, other, strict=True))


@pytest.mark.parametrize("kind", ["type", "boundary", "both", "missed", "spurious"])
def test_the_error_browser_shows_one_kind_of_error(browser, site, kind):
    with tab(browser, site) as opened:
        page = opened_errors(opened, "demo_en", a="bert_crf", b="knowfree", size="50", kind=kind)
        assert choice(page, "kind").input_value() == kind
        assert choice(page, "who").input_value() == "a", "a link from a table asks for the errors of its method"
        assert count(page) > 0
        for article in page.locator("article").all():
            said = article.locator(".pair .reading").first.locator("li").all_text_contents()
            assert [line for line in said if line.startswith(f"{kind}: ")]
        before = count(page)
        choice(page, "label").select_option("ORG")
        assert 0 < count(page) < before
        for article in page.locator("article").all():
            said = article.locator(".pair .reading").first.locator("li").all_text_contents()
            assert [line for line in said if line.startswith(f"{kind}: ") and "ORG" in line]


def test_thousands_of_sentences_come_in_pages_and_a_link_remembers_the_choice(browser, site):
    with tab(browser, site) as opened:
        page = opened_errors(opened, "demo_en", kind="all")
        total = count(page)
        assert total > 5 * PAGE
        assert page.locator("article").count() == PAGE
        first = page.locator("article h3").all_text_contents()
        pager = page.locator(".pager").first
        assert pager.get_by_role("button", name="Back").is_disabled()
        pager.get_by_role("button", name="Next").press("Enter")
        second = page.locator("article h3").all_text_contents()
        assert not set(first) & set(second)
        pager.get_by_role("button", name="Last").click()
        assert pager.get_by_role("button", name="Next").is_disabled()
        assert page.locator("article").count() == total - PAGE * ((total - 1) // PAGE)
        choice(page, "a").select_option("cnn_ner")
        choice(page, "text").fill("museum")
        found, address = count(page), page.url
        assert all("museum" in text.lower() for text in page.locator("article .gold p").all_text_contents())
        page = opened.open("index.html")
        page.goto(address)
        until(page, "document.getElementById('status').textContent !== ''")
        assert (count(page), choice(page, "a").input_value(), choice(page, "text").input_value()) == (
            found,
            "cnn_ner",
            "museum",
        )


def test_what_sentences_and_labels_hold_is_text(browser, site):
    with tab(browser, site) as opened:
        page = opened_errors(opened, HOSTILE, kind="all")
        texts = []
        while True:
            texts += page.locator("article .gold p").all_text_contents()
            onward = page.locator(".pager").first.get_by_role("button", name="Next")
            if onward.is_disabled():
                break
            onward.click()
        assert sum(EVIL in text for text in texts) == 10
        assert sum("onerror=window.pwned=2>" in text for text in texts) == 10
        assert sum("שלום" in text for text in texts) == 10
        assert sum("👩‍👩‍👧‍👦" in text for text in texts) == 10
        assert page.locator("#sentences script, #sentences img, #sentences b b, #sentences i").count() == 0
        assert choice(page, "label").locator("option").all_text_contents()[1:] == sorted(LABELS)
        assert choice(page, "a").locator("option").all_text_contents()[-1] == "<i>own"
        assert page.evaluate("window.pwned") is None
        assert page.locator("article .gold p", has_text="שלום").first.evaluate("(p) => getComputedStyle(p).direction") == "rtl"


def test_nested_entities_are_marks_within_marks_and_every_span_is_drawn_once(browser, site):
    rng = random.Random(0)
    with tab(browser, site) as opened:
        page = opened_errors(opened, "demo_en", kind="all")
        assert page.locator("article .gold mark mark").count() > 0
        for _ in range(200):
            spans = [{"start": s, "end": s + rng.randint(1, 5), "label": rng.randrange(3), "kind": 0} for s in rng.choices(range(10), k=6)]
            drawn = page.evaluate(
                """(spans) => {
                  const said = (element) => element.textContent.replace(/[A-Z ]+/g, ""); // labels are in capitals
                  return lines([..."abcdefghijklmno"], spans).map((line) => [
                    said(line), [...line.querySelectorAll("mark")].map((mark) => [said(mark), mark.lastChild.textContent]),
                  ]);
                }""",
                spans,
            )
            labels = page.evaluate("kfbench.corpus.labels")
            assert {text for text, _ in drawn} == {"abcdefghijklmno"}, "every line has the whole sentence"
            marks = sorted((text, label) for _, marks in drawn for text, label in marks)
            assert marks == sorted(("abcdefghijklmno"[s["start"] : s["end"]], labels[s["label"]]) for s in spans)


def test_chinese_is_joined_and_english_is_not(browser, site):
    with tab(browser, site) as opened:
        page = opened_errors(opened, "demo_zh", kind="all")
        assert page.locator("article p").first.get_attribute("lang") == "zh"
        assert " " not in (page.locator("article .gold p").first.text_content() or "")
        page = opened_errors(opened, "demo_en", kind="all")
        assert page.locator("article p").first.get_attribute("lang") == "en"
        assert " " in (page.locator("article .gold p").first.text_content() or "")
