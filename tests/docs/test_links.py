"""Links of the pages that are no part of the site lead to files of the checkout, and to headings that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.docs.test_commands import NAMES

PAGES = [name for name in NAMES if not name.startswith("docs/")]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as a browser of the repository makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere; addresses on the net are not asked."""
    found = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            found.append(target)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    assert broken(ROOT / name) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One: two, `three`\n", encoding="utf-8")
    (tmp_path / "a.md").write_text(
        "[](b.md) [x](b.md#one-two-three) ![y](no.png) [z](b.md#four) [](#five) [w](https://example.org)\n", encoding="utf-8"
    )
    assert broken(tmp_path / "a.md") == ["no.png", "b.md#four", "#five"]
