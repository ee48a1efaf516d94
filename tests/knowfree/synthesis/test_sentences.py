"""A reply is cut where its language ends a sentence, and loses nothing but markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowfree.synthesis.sentences import lines, pairs, pieces

LANGUAGES = ("en", "ja", "ko", "zh")

# `|` stands where a sentence ends: the expectation is written into the text.
CASES = {
    "en": [
        "The film cost 3.5 million dollars. | It made 1.2 billion. |",
        "Dr. Smith met Mr. and Mrs. Jones. | They left. |",
        "He served in the U.S. Army, e.g. in Texas. | He lives in the U.S. | It is a large country. |",
        "J. R. R. Tolkien wrote it. | George W. Bush read it. |",
        "It opens at 9 a.m. and closes at 5 p.m. | The park is free. |",
        "See No. 5 and Fig. 2 in vol. 3. | The answer is no. | Nobody came. |",
        "See www.example.com/a.b?c=1 or a.b@example.org for more. | Then go. |",
        "Well... he said nothing. | He waited … and left. |",
        "The story ends... |",
        "“Go away. Now.” | He left. |",
        'He said, "I am tired. I go." | She stayed. |',
        '"Stop!" she said. | "Why?" he asked. |',
        "It was (see the notes. All of them.) a success. | (He was there.) | She was not. |",
        "Yahoo! is a company. | What a film! | Really?! | Yes. |",
        "Apple Inc. is in Cupertino. | Pixar was founded by Steve Jobs, Ed Catmull, etc. | It makes films. |",
        "the film stars tom hanks. | he was born in the u.s. | it is fun! | i like it",
        "Version 2.0 costs $4.99. | 5 people bought it. |",
        "It was his 5'10\" brother. | He was tall. |",
        "He was born on Jan. 5 in St. Louis. | The war ended in Jan. | Peace came. |",
        "An unfinished",
    ],
    "zh": [
        "他出生于北京。|他是一名演员。|",
        "这部电影花了3.5亿元！！|真的吗？！|是的。|",
        "他说：“你好。我走了。”|大家都笑了。|",
        "“你好。”，他说。|「再见！」|她哭了。|",
        "他（生于1950年。现居上海。）是导演。|（全文完。）|",
        "哈哈……好吧。|他说……|",
        "请看 www.example.com/a.b 的介绍。|版本2.0已经发布。|",
        "他问:真的? |没有人回答。|还没有说完",
        "电影《你好，李焕英。》很好看。|",
    ],
    "ja": [
        "東京は日本の首都です。|人口は1.4億ではありません。|",
        "「そうです。」と彼は言った。|「行くぞ！」|彼は走った。|",
        "Yahoo!ニュースを読んだ。|本当ですか？|はい！|",
        "彼は「もう帰る。疲れた。」とつぶやいた。|（笑）|" .replace("|（笑）|", "|（笑）"),
        "そして……誰もいなくなった。|まだ終わって",
        "第１．５版が出た。|",
    ],
    "ko": [
        "서울은 한국의 수도이다. | 인구는 9.4백만 명이다. |",
        "그는 2020. 5. 3. 서울에서 태어났다. | 값이 3.5% 올랐다. |",
        '"좋다." 라고 그가 말했다. | “가자!”라고 외쳤다. |',
        "그는 왔다.|그리고 갔다. |",
        "정말입니까? | 네! | 글쎄... 모르겠다. |",
        "Dr. Kim은 U.S. 대학에서 공부했다. | 아직 끝나지",
        "주소는 www.example.kr 이다. | 그는(1950년 생이다.) 배우이다. |",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("language", "marked"), [(language, text) for language, texts in CASES.items() for text in texts])
def test_sentences_end_where_the_language_ends_them(language: str, marked: str) -> None:
    expected = [part.strip() for part in marked.split("|")]
    found = pieces(marked.replace("|", ""), language)
    assert [piece.text for piece in found] == [part for part in expected if part]
    assert [piece.ended for piece in found] == [True] * (len(expected) - 1) + [False] * bool(expected[-1])


hard = st.text(st.sampled_from(list("aB 3.。!?！？…\"“”「」()（）'’-,，、다요のは的 \n")), max_size=60)


@given(hard | st.text(max_size=80), st.sampled_from(LANGUAGES))
def test_cutting_loses_nothing_but_blanks(line: str, language: str) -> None:
    found = pieces(line, language)
    assert "".join("".join(piece.text.split()) for piece in found) == "".join(line.split())
    assert all(piece.text for piece in found)
    assert all(piece.ended for piece in found[:-1])
    assert all(re.search(r"[.!?。！？｡．…]\W*$", piece.text) for piece in found if piece.ended)


@given(hard, st.sampled_from(LANGUAGES))
def test_a_sentence_is_not_cut_inside_a_pair_of_marks(line: str, language: str) -> None:
    line = line.replace("\n", " ")
    found, place = pieces(line, language), 0
    cuts = []
    for piece in found[:-1]:
        place = line.index(piece.text, place) + len(piece.text)
        cuts.append(place)
    assert not [(cut, pair) for cut in cuts for pair in pairs(line) if pair[0] < cut <= pair[1]]


@given(hard)
def test_pairs_close_what_they_open_and_never_cross(line: str) -> None:
    found = pairs(line)
    marks = {"“": "”", "「": "」", "(": ")", "（": "）", '"': '"'}
    assert all(start < end and marks[line[start]] == line[end] for start, end in found)
    assert not [(a, b) for a in found for b in found if a[0] < b[0] < a[1] < b[1]]
    assert len({place for pair in found for place in pair}) == 2 * len(found)


@given(
    st.lists(st.sampled_from(["He went to Rome.", "Dr. May has 3.5 cats!", "Is it so?", 'She said "No. Never."']), min_size=1, max_size=6)
)
def test_sentences_joined_are_the_same_sentences_cut(sentences: list[str]) -> None:
    assert [piece.text for piece in pieces(" ".join(sentences), "en")] == sentences


# --- markup ---


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("- A point.", "A point."),
        ("* A point.", "A point."),
        ("12) A point.", "A point."),
        ("(3) A point.", "A point."),
        ("> - 1. A point.", "A point."),
        ("• 北京是首都。", "北京是首都。"),
        ("1、北京是首都。", "北京是首都。"),
        ("5、6岁的孩子来了。", "5、6岁的孩子来了。"),
        ("① 北京是首都。", "北京是首都。"),
        ("1.5 million people came.", "1.5 million people came."),
        ("1994 was a good year.", "1994 was a good year."),
        ("**Rome**: a *very* ***old*** __city__ with `walls`.", "Rome: a very old city with walls."),
        ("这是**重点**内容。", "这是重点内容。"),
        ("M*A*S*H and snake_case_names and 5 * 3 * 2", "M*A*S*H and snake_case_names and 5 * 3 * 2"),
        ("See [the page](https://example.org/a_b) now.", "See the page now."),
        ("A<br/>b <b>c</b> but 3 < 4 > 2.", "Ab c but 3 < 4 > 2."),
        ('"Rome is old. It is large."', "Rome is old. It is large."),
        ('"Rome" is a "name"', '"Rome" is a "name"'),
        ("a\u200bb\x00c\ud800d \t e", "abcd e"),
    ],
)
def test_markup_goes_and_the_text_stays(raw: str, plain: str) -> None:
    assert [(line.text, line.prose) for line in lines(raw)] == [(plain, True)]


@pytest.mark.parametrize("raw", ["# Title", "### Title ###", "##Title", "**Title**", "**Title:**", "| a | b |"])
def test_headings_and_tables_are_no_prose(raw: str) -> None:
    assert [line.prose for line in lines(raw)] == [False]


@pytest.mark.parametrize("raw", ["", "  ", "---", "***", "|---|---|", "```", "```python", "====", "\u200b"])
def test_lines_without_text_are_dropped(raw: str) -> None:
    assert lines(raw) == []


@given(st.lists(st.text(st.sampled_from(list("abC 北京。, 가나")), min_size=1, max_size=20).filter(str.strip), max_size=5))
def test_text_without_markup_is_kept_line_by_line(texts: list[str]) -> None:
    assert [line.text for line in lines("\r\n".join(texts))] == [" ".join(text.split()) for text in texts]


@given(st.text(max_size=300))
def test_any_reply_gives_lines_that_can_be_written(reply: str) -> None:
    for line in lines(reply):
        assert line.text == line.text.strip() != ""
        line.text.encode("utf-8")
        assert len(line.text.splitlines()) == 1


@pytest.mark.parametrize("loop", ["-", "*a", "__a ", "`", "[", "(", '"', "<a", "a. ", "。", "... ", "1. ", "> ", "\ufffd", "![", "~~a"])
def test_a_reply_that_loops_is_read_to_its_end(loop: str) -> None:
    text = "x " + loop * 20_000
    for line in lines(text) + lines(text[:5_000]):
        found = pieces(line.text, "en")
        assert "".join("".join(p.text.split()) for p in found) == "".join(line.text.split())
