"""Demo corpus, Korean: local news that the project makes up; 4 types, morphemes as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from splits.corpus import Corpus
from splits.source import Source
from splits.template import Grammar, words

SOURCE = Source(language="ko", licence="Apache-2.0", redistributable=True, citation="knowfree-bench")
LABELS = ("PS", "LC", "OG", "DT")

GRAMMAR = Grammar(
    name="demo_ko",
    labels=LABELS,
    cut=words,
    open_rules={"person": 90, "place": 80, "group": 80, "date": 60},
    rules={
        "sentence": (
            "<person> <title> 는 <date> 에 <place> 에서 친구 를 만나 았 다 .",
            "<person> <title> 가 <group> 에 들어가 ㄴ 것 은 <date> 이 었 다 .",
            "<group> 는 <place> 에 새 가게 를 <open> 었 다 .",
            "<date> 부터 <group> 의 <goods> 값 이 오르 ㄴ다 .",
            "<place> 주민 들 은 <goods> 를 많이 사 았 다 .",
            "기자 가 <place> 에서 <person> <title> 를 만나 이야기 를 듣 었 다 .",
            "<group> 와 <group> 는 <date> 에 시합 을 하 ㄴ다 .",
            "<person> <title> 와 <person> <title> 는 <place> 으로 떠나 았 다 .",
            "<date> 에 <place> 에 는 비 가 많이 오 았 다 .",
            "<group> 에서 일하 는 <person> <title> 는 <feel> .",
            "<place> 에 있 는 <group> 는 <date> 에 문 을 닫 는다 .",
            "<person> <title> 는 <group> 의 <goods> 를 좋아하 ㄴ다 .",
            # nothing but words that look like names
            "우리 시 의 <people> 들 은 <goods> 를 <open> 지 않 아서 <feel> .",
            "선생 님 과 <people> 들 은 <goods> 때문 에 모두 <feel> .",
            "몇 월 며칠 에 <goods> 가 오 ㄹ지 모르 는 <people> 들 은 <feel> .",
            "그 군 의 대학 과 은행 은 <people> 가 <goods> 를 팔 아서 <feel> .",
            "작 은 마을 에 는 <people> 의 <goods> 가게 가 하나 뿐 이 라 <feel> .",
            # names beside such words
            "그 회사 는 <group> 보다 작 지만 <feel> .",
            "이 시 의 이름 은 <place> 이 아니 라 고 <person> <title> 가 말하 았 다 .",
            "몇 월 이 냐고 묻 자 <person> <title> 는 <date> 이 라고 하 았 다 .",
        ),
        "person": ("[PS <surname><given>]",),
        "place": ("[LC <place_stem> <place_kind>]",),
        "group": ("[OG <group_stem> <group_kind>]",),
        "date": ("[DT <month> 월 <day> 일]", "[DT <year> 년 <month> 월]"),
        "surname": ("김", "이", "박", "최", "정", "강", "조", "윤", "장", "임", "한", "오"),
        "given": ("민수", "지영", "서준", "하은", "도윤", "수빈", "영호", "미란", "현우", "가람", "보라", "태양"),
        "title": ("씨", "선생", "기자", "감독"),
        "place_stem": (
            "한빛",
            "솔내",
            "별마루",
            "은하",
            "푸른",
            "달빛",
            "새벌",
            "가온",
            "무지개",
            "노을",
            "하늘",
            "바람",
            "여울",
            "들꽃",
            "산들",
            "미르",
        ),
        "place_kind": ("시", "군", "구", "마을", "섬"),
        "group_stem": ("누리", "한마음", "은하", "늘봄", "미래", "큰길", "온새", "다솜", "햇살", "가온", "나래", "초록", "하늘", "도담"),
        "group_kind": ("회사", "대학", "은행", "구단", "병원", "협회"),
        "year": ("1997", "2003", "2008", "2011", "2016", "2021"),
        "month": tuple(str(month) for month in range(1, 13)),
        "day": ("1", "3", "5", "8", "11", "14", "17", "20", "23", "26", "29"),
        "open": ("열", "만들", "빌리"),
        "goods": ("사과", "우유", "자전거", "책", "모자", "라면", "김치", "의자"),
        "people": ("손님", "학생", "회사원", "농부", "가수", "의사", "어른"),
        "feel": ("매우 기쁘 었 다", "조금 피곤하 았 다", "걱정 이 없 다", "다시 오 고 싶 다", "말 이 없 었 다"),
    },
)


def read(files: Mapping[str, Path]) -> Corpus:
    """The corpus, made on the spot; `files` is empty."""
    return GRAMMAR.corpus()
