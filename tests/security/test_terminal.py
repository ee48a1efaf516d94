"""Whatever a corpus or a model wrote steers no terminal, and no secret is printed or kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits.errors import CorpusError, KfbenchError
from splits.terminal import STEERING, shown, withheld


@given(st.text())
def test_nothing_that_is_shown_steers_a_terminal(text: str) -> None:
    assert not STEERING.search(shown(text, {}))
    assert "\x1b" not in str(KfbenchError(text, text))


@given(st.text(st.characters(exclude_categories=("C", "Z")), max_size=40).filter(lambda text: not set(text) & set("@:?&=")))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert shown(text, {}) == text


def test_an_error_spells_out_what_would_steer() -> None:
    error = CorpusError("x.jsonl", 1, "id 'a\x1b[31m\u202eb'", "Mend it.\x07")
    assert str(error) == "x.jsonl:1: id 'a\\x1b[31m\\u202eb'\n  Mend it.\\x07"


SECRETS = [
    ("https://user:pa55word@host/x", "pa55word"),
    ("https://user:p@ss@host.org/x.git", "p@ss"),
    ("ssh://me:secret77@host/x", "secret77"),
    ("https://host/x?token=abcdef123&y=1", "abcdef123"),
    ("https://host/x?y=1&X-Amz-Signature=abcdef123", "abcdef123"),
    ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
    ("the key hf_abcdefghijklmnopqrst failed", "hf_abcdefghijklmnopqrst"),
    ("sk-abcdefghijklmnopqrstuv", "sk-abcdefghijklmnopqrstuv"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_what_looks_like_a_secret_is_withheld(text: str, secret: str) -> None:
    assert secret not in withheld(text, {})
    assert "***" in withheld(text, {})


def test_addresses_without_users_stay_whole() -> None:
    for text in ("https://host/x?y=1#z", "see https://example.org/a@b and me@example.org", "file:///a/b"):
        assert withheld(text, {}) == text


@pytest.mark.parametrize("name", ["HF_TOKEN", "OPENAI_API_KEY", "KFBENCH_LLM_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"])
def test_values_of_variables_that_hold_secrets_are_withheld(name: str) -> None:
    environ = {name: "plain-looking-value", "HOME": "/home/somebody"}
    assert withheld("it said plain-looking-value in /home/somebody", environ) == "it said *** in /home/somebody"


def test_patterns_take_no_time_on_long_text() -> None:
    """No pattern looks at a text again and again: a million characters of each trap are done at once."""
    for trap in ("://" + "a" * 1_000_000, "://" + "@a" * 200_000, "?token" * 100_000, "Bearer " + "x" * 1_000_000 + "\n"):
        assert isinstance(shown(trap, {}), str)
    assert re.sub(r"x", "", "x" * 10) == ""
