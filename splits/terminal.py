"""Text of unknown origin for a terminal or a log: nothing in it steers the terminal, and no secret passes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

# What moves the cursor, changes colours or turns the order of letters round; line ends and tabs stay.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
USER_IN_URL = re.compile(r"(?<=://)[^\s/@'\"<>]*(?:@[^\s/@'\"<>]*)*@")
SECRETS = "token|key|secret|password|passwd|signature|sig|credential"
SECRET_IN_QUERY = re.compile(rf"([?&][\w.-]*(?:{SECRETS})[\w.-]*=)[^&\s'\"#]+", re.IGNORECASE)
BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}")
TOKENS = re.compile(  # of the hubs and clouds that people have accounts at
    r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|AKIA[A-Z0-9]{12,}|glpat-[\w-]{16,})"
)
SECRET_NAME = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|_KEY$)", re.IGNORECASE)
SHORTEST = 8  # characters of a variable's value that is taken for a secret: shorter ones are words
WITHHELD = "***"


def shown(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Text as it may be printed, logged and kept: without secrets, what would steer a terminal spelt out (`\\x1b`)."""
    return STEERING.sub(_spelt, withheld(text, environ))


def withheld(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Text without what looks like a secret: user and password of an address, tokens, and values of variables named as such."""
    environ = os.environ if environ is None else environ
    for name, value in environ.items():
        if len(value) >= SHORTEST and SECRET_NAME.search(name):
            text = text.replace(value, WITHHELD)
        if "://" in value and (found := USER_IN_URL.search(value)) and len(found[0]) > SHORTEST:
            text = text.replace(found[0], f"{WITHHELD}@")
    text = USER_IN_URL.sub(f"{WITHHELD}@", text)
    text = SECRET_IN_QUERY.sub(rf"\1{WITHHELD}", text)
    text = BEARER.sub(rf"\1 {WITHHELD}", text)
    return TOKENS.sub(WITHHELD, text)


def _spelt(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
