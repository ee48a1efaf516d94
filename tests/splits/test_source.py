"""Every corpus says where it is from, what may be done with it and how to cite it."""

import re
from pathlib import Path

import pytest

from splits import corpora

REFERENCES = Path(__file__).parents[2] / "docs" / "references.bib"


@pytest.mark.parametrize("name", corpora.names())
def test_provenance_is_complete(name: str) -> None:
    source = corpora.source(name)
    assert source.language in {"zh", "en", "ja", "ko"}
    assert source.licence
    assert source.citation in re.findall(r"@\w+\{([^,]+),", REFERENCES.read_text(encoding="utf-8"))
    if source.files:
        assert source.repository.startswith("https://")
    for file in source.files.values():
        assert file.url.startswith("https://")
        assert re.search(r"/[0-9a-f]{40}/", file.url), "a URL must be at a commit"
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size > 0
