"""Replies become sentences that keep every rule; what goes is counted under its reason, and a draw gets its own alone."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.chat import Reply
from knowfree.synthesis.explain import (
    REASONS,
    RULES,
    Explained,
    Rules,
    of_sources,
    read,
    requests,
    rules_of,
    source_of,
    statistics,
)
from knowfree.synthesis.guard import Guard
from knowfree.synthesis.prompts import prompt
from knowfree.synthesis.repetition import copied_share, different_share, looped_share, same_text
from knowfree.synthesis.scripts import own_share, shares
from splits.errors import ConfigError, KfbenchError
from splits.schema import Entity, Sentence, read_jsonl, write_jsonl

LANGUAGES = sorted(RULES)


def cut(text: str, language: str) -> tuple[str, ...]:
    """A stand-in for the corpus's tokeniser: characters, or words and marks."""
    return tuple("".join(text.split())) if language in {"zh", "ja"} else tuple(re.findall(r"\w+|[^\w\s]", text))


def join(tokens: Sequence[str], language: str) -> str:
    return ("" if language in {"zh", "ja"} else " ").join(tokens)


def sentence(name: str, text: str, language: str, *entities: tuple[str, str]) -> Sentence:
    tokens = cut(text, language)
    found = []
    for surface, label in entities:
        wanted = cut(surface, language)
        start = next(i for i in range(len(tokens)) if tokens[i : i + len(wanted)] == wanted)
        found.append(Entity(start, start + len(wanted), label))
    return Sentence(name, tokens, tuple(found))


SOURCES = {
    "en": sentence(
        "train-7", "Harlan Field opened a bakery in Upper Pinehill last spring.", "en", ("Harlan Field", "PER"), ("Upper Pinehill", "LOC")
    ),
    "zh": sentence("train-7", "杨雪女士去年春天在石桥村开了一家面包店。", "zh", ("杨雪", "PER"), ("石桥村", "LOC")),
    "ja": sentence("train-7", "高橋直樹さんは去年の春に青葉町でパン屋を開いた。", "ja", ("高橋直樹", "PER"), ("青葉町", "LOC")),
    "ko": sentence("train-7", "윤하은 씨는 지난 봄 푸른 시 에서 빵집을 열었다.", "ko", ("윤하은", "PS"), ("푸른 시", "LC")),
}
HELD_OUT = {
    "en": "The mayor of Lower Harrowgate will cut the ribbon of the new library on Monday.",
    "zh": "县长将于星期一为新图书馆揭幕，全县居民都可以参加这次活动。",
    "ja": "市長は月曜日に新しい図書館の開館式でテープを切る予定である。",
    "ko": "시장은 월요일에 새 도서관 개관식 에서 기념 테이프 를 자를 예정 이다.",
}


def explained(language: str, *replies: str | Reply | None, rules: Rules | None = None, sources: list[Sentence] | None = None) -> Explained:
    given = [Reply(r) if isinstance(r, str) else r for r in replies]
    named = sources or [replace(SOURCES[language], id=f"train-{i}") for i in range(len(given))]
    guard = Guard([sentence("test-0", HELD_OUT[language], language)], language)
    return read(named, given, rules or RULES[language], language=language, tokenise=lambda text: cut(text, language), guard=guard)


def texts(found: Explained, language: str) -> list[str]:
    return [join(s.text, language) for s in found.sentences]


# --- asking ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_entities_are_explained_and_sentences_without_any_described(language: str) -> None:
    source = SOURCES[language]
    bare = Sentence("train-8", source.text)
    explain, describe = requests([source, bare], language, detokenise=lambda tokens: join(tokens, language))
    assert explain.system == prompt("explain", language).text
    assert describe.system == prompt("describe", language).text
    assert (explain.about, describe.about) == ({"task": "explain", "sentence": "train-7"}, {"task": "describe", "sentence": "train-8"})
    assert explain.schema is describe.schema is None
    written = join(source.text, language)
    assert written in explain.user
    assert written in describe.user
    for entity in source.entities:
        assert re.search(rf"{re.escape(join(source.surface(entity), language))} ?[(（]{entity.label}[)）]", explain.user)
        assert entity.label not in describe.user


def test_a_mention_is_named_once_and_in_text_order() -> None:
    twice = Sentence(
        "a", ("Rome", "and", "Paris", "and", "Rome"), (Entity(4, 5, "LOC"), Entity(2, 3, "LOC"), Entity(0, 1, "LOC"), Entity(0, 1, "ORG"))
    )
    [request] = requests([twice], "en", detokenise=" ".join)
    assert request.user.splitlines()[1] == "Entities: Rome (LOC); Rome (ORG); Paris (LOC)"


def test_a_language_without_prompts_or_rules_is_refused() -> None:
    with pytest.raises(ConfigError, match="explain prompt"):
        requests([SOURCES["en"]], "fi", detokenise=" ".join)
    with pytest.raises(ConfigError, match="fi"):
        rules_of("fi")
    for wrong in ({"shortest": 9, "longest": 8}, {"shortest": 0}, {"most": 0}, {"loop_times": 1}, {"echo_share": 1.5}):
        with pytest.raises(ValueError, match=r"tokens|more|share"):
            replace(RULES["en"], **wrong)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", ["explain", "describe"])
def test_prompts_are_written_in_their_language(task: str, language: str) -> None:
    text = prompt(task, language).text
    assert own_share(text, language) > 0.95
    assert len({prompt(task, other).sha256 for other in LANGUAGES}) == 4


# --- reading: what stays ---

GOOD = {
    "en": (
        "## Background\n\nHarlan Field is a baker who learned his trade from Dr. Ann Lee in the U.S. before 2010. "
        'Upper Pinehill has 3.5 thousand inhabitants… and "no bread worth the name," as its mayor says.\n\n'
        "- **Bakeries** in small towns sell rolls, cakes and, e.g. at Easter, sweet bread!",
        [
            "Harlan Field is a baker who learned his trade from Dr . Ann Lee in the U . S . before 2010 .",
            'Upper Pinehill has 3 . 5 thousand inhabitants … and " no bread worth the name , " as its mayor says .',
            "Bakeries in small towns sell rolls , cakes and , e . g . at Easter , sweet bread !",
        ],
    ),
    "zh": (
        "解释：杨雪是一位从北京回到家乡的面包师，今年3.5万人看过她的视频。石桥村位于东部山区，村民说：“这里的空气最好。”\n1. "
        "面包店每天早上六点开门！",
        [
            "杨雪是一位从北京回到家乡的面包师，今年3.5万人看过她的视频。",
            "石桥村位于东部山区，村民说：“这里的空气最好。”",
            "面包店每天早上六点开门！",
        ],
    ),
    "ja": (
        "高橋直樹は東京の洋菓子店で十年働いたパン職人である。「故郷に戻りたい。」と語り、青葉町に店を構えた。**青葉町**は人口1.2万人の静かな町だ。",
        [
            "高橋直樹は東京の洋菓子店で十年働いたパン職人である。",
            "「故郷に戻りたい。」と語り、青葉町に店を構えた。",
            "青葉町は人口1.2万人の静かな町だ。",
        ],
    ),
    "ko": (
        "윤하은은 2015. 3. 2. 서울의 제과 학교를 졸업한 제빵사이다. 푸른 시는 인구가 3.5만 명인 작은 도시이다.\n"
        "* 빵집은 아침 일찍 문을 여는 가게를 말한다!",
        [
            "윤하은은 2015 . 3 . 2 . 서울의 제과 학교를 졸업한 제빵사이다 .",
            "푸른 시는 인구가 3 . 5만 명인 작은 도시이다 .",
            "빵집은 아침 일찍 문을 여는 가게를 말한다 !",
        ],
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_good_reply_gives_its_sentences(language: str) -> None:
    reply, expected = GOOD[language]
    found = explained(language, reply)
    assert texts(found, language) == expected
    assert set(found.removed) <= {"markup"}
    for kept in found.sentences:
        assert kept.entities == ()
        assert dict(kept.extra) == {"synthetic": True, "source": "train-0"}
    assert len({kept.id for kept in found.sentences}) == 3


def test_a_sentence_keeps_its_id_when_another_is_removed(tmp_path: Path) -> None:
    reply = GOOD["en"][0]
    ids = {s.text: s.id for s in explained("en", reply).sentences}
    strict = explained("en", reply, rules=replace(RULES["en"], longest=min(map(len, ids))))
    assert 0 < len(strict.sentences) < len(ids)
    assert all(ids[s.text] == s.id for s in strict.sentences)
    write_jsonl(tmp_path / "synthetic.jsonl", strict.sentences)
    back = read_jsonl(tmp_path / "synthetic.jsonl")
    assert back == strict.sentences
    assert [dict(s.extra) for s in back] == [dict(s.extra) for s in strict.sentences]


# --- reading: what goes, and why ---

GOES = [
    # language, reply, what is kept, reasons
    ("en", "# Harlan Field\nHarlan Field bakes bread for a whole valley.", 1, {"markup": 1}),
    ("en", "Harlan Field\nHarlan Field bakes bread for a whole valley.", 1, {"fragment": 1}),
    ("zh", "杨雪的面包店\n杨雪每天早上都要烤两百个面包。", 1, {"fragment": 1}),
    ("en", "Harlan Field bakes bread for a wh\ufffdole valley.", 0, {"damaged": 1}),
    ("en", "I'm sorry, but I don't know Harlan Field. However, he may bake bread for a valley.", 0, {"refusal": 2}),
    ("en", "Bread is baked in an oven every day. As an AI language model, I cannot taste any bread.", 1, {"refusal": 1}),
    ("zh", "抱歉，我无法提供关于杨雪的信息。面包店通常每天早上六点开门。", 0, {"refusal": 2}),
    ("zh", "作为一个人工智能，我没有关于杨雪女士的任何资料。", 0, {"refusal": 1}),
    ("zh", "I'm sorry, but I can't help with that request.", 0, {"refusal": 1}),
    ("ja", "申し訳ありませんが、高橋直樹さんについては分かりません。", 0, {"refusal": 1}),
    ("ja", "AIとして、個人の情報をお伝えすることはできません。", 0, {"refusal": 1}),
    ("ko", "죄송하지만 윤하은 씨에 대한 정보를 찾을 수 없었습니다.", 0, {"refusal": 1}),
    ("ko", "저는 인공지능으로서 개인에 대한 정보를 알 수 없습니다.", 0, {"refusal": 1}),
    ("en", "Sure! Here is an explanation of the names:\nHarlan Field bakes bread for a whole valley.", 1, {"chatter": 2}),
    ("en", "The sentence mentions a baker and a town in spring. I hope this helps!", 0, {"chatter": 2}),
    ("zh", "好的，以下是说明：\n杨雪每天早上都要烤两百个面包。希望以上内容对您有帮助。", 1, {"chatter": 2}),
    ("ja", "はい、以下に説明します。高橋直樹は毎朝二百個のパンを焼いている。", 1, {"chatter": 1}),
    ("ko", "다음은 설명입니다. 윤하은은 매일 아침 빵을 이백 개 굽는다.", 1, {"chatter": 1}),
    ("en", "面包店每天早上六点开门，晚上八点关门。", 0, {"wrong_language": 1}),
    ("zh", "The bakery opens at six in the morning every day.", 0, {"wrong_language": 1}),
    ("zh", "パン屋は毎朝六時に開店し、夜八時に閉店する。", 0, {"wrong_language": 1}),
    ("ja", "面包店每天早上六点开门，晚上八点关门。", 0, {"wrong_language": 1}),
    ("ja", "빵집은 아침 여섯 시에 문을 열고 저녁 여덟 시에 닫는다.", 0, {"wrong_language": 1}),
    ("ko", "パン屋は毎朝六時に開店し、夜八時に閉店する。", 0, {"wrong_language": 1}),
    ("ko", "1990 - 2000, 10 % !!!", 0, {"wrong_language": 1}),
    ("en", "It is bread. Harlan Field bakes bread for a whole valley.", 1, {"too_short": 1}),
    ("zh", "真的。杨雪每天早上都要烤两百个面包。", 1, {"too_short": 1}),
    ("en", "Bread " + ", ".join(f"a{i} b{i} c{i}" for i in range(40)) + ".", 0, {"too_long": 1}),
    ("en", f"Harlan Field wrote {'x' * 61} on the door.", 0, {"too_long": 1}),
    ("en", "Harlan Field bakes very very very very very very very good bread.", 0, {"repetition": 1}),
    ("en", "bread and milk " * 8 + ".", 0, {"repetition": 1}),
    ("zh", "面包店很好面包店很好面包店很好面包店很好面包店很好。", 0, {"repetition": 1}),
    ("ja", "パンがパンがパンがパンがパンがパンがある。", 0, {"repetition": 1}),
    ("ko", "빵집 그리고 빵집 그리고 빵집 그리고 빵집 그리고 빵집 그리고 있다.", 0, {"repetition": 1}),
    ("en", "Harlan Field opened a bakery in Upper Pinehill.", 0, {"echo": 1}),
    ("en", "Sentence: Bakers get up at four every day.\nEntities: Harlan Field (PER)", 0, {"echo": 2}),
    ("en", "Do not repeat or reword the given sentence, and write plain running text in English.", 0, {"chatter": 1}),
    ("en", "Mention people, places, works and things by name, so that every sentence can be understood alone.", 0, {"echo": 1}),
    ("zh", "杨雪女士去年在石桥村开了一家面包店。", 0, {"echo": 1}),
    ("zh", "请直接写出人物、地点、机构、作品和事物的名称。", 0, {"echo": 1}),
    ("ja", "高橋直樹さんは春に青葉町でパン屋を開いた。", 0, {"echo": 1}),
    ("ko", "윤하은 씨는 지난 봄 푸른 시에서 빵집을 열었다.", 0, {"echo": 1}),
    ("en", "Bakers get up at four every day. Bakers get up at FOUR every day!", 1, {"duplicate": 1}),
    ("zh", "面包师每天早上四点起床。面包师每天早上四点起床！", 1, {"duplicate": 1}),
    ("en", "the mayor of lower harrowgate will cut the ribbon of the new library on monday", 0, {"held_out_equal": 1}),
    ("en", "People say the mayor of Lower Harrowgate will cut the ribbon tomorrow.", 0, {"held_out_shares": 1}),
    ("en", "The mayor of Lower Harrowgate", 0, {"held_out_within": 1}),
    ("zh", "大家都知道县长将于星期一为新图书馆揭幕。", 0, {"held_out_shares": 1}),
    ("ja", "市長は月曜日に新しい図書館の開館式でテープを切る予定である。", 0, {"held_out_equal": 1}),
    ("ko", "새 도서관 개관식에서 기념 테이프를 자를 예정인 사람은 많다.", 0, {"held_out_shares": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("language", "reply", "kept", "reasons"), GOES)
def test_each_removal_has_its_reason(language: str, reply: str, kept: int, reasons: dict[str, int]) -> None:
    found = explained(language, reply)
    assert (len(found.sentences), dict(found.removed)) == (kept, reasons)


def test_a_sentence_that_holds_a_short_held_out_one_is_removed() -> None:
    guard = Guard([sentence("test-0", "who plays the old sailor there ?", "en")], "en")
    reply = Reply("Ask the baker who plays the old sailor there in spring.")
    found = read([SOURCES["en"]], [reply], RULES["en"], language="en", tokenise=lambda text: cut(text, "en"), guard=guard)
    assert dict(found.removed) == {"held_out_contains": 1}


def test_what_a_full_reply_leaves_open_is_dropped_and_what_a_finished_one_leaves_open_is_kept() -> None:
    text = "Bakers get up at four every day. Harlan Field bakes bread for the whole"
    assert dict(explained("en", Reply(text, "length")).removed) == {"unfinished": 1}
    assert len(explained("en", Reply(text, "stop")).sentences) == 2  # mit_movie has no full stops at all
    assert dict(explained("en", Reply("Harlan Field\n" + text, "length")).removed) == {"fragment": 1, "unfinished": 1}
    whole = explained("en", Reply("Bakers get up at four every day.", "length"))
    assert (len(whole.sentences), whole.removed) == (1, Counter())


def test_a_source_gives_so_many_sentences_and_no_more() -> None:
    reply = " ".join(f"Baker number {i} gets up at {i} in the morning." for i in range(10))
    found = explained("en", reply, rules=replace(RULES["en"], most=3))
    assert [s.id for s in found.sentences] == ["train-0#0", "train-0#1", "train-0#2"]
    assert dict(found.removed) == {"surplus": 7}


def test_replies_are_counted_too() -> None:
    found = explained("en", None, "", " \n---\n", "Bakers get up at four every day.")
    assert dict(found.replies) == {"missing": 1, "empty": 2, "answered": 1}
    assert [s.id for s in found.sentences] == ["train-3#0"]
    with pytest.raises(ValueError, match="zip"):
        explained("en", "a", sources=[SOURCES["en"], SOURCES["en"]])


def test_every_reason_is_exercised_here() -> None:
    seen = {reason for *_, reasons in GOES for reason in reasons} | {"held_out_contains", "unfinished", "surplus"}
    assert seen == set(REASONS)


# --- properties ---

LONGER = {language: [*(reply for spoken, reply, *_ in GOES if spoken == language), GOOD[language][0]] for language in LANGUAGES}
JUNK = [
    "\x00",
    "\ud800",
    "\u200b",
    "**",
    "|",
    "```",
    "\n\n",
    "\n- ",
    '"',
    "“",
    "（",
    "...",
    "。。。",
    "{}[]",
    "é",
    "🙂",
    "\u2028",
    "<br>",
    "1. ",
]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, list[Reply | None]]:
    """Replies of a language, spliced, cut, repeated and dirtied; some missing."""
    language = draw(st.sampled_from(LANGUAGES))
    replies: list[Reply | None] = []
    for _ in range(draw(st.integers(0, 4))):
        parts = draw(st.lists(st.sampled_from([*LONGER[language], *LONGER["en"], *JUNK]) | st.text(max_size=40), max_size=6))
        text = draw(st.sampled_from(["", " ", "\n"])).join(parts) * draw(st.sampled_from([1, 1, 1, 3]))
        text = text[: draw(st.integers(0, max(1, len(text))))] if draw(st.booleans()) else text
        replies.append(draw(st.none() | st.builds(Reply, st.just(text), st.sampled_from(["stop", "length"]))))
    return language, replies


@given(mutated())
def test_no_sentence_breaks_a_rule_and_none_is_lost_from_the_count(case: tuple[str, list[Reply | None]]) -> None:
    language, replies = case
    rules = RULES[language]
    found = explained(language, *replies)
    assert set(found.removed) <= set(REASONS)
    assert found.replies.total() == len(replies)
    held_out = Guard([sentence("test-0", HELD_OUT[language], language)], language)
    by_source: dict[str, list[Sentence]] = {}
    for kept in found.sentences:
        by_source.setdefault(source_of(kept), []).append(kept)
        text = join(kept.text, language)
        assert rules.shortest <= len(kept.text) <= rules.longest
        assert all(0 < len(token) <= rules.widest for token in kept.text)
        assert own_share(text, language) >= rules.own_script
        assert held_out.hit(kept.text) is None
        assert looped_share(kept.text, rules.loop_times) < rules.loop_share
        assert same_text(kept.text) != same_text(SOURCES[language].text)
        assert kept.entities == ()
        text.encode("utf-8")
    for written in by_source.values():
        assert len(written) <= rules.most
        assert len({same_text(s.text) for s in written}) == len(written)
    assert len({s.id for s in found.sentences}) == len(found.sentences)
    numbers = statistics(found)
    assert numbers["sentences"] == numbers["kept"] + sum(numbers["removed"].values())
    assert json.loads(json.dumps(numbers)) == numbers


@given(mutated(), st.randoms(use_true_random=False))
def test_a_source_gives_the_same_whoever_else_was_asked(case: tuple[str, list[Reply | None]], rng: random.Random) -> None:
    language, replies = case
    sources = [replace(SOURCES[language], id=f"train-{i}") for i in range(len(replies))]
    everything = explained(language, *replies, sources=sources)
    draw = rng.sample(range(len(replies)), rng.randint(0, len(replies)))
    alone = explained(language, *(replies[i] for i in draw), sources=[sources[i] for i in draw])
    ids = [f"train-{i}" for i in draw]
    assert of_sources(everything.sentences, ids) == of_sources(alone.sentences, ids)
    assert explained(language, *replies, sources=sources) == everything


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(max_size=400))
def test_any_string_can_be_read(language: str, text: str) -> None:
    found = explained(language, Reply(text), Reply(text, "length"))
    assert len(found.sentences) + found.removed.total() >= (1 if any(c.isalnum() for c in text) else 0)


# --- draws ---


def synthetic(source: str, n: int, text: str) -> Sentence:
    return Sentence(f"{source}#{n}", tuple(text.split()), extra={"synthetic": True, "source": source})


def test_a_draw_gets_what_its_own_sentences_gave_once_each() -> None:
    pool = [
        synthetic("a", 0, "Bread is baked ."),
        synthetic("a", 1, "Bakers rise early ."),
        synthetic("b", 0, "bread is BAKED !"),
        synthetic("c", 0, "Towns are small ."),
    ]
    assert [s.id for s in of_sources(pool, ["b", "c"])] == ["b#0", "c#0"]  # that `a` wrote the same is none of this draw's business
    assert [s.id for s in of_sources(pool, ["c", "a", "b"])] == ["c#0", "a#0", "a#1"]
    assert of_sources(pool, ["nobody"]) == of_sources(pool, []) == []
    with pytest.raises(KfbenchError, match="names no source"):
        of_sources([Sentence("x", ("a",))], ["a"])


words = st.lists(st.sampled_from(["bread", "Bread", "town", "."]), min_size=1, max_size=3)
pools = st.lists(st.tuples(st.sampled_from("abcdef"), words), max_size=20).map(
    lambda rows: [synthetic(source, n, " ".join(text)) for n, (source, text) in enumerate(rows)]
)


@given(pools, st.permutations("abcdef"), st.integers(0, 6))
def test_a_smaller_size_is_a_prefix_of_a_larger_one(pool: list[Sentence], draw: list[str], size: int) -> None:
    large, small = of_sources(pool, draw), of_sources(pool, draw[:size])
    assert large[: len(small)] == small
    assert {source_of(s) for s in small} <= set(draw[:size])
    own = {same_text(s.text) for s in pool if source_of(s) in draw[:size]}
    assert Counter(same_text(s.text) for s in small) == Counter(own)


def test_statistics_say_what_the_replies_gave() -> None:
    found = explained(
        "en", "Bakers get up at four every day. It is.", None, "Bakers get up at four every day!", "I'm sorry, I do not know."
    )
    assert statistics(found) == {
        "sources": 4,
        "replies": {"answered": 3, "empty": 0, "missing": 1},
        "sentences": 4,
        "kept": 2,
        "yield": 0.5,
        "removed": {"refusal": 1, "too_short": 1},
        "repeated_between_sources": 1,
        "sentences_a_source": 0.5,
        "sources_without": 2,
        "tokens_a_sentence": 8.0,
    }
    assert statistics(Explained())["yield"] == 0.0


# --- measures ---


def test_scripts() -> None:
    assert shares("北京とPython 3、서울!") == {"han": 2 / 6, "kana": 1 / 6, "hangul": 2 / 6, "latin": 1 / 6, "other": 0.0}
    assert shares("Москва") == {"han": 0.0, "kana": 0.0, "hangul": 0.0, "latin": 0.0, "other": 1.0}
    assert [own_share(text, "ja") for text in ("東京です", "东京", "ラーメン", "3.5 !")] == [1.0, 0.0, 1.0, 0.0]


@given(st.text(max_size=60))
def test_shares_of_scripts_sum_to_one_or_nothing(text: str) -> None:
    assert sum(shares(text).values()) == pytest.approx(1.0 if any(c.isalpha() for c in text) else 0.0)


def longest_loop(tokens: list[str], times: int) -> int:
    """By definition: some unit of tokens repeated whole at least `times` times, plus the part of it that follows."""
    longest = 0
    for start in range(len(tokens)):
        for end in range(start + 1, len(tokens) + 1):
            stretch = tokens[start:end]
            for period in range(1, len(stretch) // times + 1):
                if all(stretch[i] == stretch[i % period] for i in range(len(stretch))):
                    longest = max(longest, len(stretch))
    return longest


@given(st.lists(st.sampled_from("ab"), max_size=14), st.integers(2, 4))
def test_the_longest_loop_is_that_of_the_definition(tokens: list[str], times: int) -> None:
    assert looped_share(tokens, times) * max(1, len(tokens)) == pytest.approx(longest_loop(tokens, times))


@given(st.lists(st.sampled_from("abc"), max_size=10), st.lists(st.sampled_from("abc"), max_size=10), st.integers(1, 4))
def test_copied_is_what_lies_in_a_common_run(found: list[str], original: list[str], run: int) -> None:
    size = min(run, len(found))
    covered = {
        k
        for i in range(len(found) - size + 1)
        for j in range(len(original) - size + 1)
        if found[i : i + size] == original[j : j + size]
        for k in range(i, i + size)
    }
    assert copied_share(tuple(found), tuple(original), run) == (len(covered) / len(found) if found else 0.0)


def test_different_share() -> None:
    assert [different_share(tokens) for tokens in ((), ("a",), ("a", "a", "b", "a"))] == [1.0, 1.0, 0.5]
