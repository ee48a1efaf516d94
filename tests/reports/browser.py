"""A headless Chromium for tests of pages: finds one, and records whatever a page should not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import require_not

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1400, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True, "has_touch": True},
}


def executable() -> str:
    """The Chromium of KFBENCH_CHROMIUM or of the system; without one the test is skipped, or fails where the tier is promised."""
    found = os.environ.get("KFBENCH_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        require_not("browser", f"no Chromium: none of {', '.join(NAMES)} is on PATH, and KFBENCH_CHROMIUM is not set")
    return found or ""


@contextmanager
def launched() -> Iterator[Browser]:
    path = executable()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        require_not("browser", "playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])  # CI runs as root
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page of a report, and what it did that it should not: console messages, errors, requests that leave the folder."""

    page: Page
    site: Path
    wrongs: list[str] = field(default_factory=list)

    def open(self, name: str) -> Page:
        self.page.goto(f"{self.site.as_uri()}/{name}")
        return self.page


@contextmanager
def tab(browser: Browser, site: Path, look: str = "desktop", **changes: Any) -> Iterator[Tab]:
    """A tab that fails the test when it is closed after a wrong."""
    context = browser.new_context(**(LOOKS[look] | changes))
    found = Tab(context.new_page(), site)
    home = f"{site.as_uri()}/"

    def ask(route: Any) -> None:
        if route.request.url.startswith((home, "data:")):
            route.continue_()
        else:
            found.wrongs.append(f"request of {route.request.url}")
            route.abort()

    def failed(request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # by leaving the page, or by `ask`, which has noted it
            found.wrongs.append(f"failed: {request.url}: {request.failure}")

    context.route("**/*", ask)
    found.page.on("console", lambda message: found.wrongs.append(f"console: {message.text}"))
    found.page.on("pageerror", lambda error: found.wrongs.append(f"error: {error}"))
    found.page.on("requestfailed", failed)
    found.page.on("dialog", lambda dialog: (found.wrongs.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    try:
        yield found
        assert found.wrongs == []
    finally:
        context.close()


def until(page: Page, expression: str) -> None:
    """Wait until it is true. Playwright's own wait evaluates a string in the page, which its content security policy forbids."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {expression}")
