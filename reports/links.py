"""Where the pages of a report stand, as links from its folder."""

from __future__ import annotations

from urllib.parse import quote, urlencode

Size = int | str


def file_name(name: str) -> str:
    """A name as every file system takes it: what is neither a letter, a digit nor one of `_.-~` becomes `%XX`."""
    return quote(name, safe="")


def corpus_page(corpus: str) -> str:
    return f"corpora/{_link(corpus)}.html"


def method_page(variant: str) -> str:
    return f"methods/{_link(variant)}.html"


def errors_page(corpus: str) -> str:
    return f"errors/{_link(corpus)}.html"


def provenance_page(corpus: str) -> str:
    return f"provenance/{_link(corpus)}.html"


def block_id(variant: str, size: Size) -> str:
    """The anchor of an entry's cells on its corpus's page of provenance."""
    return f"{variant}-{size}"


def block(corpus: str, variant: str, size: Size) -> str:
    """Where the cells, configurations and commits behind a number stand."""
    return f"{provenance_page(corpus)}#{quote(block_id(variant, size), safe='')}"


def browse(corpus: str, variant: str, size: Size, kind: str) -> str:
    """The sentences in which a variant makes a kind of error."""
    chosen = {"a": variant, "size": str(size), "kind": kind}
    return f"{errors_page(corpus)}#{urlencode(chosen, quote_via=quote)}"


def _link(name: str) -> str:
    """A file name in a link, where its `%` must be written as such."""
    return quote(file_name(name), safe="")
