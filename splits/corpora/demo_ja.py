"""Demo corpus, Japanese: local news that the project makes up; 4 types, characters as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from splits.corpus import Corpus
from splits.source import Source
from splits.template import Grammar, characters

SOURCE = Source(language="ja", licence="Apache-2.0", redistributable=True, citation="knowfree-bench")
LABELS = ("PER", "LOC", "ORG", "PRODUCT")

GRAMMAR = Grammar(
    name="demo_ja",
    labels=LABELS,
    cut=characters,
    open_rules={"person": 60, "place": 40, "company": 40, "product": 30},
    rules={
        "sentence": (
            "<time>、<person><title>は<place>へ引っ越した。",
            "<person><title>は<company>で<work>。",
            "<company>は<time>から<product>を売り出す。",
            "<place>にある<company>の工場を見学した。",
            "<place>では<product>がよく売れている。",
            "<time>、<place>で<person><title>に話を聞いた。",
            "<company>と<company>は<time>に合併した。",
            "<person><title>が作った<product>は<feel>。",
            "<product>を買うため、<place>まで出かけた。",
            "<company>の社長は<person><title>である。",
            "<person><title>と<person><title>は<place>で会った。",
            "新しい<product>は<place>の店にも並ぶ。",
            # nothing but words that look like names
            "<time>は町の会社が休みで、<goods>は<feel>。",
            "先生も社長も<time>は<goods>を<bought>と聞いた。",
            "市や町の工場は<time>まで<goods>を<bought>。",
            "<time>、学生は株式会社の<goods>を<bought>。",
            "<time>、その村の<goods>は<feel>と皆が言った。",
            # names beside such words
            "この町の会社より、<company>のほうが大きい。",
            "<person><title>は市の職員ではなく、<work>。",
            "<place>という町で、<goods>を<time>まで預かる。",
        ),
        "person": ("[PER <surname><given>]",),
        "place": ("[LOC <place_stem><place_kind>]",),
        "company": ("[ORG <company_stem><company_kind>]", "[ORG 株式会社<company_stem>]"),
        "product": ("[PRODUCT <product_stem><product_kind>]",),
        "surname": ("佐藤", "鈴木", "高橋", "田中", "山本", "中村", "小林", "石川", "森"),
        "given": ("太郎", "花子", "健", "美咲", "一郎", "直樹", "陽子", "誠"),
        "title": ("さん", "氏", "先生", "選手"),
        "place_stem": ("青葉", "白鳥", "月見", "若松", "桜川", "竹原", "石川", "北浜", "森下"),
        "place_kind": ("市", "町", "村", "区", "県"),
        "company_stem": ("東雲", "若松", "みどり", "ひかり", "オリオン", "カモメ", "白鳥", "あさひ"),
        "company_kind": ("電機", "銀行", "製作所", "食品", "商店"),
        "product_stem": ("スター", "ムーン", "サクラ", "ブルー", "コメット", "リーフ", "ハナ"),
        "product_kind": ("カメラ", "フォン", "ラーメン", "エース", "ミニ"),
        "time": ("昨日", "来月", "四月", "去年", "来週", "今朝", "先月", "夏"),
        "goods": ("品物", "机", "りんご", "古い本", "自転車", "着物", "弁当", "切手"),
        "bought": ("買った", "運んだ", "選んだ", "並べた", "見なかった"),
        "work": ("働いている", "長く勤めた", "研究を続ける", "経理を担当した", "アルバイトをした"),
        "feel": ("とても静かだ", "値段が安い", "評判がよい", "少し残念だ", "思ったより重い"),
    },
)


def read(files: Mapping[str, Path]) -> Corpus:
    """The corpus, made on the spot; `files` is empty."""
    return GRAMMAR.corpus()
