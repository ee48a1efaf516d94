"""Splits by rule: order by hash, manifests, and what happens when they disagree."""

from __future__ import annotations

import json

import pytest

from splits import partition
from splits.errors import KfbenchError

PARTS = {"train": ["a-0", "a-3"], "dev": ["a-1"], "test": ["a-2", "a-4"]}


def test_the_order_is_the_same_everywhere():
    assert partition.hash_order((f"a-{i}" for i in range(6)), "salt") == partition.hash_order(
        (f"a-{i}" for i in reversed(range(6))), "salt"
    )
    # printf 'salt:a-0' | sha256sum, and so on: no Python decides this order
    assert partition.hash_order([f"a-{i}" for i in range(6)], "salt") == EXPECTED


EXPECTED = ["a-0", "a-2", "a-4", "a-5", "a-3", "a-1"]


def test_a_manifest_holds_a_line_a_part_and_verifies(tmp_path):
    partition.write_manifest("tiny", "a rule", PARTS, tmp_path)
    partition.verify("tiny", PARTS, tmp_path)
    path = partition.manifest_path("tiny", tmp_path)
    assert path.name == "tiny.split.json"
    manifest = json.loads(path.read_text())
    assert manifest == {
        "corpus": "tiny",
        "rule": "a rule",
        "splits": {"dev": ["a-1"], "test": ["a-2", "a-4"]},
        "sha256": partition.digest(PARTS),
    }
    assert '  "test": ["a-2","a-4"]\n' in path.read_text()


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        (PARTS | {"dev": ["a-3"]}, "tiny: dev has 'a-3' at place 0, the manifest tiny.split.json has 'a-1'"),
        (PARTS | {"test": ["a-2"]}, "tiny: test has nothing at place 1, the manifest tiny.split.json has 'a-4'"),
        (PARTS | {"test": ["a-4", "a-2"]}, "tiny: test has 'a-4' at place 0, the manifest tiny.split.json has 'a-2'"),
        (PARTS | {"train": ["a-0"]}, "tiny: sha256 of the split is"),
    ],
)
def test_another_split_is_an_error_that_names_the_first_difference(tmp_path, parts, what):
    partition.write_manifest("tiny", "a rule", PARTS, tmp_path)
    with pytest.raises(KfbenchError) as caught:
        partition.verify("tiny", parts, tmp_path)
    assert caught.value.what.startswith(what)


@pytest.mark.parametrize(
    ("text", "what"), [(None, "no such manifest"), ("{", "not a manifest"), ("[]", "not a manifest"), ("{}", "not a manifest")]
)
def test_a_missing_or_broken_manifest(tmp_path, text, what):
    if text is not None:
        partition.manifest_path("tiny", tmp_path).write_text(text)
    with pytest.raises(KfbenchError, match=what):
        partition.verify("tiny", PARTS, tmp_path)


@pytest.mark.parametrize("name", ["mit_movie", "stockmark_ja"])
def test_committed_manifests_hold_ids_and_no_text(name):
    manifest = json.loads(partition.manifest_path(name).read_text("utf-8"))
    assert set(manifest) == {"corpus", "rule", "splits", "sha256"}
    assert all(id_.rsplit("-", 1)[1].isdigit() and id_.isascii() for ids in manifest["splits"].values() for id_ in ids)
