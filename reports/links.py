"""Where the pages of a report stand, as links from its folder."""

from __future__ import annotations

from urllib.parse import quote

Size = int | str


def corpus_page(corpus: str) -> str:
    return f"corpora/{quote(corpus, safe='')}.html"


def method_page(variant: str) -> str:
    return f"methods/{quote(variant, safe='')}.html"


def errors_page(corpus: str) -> str:
    return f"errors/{quote(corpus, safe='')}.html"


def provenance_page(corpus: str) -> str:
    return f"provenance/{quote(corpus, safe='')}.html"


def block_id(variant: str, size: Size) -> str:
    """The anchor of an entry's cells on its corpus's page of provenance."""
    return f"{variant}-{size}"


def block(corpus: str, variant: str, size: Size) -> str:
    """Where the cells, configurations and commits behind a number stand."""
    return f"{provenance_page(corpus)}#{quote(block_id(variant, size), safe='')}"
