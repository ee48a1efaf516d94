"""The documentation site: it builds strictly from the committed pages and the generated ones, and needs nothing from the net."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from docs.reference import pages, write
from tests.docs.blocks import ROOT

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "audio": "src", "use": "href"}


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is made of, with the generated pages in it."""
    root = tmp_path_factory.mktemp("sources")
    shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("__pycache__", "generated"))
    shutil.copy(ROOT / "mkdocs.yml", root)
    write(root / "docs" / "generated", pages())
    return root


def build(root: Path) -> subprocess.CompletedProcess[str]:
    """As `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=root,
        capture_output=True,
        text=True,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": ""},
        timeout=300,
    )


@pytest.fixture(scope="session")
def site(sources: Path) -> Path:
    done = build(sources)
    assert done.returncode == 0, done.stdout + done.stderr
    return sources / "build" / "docs"


def test_the_site_builds_strictly_with_every_page_in_the_menu(site: Path, sources: Path) -> None:
    written = {p.relative_to(sources / "docs").with_suffix(".html") for p in (sources / "docs").rglob("*.md")}
    assert written <= {p.relative_to(site) for p in site.rglob("*.html")}
    menu = yaml.safe_load((sources / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert {p.with_suffix(".md").as_posix() for p in written} == set(entries(menu))


def entries(menu: object) -> list[str]:
    """The pages of a menu, however deep."""
    if isinstance(menu, str):
        return [menu]
    values = menu.values() if isinstance(menu, dict) else menu
    assert not isinstance(values, (str, int))
    return [page for value in values for page in entries(value)]  # type: ignore[union-attr]


@pytest.mark.parametrize("link", ["nowhere.md", "footguns.md#nowhere", "/footguns.md"])
def test_a_broken_link_fails_the_build(link: str, sources: Path, tmp_path: Path) -> None:
    shutil.copytree(sources, tmp_path / "broken", ignore=shutil.ignore_patterns("build"))
    index = tmp_path / "broken" / "docs" / "index.md"
    index.write_text(f"{index.read_text(encoding='utf-8')}\n[x]({link})\n", encoding="utf-8")
    done = build(tmp_path / "broken")
    assert done.returncode != 0
    assert link.strip("/") in done.stdout + done.stderr


class Loads(HTMLParser):
    """What a page makes a browser fetch; a link that a reader may follow is no such thing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADS and (address := given.get(LOADS[tag])) and given.get("rel") != "canonical":
            self.found.append(address)
        self.found += re.findall(r"url\(([^)]+)\)", given.get("style") or "")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        parser = Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found
        for address in parser.found:
            assert not re.match(r"(https?:)?//", address), f"{page.relative_to(site)} loads {address}"
            assert not address.startswith("data:text/html")
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_marks_for_tests_are_not_seen(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "docs: " not in re.sub(r"<[^>]+>", "", text), page
