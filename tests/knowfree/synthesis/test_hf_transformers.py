"""The transformers back end on a tiny random Llama and a tokenizer made here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from knowfree.synthesis.backends import open_backend
from knowfree.synthesis.backends.hf_transformers import REASKS, TransformersModel
from knowfree.synthesis.chat import Reply, Request, Sampling
from knowfree.synthesis.llm import LLM
from splits.errors import ConfigError, KfbenchError

TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}:{{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant:{% endif %}"
)
PROMPTS = ["a", "who starred in it and when was that", "a movie"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer without merges and a Llama of two layers, whose next token its random weights decide."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    path = tmp_path_factory.mktemp("llama")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({letter: k for k, letter in enumerate(letters)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=256, eos_token_id=257, pad_token_id=None, initializer_range=0.5,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.generation_config.update(do_sample=True, top_k=1, repetition_penalty=5.0)  # what a model's own settings may say
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def tiny(directory: Path, **changes: Any) -> LLM:
    return LLM(**({"backend": "transformers", "model": "tiny", "directory": str(directory), "dtype": "float32"} | changes))


def asked(prompts: Sequence[str] = PROMPTS, schema: dict[str, Any] | None = None) -> list[Request]:
    return [Request("Name them.", prompt, schema) for prompt in prompts]


def greedy(directory: Path, request: Request, most: int) -> tuple[list[int], int]:
    """The oracle: one token after the other, without padding, cache or `generate`; tokens, and the length of the prompt."""
    model = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    ids = tokenizer.apply_chat_template(request.messages, add_generation_prompt=True, return_dict=False)
    start = len(ids)
    with torch.no_grad():
        while len(ids) - start < most:
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == 257:
                break
    return ids[start:], start


def test_a_batch_answers_as_each_request_does_alone_token_by_token(directory: Path) -> None:
    sampling = Sampling(max_tokens=12)
    together = dict(TransformersModel(tiny(directory, sampling=sampling, batch_size=3)).chat(asked()))
    alone = dict(TransformersModel(tiny(directory, sampling=sampling, batch_size=1)).chat(asked()))
    assert together == alone
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    for place, request in enumerate(asked()):
        tokens, start = greedy(directory, request, 12)
        ended = tokens[-1] == 257
        text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
        assert together[place] == Reply(text, "stop" if ended else "length", start, len(tokens))
    assert len({reply.text for reply in together.values()}) > 1


def test_sampling_repeats_with_its_seed_and_leaves_other_random_numbers_alone(directory: Path) -> None:
    def texts(seed: int) -> list[str]:
        llm = tiny(directory, sampling=Sampling(temperature=1.5, max_tokens=12, seed=seed))
        return [reply.text for _, reply in sorted(TransformersModel(llm).chat(asked()))]

    torch.manual_seed(7)
    due = torch.rand(3)
    torch.manual_seed(7)
    first = texts(1)
    assert torch.equal(torch.rand(3), due)
    assert texts(1) == first != texts(2)
    cold = tiny(directory, sampling=Sampling(max_tokens=12))
    assert first != [reply.text for _, reply in sorted(TransformersModel(cold).chat(asked()))]


class Scripted(TransformersModel):
    """The real thing but for the model's words."""

    def say(self, *words: str) -> None:
        self.words = list(words)
        self.prompts: list[list[dict[str, str]]] = []

    def _generate(self, prompts: Sequence[list[dict[str, str]]], attempt: int) -> list[Reply]:
        self.prompts += prompts
        return [Reply(self.words.pop(0), "stop", 10, 4) for _ in prompts]


LIST = {"type": "array", "items": {"type": "string"}}


def test_a_reply_that_is_not_its_json_is_shown_what_is_wrong_and_asked_again(directory: Path) -> None:
    model = Scripted(tiny(directory, batch_size=1))
    model.say("Sure!", '["x"]')
    assert dict(model.chat(asked(["a"], LIST))) == {0: Reply('["x"]', "stop", 20, 8)}  # what both cost
    first, second = model.prompts
    assert second[:2] == first
    assert second[2] == {"role": "assistant", "content": "Sure!"}
    assert "not JSON" in second[3]["content"]
    assert json.dumps(LIST) in second[3]["content"]


def test_asking_again_ends(directory: Path) -> None:
    model = Scripted(tiny(directory, batch_size=2))
    model.say(*["no"] * 20)
    replies = dict(model.chat([*asked(["a", "b"], LIST), *asked(["free text"])]))
    assert {place: reply.text for place, reply in replies.items()} == {0: "no", 1: "no", 2: "no"}
    assert len(model.prompts) == 2 * (1 + REASKS) + 1


def test_a_prompt_beyond_the_model_is_an_error(directory: Path) -> None:
    with pytest.raises(KfbenchError, match=r"a prompt of \d+ tokens leaves no room"):
        list(TransformersModel(tiny(directory)).chat(asked(["word " * 200])))
    with pytest.raises(KfbenchError, match=r"tiny takes 32"):
        list(TransformersModel(tiny(directory, max_model_len=32)).chat(asked()))


def test_what_cannot_be_loaded_or_has_no_template_is_an_error(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        open_backend(tiny(tmp_path))
    assert "KFBENCH_LLM_DIRECTORY" in caught.value.mend
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    LlamaForCausalLM.from_pretrained(directory).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="tiny: no chat template can be used"):
        open_backend(tiny(tmp_path))


def test_settings_say_what_the_replies_depend_on(directory: Path) -> None:
    settings = TransformersModel(tiny(directory, batch_size=5)).settings
    assert (settings["engine"], settings["dtype"], settings["batch_size"]) == ("transformers", "float32", 5)
    assert json.loads(json.dumps(settings)) == settings
    assert str(directory) not in json.dumps(settings)
    assert settings["reasks"] == REASKS
