"""A model in this process through transformers: for a small one on a CPU."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from knowfree.synthesis.backends.json_schema import fault
from knowfree.synthesis.backends.template import ChatTemplate, Messages
from knowfree.synthesis.backends.thinking import cut_thinking
from knowfree.synthesis.chat import Reply, Request, Sampling
from knowfree.synthesis.llm import DIRECTORY, LLM
from splits.errors import ConfigError, KfbenchError

REASKS = 2  # after a reply that is not the JSON asked for; then it stays as it is, and its reader counts it


@dataclass(frozen=True)
class _Turn:
    """A request on its way: what is said so far, how often it was asked again, what that cost."""

    place: int
    messages: Messages
    reasked: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class TransformersModel:
    """Batched `generate`, padded on the left.

    Nothing holds the model to a JSON schema here: a reply that does not fit is shown to it with what is wrong, at most
    `REASKS` times. Sampling draws from an own seed, which is of the configuration, the batch's requests and the attempt.

    Raises:
        ConfigError: the model cannot be loaded, or has no chat template.
    """

    def __init__(self, llm: LLM) -> None:
        import torch
        import transformers

        options: dict[str, Any] = {"revision": None if llm.directory else llm.revision, "trust_remote_code": llm.trust_remote_code}
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(llm.place, padding_side="left", **options)
            self.template = ChatTemplate(self.tokenizer, llm.model, thinking=llm.thinking)
            kind = "auto" if llm.dtype == "auto" else getattr(torch, llm.dtype)
            word = "torch_dtype" if transformers.__version__.startswith("4.") else "dtype"
            model = transformers.AutoModelForCausalLM.from_pretrained(llm.place, **{word: kind}, **options)
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(
                f"{llm.place}: the language model cannot be loaded: {str(error).splitlines()[0]}",
                f"Name a model of the hub, or set {DIRECTORY} to a directory that holds config.json, weights and tokenizer.",
            ) from error
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token  # masked everywhere: any token does
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model.to(self.device).eval()
        self.llm = llm
        self.longest = llm.max_model_len or getattr(model.config, "max_position_embeddings", None)
        own = model.generation_config.eos_token_id
        ends = own if isinstance(own, list) else [own]
        self.ends = sorted({token for token in [*ends, self.tokenizer.eos_token_id] if token is not None})
        self.model.generation_config = _generation(llm.sampling, self.ends, self.tokenizer.pad_token_id)
        self._versions = {"version": transformers.__version__, "torch": torch.__version__}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "engine": "transformers",
            **self._versions,
            "device": self.device,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "batch_size": self.llm.batch_size,
            "reasks": REASKS,
            "thinking": self.llm.thinking,
            "chat_template": self.template.sha256,
        }

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Answers batch by batch, prompts of like length together; what is asked again joins the next batch."""
        turns = [_Turn(place, self.template.messages(request)) for place, request in enumerate(requests)]
        queue = deque(sorted(turns, key=lambda turn: -sum(len(m["content"]) for m in turn.messages)))
        while queue:
            batch = [queue.popleft() for _ in range(min(self.llm.batch_size, len(queue)))]
            again: list[_Turn] = []
            for turn, reply in zip(batch, self._generate([turn.messages for turn in batch], batch[0].reasked), strict=True):
                schema = requests[turn.place].schema
                cost = replace(turn, tokens_in=turn.tokens_in + reply.tokens_in, tokens_out=turn.tokens_out + reply.tokens_out)
                wrong = None if schema is None else fault(reply.text, schema)
                if wrong and schema is not None and turn.reasked < REASKS:
                    again.append(
                        replace(cost, reasked=turn.reasked + 1, messages=_again(requests[turn.place], self.template, reply, wrong))
                    )
                else:
                    yield turn.place, replace(reply, tokens_in=cost.tokens_in, tokens_out=cost.tokens_out)
            queue.extendleft(reversed(again))

    def close(self) -> None:
        del self.model

    def _generate(self, prompts: Sequence[Messages], attempt: int) -> list[Reply]:
        """Replies to a batch of chats."""
        import torch

        texts = [self.template.render(messages) for messages in prompts]
        given = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(self.device)
        room = given["input_ids"].shape[1]
        if self.longest and room >= self.longest:
            raise KfbenchError(
                f"a prompt of {room} tokens leaves no room for a reply: {self.llm.model} takes {self.longest}",
                "Shorten the sentence or its prompt, or raise max_model_len if the model can take more.",
            )
        with torch.no_grad(), torch.random.fork_rng(devices=[torch.cuda.current_device()] if self.device == "cuda" else []):
            torch.manual_seed(_seed(self.llm.sampling, texts, attempt))
            out = self.model.generate(**given)
        replies = []
        for row, tokens_in in zip(out[:, room:].tolist(), given["attention_mask"].sum(1).tolist(), strict=True):
            end = next((i for i, token in enumerate(row) if token in self.ends), None)
            tokens = row if end is None else row[:end]
            text = cut_thinking(self.tokenizer.decode(tokens, skip_special_tokens=True), opened=self.template.opens_thinking)
            replies.append(Reply(text, "length" if end is None else "stop", tokens_in, len(tokens) + (end is not None)))
        return replies


def _generation(s: Sampling, ends: Sequence[int], padding: int) -> Any:
    """Our sampling in place of the model's own: no top-k, no penalties, as the other back ends have it."""
    from transformers import GenerationConfig

    drawn = {"do_sample": True, "temperature": s.temperature, "top_p": s.top_p, "top_k": 0} if s.temperature else {"do_sample": False}
    return GenerationConfig(max_new_tokens=s.max_tokens, eos_token_id=list(ends), pad_token_id=padding, use_cache=True, **drawn)


def _again(request: Request, template: ChatTemplate, reply: Reply, wrong: str) -> Messages:
    """The chat with its last wrong reply, and what is wrong with it."""
    complaint = f"That is not what was asked for: {wrong}. Answer again, with JSON of this schema and nothing else:\n"
    return [
        *template.messages(request),
        {"role": "assistant", "content": reply.text},
        {"role": "user", "content": complaint + json.dumps(request.schema, ensure_ascii=False)},
    ]


def _seed(sampling: Sampling, texts: Sequence[str], attempt: int) -> int:
    """Of a batch: so that a run that is resumed does not draw the same numbers for other requests."""
    digest = hashlib.sha256(repr((sampling.seed, attempt, list(texts))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
