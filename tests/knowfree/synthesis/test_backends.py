"""Parts that engines share: thoughts cut off, chat templates, JSON held to a schema, copies of an engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.backends import open_backend
from knowfree.synthesis.backends.json_schema import fault, mismatch
from knowfree.synthesis.backends.leash import Leash
from knowfree.synthesis.backends.replicas import Replicas, shares
from knowfree.synthesis.backends.template import ChatTemplate
from knowfree.synthesis.backends.thinking import cut_thinking
from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.llm import LLM
from splits.errors import ConfigError, KfbenchError
from tests.conftest import require_not
from tests.system import left_over

words = st.text(st.characters(exclude_characters="<"))  # no tag in it
soup = st.lists(st.sampled_from(["<think>", "</think>", "<THINKING>", "</thinking>", "<", ">", "think", "/", "a", " "])).map("".join)


@given(thought=words, answer=words, more=words)
def test_thoughts_are_cut_closed_unclosed_or_opened_by_the_template(thought: str, answer: str, more: str) -> None:
    answer, more = answer.strip(), more.strip()
    assert cut_thinking(answer) == answer
    assert cut_thinking(f"<think>{thought}</think>\n{answer}") == answer
    assert cut_thinking(f"{thought}</think>{answer}") == answer
    assert cut_thinking(f"{thought}</think>{answer}", opened=True) == answer
    assert cut_thinking(thought, opened=True) == ""
    assert cut_thinking(f"{answer}<think>{thought}") == answer
    assert cut_thinking(f"<think>{thought}</think>{answer} <think>{thought}</think>{more}") == f"{answer} {more}".strip()
    assert cut_thinking(f"<think>{thought}<think>{thought}</think>{thought}</think>{answer}") == answer  # a thought about thoughts


@given(soup, st.booleans())
def test_no_tag_is_left_and_nothing_is_cut_twice(text: str, opened: bool) -> None:
    cut = cut_thinking(text, opened=opened)
    assert not any(tag in cut.lower() for tag in ("<think>", "</think>", "<thinking>", "</thinking>"))
    assert cut_thinking(cut) == cut


class Tokenizer:
    """Renders messages by a function, as a chat template would."""

    chat_template = "a template"

    def __init__(self, render: Any) -> None:
        self.render = render

    def apply_chat_template(self, messages: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool, **options: Any) -> str:
        assert (tokenize, add_generation_prompt) == (False, True)
        return str(self.render(messages, **options))


def plain(messages: list[dict[str, str]], **options: Any) -> str:
    return "".join(f"[{m['role']}] {m['content']}\n" for m in messages) + "[assistant] "


def no_system(messages: list[dict[str, str]]) -> str:
    if messages[0]["role"] == "system":
        raise ValueError("System role not supported")
    return plain(messages)


def test_a_system_message_goes_where_the_template_takes_one() -> None:
    request = Request("Name them.", "who is it")
    both = [{"role": "system", "content": "Name them."}, {"role": "user", "content": "who is it"}]
    one = [{"role": "user", "content": "Name them.\n\nwho is it"}]
    assert ChatTemplate(Tokenizer(plain), "m").messages(request) == both
    assert ChatTemplate(Tokenizer(no_system), "m").messages(request) == one
    leaves_it_out = Tokenizer(lambda messages: plain([m for m in messages if m["role"] != "system"]))
    assert ChatTemplate(leaves_it_out, "m").messages(request) == one
    assert ChatTemplate(Tokenizer(plain), "m").messages(Request("", "who")) == [{"role": "user", "content": "who"}]


def test_a_template_says_whether_a_reply_starts_within_a_thought() -> None:
    def thinks(messages: list[dict[str, str]], enable_thinking: bool = True) -> str:
        return plain(messages) + ("<think>\n" if enable_thinking else "<think>\n\n</think>\n\n")

    assert ChatTemplate(Tokenizer(thinks), "m").opens_thinking
    assert not ChatTemplate(Tokenizer(thinks), "m", thinking=False).opens_thinking
    assert not ChatTemplate(Tokenizer(plain), "m").opens_thinking


def test_a_model_without_a_chat_template_is_refused() -> None:
    def none(messages: list[dict[str, str]]) -> str:
        raise ValueError("Cannot use chat template functions because tokenizer.chat_template is not set")

    with pytest.raises(ConfigError, match="base-7b: no chat template can be used") as caught:
        ChatTemplate(Tokenizer(none), "base-7b")
    assert "instruction-tuned" in caught.value.mend


ROW = {
    "type": "object",
    "properties": {"entity": {"type": "string", "minLength": 1, "maxLength": 5}, "type": {"enum": ["A", "B", 1, True, None]}},
    "required": ["entity"],
    "additionalProperties": False,
}
SCHEMAS: list[Mapping[str, Any]] = [
    {"type": "array", "items": ROW, "maxItems": 2},
    {"type": "object", "properties": {"entities": {"type": "array", "minItems": 1, "items": ROW}}, "required": ["entities"]},
    {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 3}, {"type": ["null", "boolean"]}, {"const": "A"}]},
    {"type": "object", "additionalProperties": {"type": "number"}, "title": "T"},
    {"type": "string", "pattern": "^a+$"},
]
scalars = st.none() | st.booleans() | st.integers(-1, 4) | st.sampled_from([1.0, 0.5, "A", "B", "aa", "", "abcdef"])
names = st.sampled_from(["entity", "type", "entities", "x"])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8)


def like(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values near a schema, most of which do not quite fit."""
    if schema.get("type") == "array":
        return st.lists(like(schema["items"]), max_size=3) | values
    if schema.get("type") == "object":
        known = {name: like(part) for name, part in schema.get("properties", {}).items()}
        return st.fixed_dictionaries({}, optional=known) | values
    return values


@given(st.data(), st.sampled_from(SCHEMAS))
def test_what_fits_is_decided_as_jsonschema_does(data: st.DataObject, schema: Mapping[str, Any]) -> None:
    try:
        import jsonschema
    except ImportError:
        require_not("llm", "jsonschema is not installed: vLLM brings it")
    value = data.draw(like(schema))
    assert (mismatch(value, schema) is None) == jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[{"entity": "x"}]', None),
        (' [{"entity": "x", "type": null}] \n', None),
        ('```json\n[{"entity": "x"}]\n```', None),
        ("[]", None),
        ("", "not JSON"),
        ('[{"entity": "x"}', "not JSON"),
        ('Here: [{"entity": "x"}]', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 10_000, "not JSON"),
        ('{"entity": "x"}', "is no array"),
        ('[{"entity": 1}]', "'entity' of item 0 of the reply is no string"),
        ('[{"entity": ""}]', "has 0 characters"),
        ('[{"entity": "x", "type": "C"}]', "is none of"),
        ('[{"entity": "x", "type": 1.0}]', None),
        ('[{"entity": "x", "span": 1}]', "has 'span', which is not asked for"),
        ('[{"type": "A"}]', "item 0 of the reply lacks 'entity'"),
        ('[{"entity": "a"}, {"entity": "b"}, {"entity": "c"}]', "has 3 items"),
    ],
)
def test_a_reply_is_held_to_its_schema(text: str, wrong: str | None) -> None:
    found = fault(text, SCHEMAS[0])
    assert (found is None) if wrong is None else wrong in (found or "")


def test_a_schema_that_cannot_be_checked_is_an_error_not_a_pass() -> None:
    with pytest.raises(ConfigError, match="'oneOf' is not checked"):
        fault("1", {"oneOf": [{"type": "integer"}]})


class Echo:
    """An engine for another process: says which devices it has; `die` and `fail` are what they say."""

    def __init__(self, llm: LLM) -> None:
        if llm.model == "broken":
            raise ConfigError("no such model", "Name another.")
        self.settings = {"engine": "echo", "pid": os.getpid()}

    def chat(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        for place, request in reversed(list(enumerate(requests))):
            if request.user == "die":
                os._exit(1)
            if request.user == "fail":
                raise KfbenchError("it failed", "Try again.")
            yield place, Reply(f"{request.user} on {os.environ.get('CUDA_VISIBLE_DEVICES')} of {os.getpid()}")

    def close(self) -> None:
        pass


def test_copies_share_the_requests_and_each_has_its_own_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    replicas = Replicas(LLM(model="m", tensor_parallel_size=2), 2, Echo)
    try:
        for n in (5, 0, 1):  # one after another over the same copies
            replies = dict(replicas.chat([Request("", f"r{k}") for k in range(n)]))
            assert sorted(replies) == list(range(n))
            assert all(reply.text.startswith(f"r{k} on {['4,5', '6,7'][k % 2]} of") for k, reply in replies.items())
        assert replicas.settings["data_parallel_size"] == 2
        pid = replicas.settings["pid"]
    finally:
        replicas.close()
    assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_copy_that_fails_or_dies_is_an_error_and_does_not_hang() -> None:
    with pytest.raises(ConfigError, match="no such model"):
        Replicas(LLM(model="broken"), 2, Echo)
    for what, said in (("die", "died"), ("fail", "it failed")):
        replicas = Replicas(LLM(model="m"), 2, Echo)
        try:
            with pytest.raises(KfbenchError, match=said):
                list(replicas.chat([Request("", "x"), Request("", what)]))
        finally:
            replicas.close()


def killed(code: str) -> int:
    """The process that a script names, after the script was killed."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        pid = int(asking.stdout.readline())
        os.kill(pid, 0)  # is there
        asking.kill()
    return pid


def test_copies_end_with_the_process_that_is_killed() -> None:
    code = (
        "import time; from tests.knowfree.synthesis.test_backends import *\n"
        "if __name__ == '__main__':\n"
        "    print(Replicas(LLM(model='m'), 1, Echo).settings['pid'], flush=True); time.sleep(600)"
    )
    assert not left_over({killed(code)})


def test_a_process_on_a_leash_ends_with_the_one_that_holds_it() -> None:
    code = (
        "import subprocess, sys, time; from knowfree.synthesis.backends.leash import Leash\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], stdout=subprocess.DEVNULL)\n"
        "leash = Leash([child.pid]); print(child.pid, flush=True); time.sleep(600)"
    )
    assert not left_over({killed(code)})


def test_a_process_that_is_released_lives() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        leash = Leash([child.pid])
        leash.release()
        assert child.poll() is None
        child.communicate()
        assert child.returncode == 0


def test_devices_are_shared_out_or_said_to_be_too_few() -> None:
    assert shares([], 3, 1) == [[], [], []]
    assert shares(["0", "1", "2", "3"], 2, 2) == [["0", "1"], ["2", "3"]]
    with pytest.raises(ConfigError, match="need 4 GPUs, 3 are visible"):
        shares(["0", "1", "2"], 2, 2)


def test_without_vllm_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # as if it were not installed
    monkeypatch.delenv("KFBENCH_LLM", raising=False)
    with pytest.raises(ConfigError, match="vLLM cannot be imported") as caught:
        open_backend(LLM(backend="vllm", model="m"))
    assert ".[vllm]" in caught.value.mend


class FakeEngine:
    """What the engine calls of vLLM: two requests run at a time, the last that came first."""

    def __init__(self) -> None:
        self.queue: list[tuple[str, str]] = []
        self.count = 0
        self.longest = 0
        self.llm_engine = self

    def enqueue_chat(self, messages: Any, params: Any, **_: Any) -> list[str]:
        names = []
        for chat in messages:
            self.queue.append((str(self.count), chat[-1]["content"]))
            names.append(f"{self.count}-0f3a9c77")
            self.count += 1
        self.longest = max(self.longest, len(self.queue))
        return names

    def has_unfinished_requests(self) -> bool:
        return bool(self.queue)

    def step(self) -> list[Any]:
        assert self.queue, "a step without requests waits for ever"
        out, self.queue = self.queue[-2:], self.queue[:-2]
        made = [SimpleNamespace(text=f"<think>hm</think> {text}!", finish_reason="length", token_ids=[1, 2]) for _, text in out]
        return [
            SimpleNamespace(finished=True, request_id=name, outputs=[reply], prompt_token_ids=[1, 2, 3])
            for (name, _), reply in zip(out, made, strict=True)
        ]


def test_vllm_holds_a_bounded_number_of_requests_and_never_steps_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    from knowfree.synthesis.backends import vllm_engine

    sampling = SimpleNamespace(StructuredOutputsParams=lambda **given: given)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=lambda **given: given))
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", sampling)
    monkeypatch.setattr(vllm_engine, "IN_FLIGHT", 6)
    engine = object.__new__(vllm_engine.VLLMEngine)
    engine._engine, engine.llm = FakeEngine(), LLM(model="m")
    engine.template = ChatTemplate(Tokenizer(plain), "m")
    for n in (0, 1, 6, 25):
        replies = dict(engine.chat([Request("s", f"r{k}", {"type": "string"}) for k in range(n)]))
        assert replies == {k: Reply(f"r{k}!", "length", 3, 2) for k in range(n)}
    assert engine._engine.longest == 6
