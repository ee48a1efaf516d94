"""Ten thousand damaged replies: no crash, and no span outside its sentence."""

from __future__ import annotations

import json
import random

from knowfree.synthesis.align import Mention, align
from knowfree.synthesis.annotate import KEYS, Rules, parse, read, requests
from knowfree.synthesis.annotations import Annotation, write_annotations
from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.parse_json import LONGEST_REPLY, json_items
from splits.schema import Sentence

MANY = 10_000
SENTENCES = {
    "zh": Sentence("zh", tuple("王小明在北京大学读书，他很高兴�。")),
    "en": Sentence("en", ("Ann", "Poe", "'s", "first", "film", "was", "made", "in", "Rome", ".")),
    "ko": Sentence("ko", ("홍길동", "이", "서울", "에서", "책", "을", "보", "ㄴ", "뒤", "시작", "하", "았", "다", ".")),
}
TYPES = ("PERSON", "人名", "noun", "动词", "", "超级英雄", "\ud800", "x" * 5000, "a\u0000b", "NaN")
SPECIAL = '[]{}",:\\ntrue NaN-Infinity0123\u0000\u200b\ud800 \ufeff```json'


def honest(rng: random.Random, task: str, sentence: Sentence) -> str:
    """A reply as a good model gives it."""
    rows = []
    for _ in range(rng.randrange(6)):
        start = rng.randrange(len(sentence.text))
        text = rng.choice(["", " "]).join(sentence.text[start : start + rng.randrange(1, 5)])
        rows.append(dict(zip(KEYS[task], (text, rng.choice(TYPES)), strict=True)))
    return json.dumps(rows, ensure_ascii=rng.random() < 0.5)


def damaged(rng: random.Random, reply: str, prompt: str) -> str:
    """One kind of damage."""
    at = rng.randrange(len(reply) + 1)
    kind = rng.randrange(16)
    if kind == 0:
        return reply[:at]
    if kind == 1:
        return reply[:at] + "".join(rng.choice(SPECIAL) for _ in range(rng.randrange(1, 9))) + reply[at:]
    if kind == 2:
        return reply[:at] + reply[at + rng.randrange(1, 9) :]
    if kind == 3:
        return f"{prompt}\n{reply}"
    if kind == 4:
        return f"```json\n{reply}\n```"
    if kind == 5:
        return json.dumps({"entities": reply}) if rng.random() < 0.5 else '{"entities": ' + reply + "}"
    if kind == 6:
        return reply.replace('"', rng.choice(["", "'", "“", '\\"']), rng.randrange(1, 9))
    if kind == 7:
        return rng.choice(["[", '[{"entity":', '{"a":', "[[{"]) * rng.randrange(1, 4000)
    if kind == 8:
        return reply.replace('": "', rng.choice(['": NaN, "', '": [["', '": {"', '": null, "', '": -Infinity, "']), 1)
    if kind == 9:
        return reply.replace("[{", '[{"entity": "x", "entity": "y", "word": 1, "word": 2, ', 1)
    if kind == 10:
        return rng.choice(["null", "3", '"[]"', "[]", "{}", "[null, 1, [], {}]", "", " ", "\ufeff[]", "[1e999]", "[" + "9" * 5000 + "]"])
    if kind == 11:
        return json.dumps([dict.fromkeys(rng.choice(list(KEYS.values())), "字" * rng.randrange(20_000))])
    if kind == 12:
        return reply * rng.randrange(2, 40)
    if kind == 13:
        return "".join(chr(rng.randrange(0x11000)) for _ in range(rng.randrange(200)))
    if kind == 14:
        return reply.replace("]", ", ...]") + "\nI hope this helps!"
    return reply + "x" * (LONGEST_REPLY if rng.random() < 0.05 else 10)


def replies() -> list[tuple[str, str, str]]:
    rng = random.Random(20250119)
    made = []
    for _ in range(MANY):
        language, task = rng.choice(list(SENTENCES)), rng.choice(list(KEYS))
        reply = honest(rng, task, SENTENCES[language])
        for _ in range(rng.randrange(1, 4)):
            reply = damaged(rng, reply, "You mark the entities of a sentence. [] [{")
        made.append((language, task, reply))
    return made


def test_no_damaged_reply_breaks_parsing_or_alignment() -> None:
    spans = faults = 0
    for language, task, reply in replies():
        found = parse(reply, task, most=50)
        tokens = SENTENCES[language].text
        faults += bool(found.faults)
        assert all(isinstance(text, str) and isinstance(kind, str) for text, kind in found.pairs)
        for span in align([Mention(*pair) for pair in found.pairs], tokens, language):
            assert 0 <= span.start < span.end <= len(tokens)
            spans += 1
    assert faults > MANY / 4  # the damage is real,
    assert spans > MANY / 4  # and so is what survives it


class Damaged:
    """The damaged replies, one after the other."""

    def __init__(self, given: dict[tuple[str, str], str]) -> None:
        self.given = given

    def __contains__(self, request: Request) -> bool:
        return (request.about["sentence"], request.about["task"]) in self.given

    def __getitem__(self, request: Request) -> Reply:
        return Reply(self.given[request.about["sentence"], request.about["task"]])


def test_damaged_replies_are_read_to_the_end_and_can_be_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Through ontology, rules and file as well."""
    chosen = [(f"s{i}", task, reply) for i, (language, task, reply) in enumerate(replies()[:1500]) if language == "en"]
    sentences = [Sentence(name, SENTENCES["en"].text) for name, _, _ in chosen]
    found = read(sentences, Damaged({(name, task): reply for name, task, reply in chosen}), "en", Rules(one_token="keep"))
    assert [a.id for a in found] == [s.id for s in sentences]
    assert len(requests(sentences, "en")) == 2 * len(sentences)
    assert all(0 <= start < end <= len(SENTENCES["en"].text) for a in found for start, end, _ in a.spans)
    write_annotations(tmp_path / "annotations.jsonl", found)
    assert isinstance(found[0], Annotation)


def test_of_an_array_that_breaks_off_the_whole_items_are_kept() -> None:
    whole = [{"entity": "a", "type": "b"}, {"entity": "c", "type": "d"}]
    text = json.dumps(whole)
    for cut in range(len(text)):
        items, fault = json_items(text[:cut])
        assert items == whole[: text[:cut].count("}")]
        assert fault is not None
    assert json_items(text) == (whole, None)
    assert json_items(f"Sure! Here it is:\n{text}") == (whole, "truncated")
    assert json_items(f"```json\n{text}\n```") == (whole, None)
    assert json_items('{"entities": ' + text + "}") == (whole, None)
    assert json_items("x" * (LONGEST_REPLY + 1)) == ([], "too_long")
