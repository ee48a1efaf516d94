"""A model's chat template: the messages it takes, and the prompt it makes of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from knowfree.synthesis.chat import Request
from splits.errors import ConfigError

Messages = list[dict[str, str]]

PROBE = "Answer in one word."
OPENED = re.compile(r"<think(?:ing)?>\s*\Z", re.IGNORECASE)


class ChatTemplate:
    """The template of a tokenizer.

    Args:
        name: of the model, for errors.
        thinking: `enable_thinking` of templates that know it; None leaves it to the template.

    Raises:
        ConfigError: the tokenizer has no chat template, or it cannot render a plain question.
    """

    def __init__(self, tokenizer: Any, name: str, *, thinking: bool | None = None) -> None:
        self.tokenizer = tokenizer
        self.name = name
        self.options = {} if thinking is None else {"enable_thinking": thinking}
        try:
            plain = self.render([{"role": "user", "content": PROBE}])
        except Exception as error:  # templates raise what they like
            raise ConfigError(
                f"{name}: no chat template can be used: {_first_line(error)}",
                "Take an instruction-tuned model whose tokenizer has a chat template; a base model cannot be asked.",
            ) from None
        self.takes_system = self._takes_system()
        self.opens_thinking = OPENED.search(plain) is not None  # the reply then starts within a thought

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """The prompt, up to where the model answers."""
        return str(self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True, **self.options))

    def messages(self, request: Request) -> Messages:
        """The messages of a request, in roles that the template takes."""
        return request.messages if self.takes_system and request.system else merged(request.messages)

    def _takes_system(self) -> bool:
        """Whether a system message is shown to the model: some templates refuse one, some leave it out."""
        try:
            return PROBE in self.render([{"role": "system", "content": PROBE}, {"role": "user", "content": "Why?"}])
        except Exception:
            return False

    @property
    def sha256(self) -> str:
        """Of the template's text: another one makes other prompts of the same messages."""
        text = getattr(self.tokenizer, "chat_template", None)
        return hashlib.sha256(repr(text).encode() if not isinstance(text, str) else text.encode()).hexdigest()


def merged(messages: Sequence[dict[str, str]]) -> Messages:
    """The system's text in front of the first user's, for a model that knows no system role."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system" and m["content"])
    rest = [dict(m) for m in messages if m["role"] != "system"]
    if system and rest:
        rest[0]["content"] = f"{system}\n\n{rest[0]['content']}"
    return rest


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:300]
