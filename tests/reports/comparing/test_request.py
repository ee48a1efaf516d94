"""What is compared: names, parameters that a profile's methods share, and what goes beyond the profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.config import Params
from benchmark.templates import write_method
from reports.comparing.request import request, settings_of, shared
from splits.errors import ConfigError

VALUES: dict[str, Any] = {
    "corpora": ["demo_zh", "demo_en"],
    "variants": ["bert_crf", "knowfree"],
    "continued": ["knowfree_syn"],
    "methods": {
        "bert_crf": {"method": "bert_crf", "params": {"encoder_lr": 0.001, "head_lr": 0.001, "dropout": 0.2}},
        "knowfree": {"method": "knowfree", "params": {"encoder_lr": 0.001, "head_lr": 0.001, "size": 64, "dropout": 0.4}},
        "knowfree_fusion": {"method": "knowfree_fusion"},
        "knowfree_syn": {"method": "knowfree_syn", "params": {"encoder_lr": 0.001}},
    },
    "sizes": [120],
    "draws": 2,
    "seeds": [0, 1],
    "encoders": {"demo_zh": {"name": "scratch"}, "demo_en": {"name": "scratch"}, "demo_ko": {"name": "scratch"}},
}
PROFILE = Params(**VALUES)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    write_method("mine", "neural", tmp_path / "mine.py")
    return str(tmp_path / "mine.py")


def test_a_file_becomes_a_row_beside_the_baseline(mine: str) -> None:
    asked = request(PROFILE, mine, "knowfree", corpora=["demo_zh"], sizes=[50], draws=1, seeds=[0])
    assert asked.params.rows == ["knowfree", "mine"]
    assert asked.params.baseline == asked.baseline == "knowfree"
    assert asked.params.methods["mine"].method == f"{mine}:MineMethod"
    assert (asked.params.corpora, asked.params.sizes, asked.params.draws, asked.params.seeds) == (["demo_zh"], [50], 1, [0])
    assert asked.params.methods["knowfree"] == PROFILE.methods["knowfree"]


def test_what_is_not_said_is_the_profiles(mine: str) -> None:
    asked = request(PROFILE, mine, None)
    assert asked.baseline == "bert_crf"
    assert request(Params(**VALUES, baseline="knowfree"), mine, None).baseline == "knowfree"
    for key in ("corpora", "sizes", "draws", "seeds", "training", "protocol", "encoders"):
        assert getattr(asked.params, key) == getattr(PROFILE, key)
    assert asked.beyond == ()


def test_what_the_profiles_methods_share_is_taken_where_the_method_has_it(mine: str) -> None:
    assert shared(PROFILE) == {"encoder_lr": 0.001, "head_lr": 0.001}, "size has one user, dropout two values"
    asked = request(PROFILE, mine, "bert_crf")
    assert asked.taken == asked.params.methods["mine"].params == {"encoder_lr": 0.001, "head_lr": 0.001}
    changed = request(PROFILE, mine, "bert_crf", settings={"encoder_lr": 0.5, "clip": 1.0})
    assert changed.params.methods["mine"].params == {"encoder_lr": 0.5, "head_lr": 0.001, "clip": 1.0}
    assert changed.taken == {"head_lr": 0.001}
    own = request(PROFILE, mine, "bert_crf", own=True)
    assert own.taken == own.params.methods["mine"].params == {}


def test_a_variant_of_the_profile_is_that_variant(mine: str) -> None:
    asked = request(PROFILE, "knowfree_syn", "bert_crf")
    assert asked.params.methods["knowfree_syn"] == PROFILE.methods["knowfree_syn"]
    assert asked.params.rows == ["bert_crf", "knowfree_syn"]
    assert asked.taken == {}


def test_a_registered_method_that_is_no_variant_takes_part() -> None:
    asked = request(PROFILE, "cnn_ner", "bert_crf")
    assert asked.params.methods["cnn_ner"].params == {"encoder_lr": 0.001, "head_lr": 0.001}


def test_a_changed_variant_gets_a_name_that_says_so() -> None:
    asked = request(PROFILE, "bert_crf", "bert_crf", settings={"dropout": 0.5})
    assert (asked.variant, asked.baseline) == ("bert_crf.dropout=0.5", "bert_crf")
    assert asked.params.methods["bert_crf"] == PROFILE.methods["bert_crf"]
    assert asked.params.methods[asked.variant].params == {"encoder_lr": 0.001, "head_lr": 0.001, "dropout": 0.5}
    assert request(PROFILE, "bert_crf", "knowfree", settings={"dropout": 0.5}, name="tuned").variant == "tuned"


def test_a_name_that_stands_for_something_else_is_refused(mine: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="against itself"):
        request(PROFILE, "bert_crf", "bert_crf")
    with pytest.raises(ConfigError, match="'knowfree' is another variant"):
        request(PROFILE, mine, "bert_crf", name="knowfree")
    (tmp_path / "other.py").write_text(Path(mine).read_text(encoding="utf-8").replace('"mine"', '"bert_crf"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="'bert_crf' is another variant"):
        request(PROFILE, str(tmp_path / "other.py"), "bert_crf")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"method": "nobody"}, "no variant or method 'nobody'"),
        ({"against": "nobody"}, "no variant or method 'nobody'"),
        ({"corpora": ["weibo"]}, "'weibo' has no encoder"),
        ({"sizes": [0]}, "at least 1"),
        ({"sizes": [120, 120]}, "twice"),
    ],
)
def test_what_cannot_be_is_an_error(options: dict[str, Any], what: str, mine: str) -> None:
    with pytest.raises(ConfigError, match=what):
        request(PROFILE, **({"method": mine, "against": "bert_crf"} | options))


def test_what_goes_beyond_the_profile_is_said(mine: str) -> None:
    asked = request(PROFILE, mine, "bert_crf", corpora=["demo_zh", "demo_ko"], sizes=[120, 50, "k5"], draws=6, seeds=[1, 7])
    assert asked.beyond == (
        "draws: 6 (the profile has 2)",
        "corpora: demo_ko (the profile has demo_zh, demo_en)",
        "sizes: 50, k5 (the profile has 120)",
        "seeds: 7 (the profile has 0, 1)",
    )


def test_parameters_are_read_as_in_params() -> None:
    texts = ["a=1e-3", "b=2", "c=0.5", "d=paper", "e=[ext, pos]", "f=true", "g=null", "h="]
    assert settings_of(texts) == {"a": 0.001, "b": 2, "c": 0.5, "d": "paper", "e": ["ext", "pos"], "f": True, "g": None, "h": None}
    for wrong in (["a"], ["=1"], ["a b=1"], ["a=1", "a=2"], ["a=[1"]):
        with pytest.raises(ConfigError, match="--param"):
            settings_of(wrong)
