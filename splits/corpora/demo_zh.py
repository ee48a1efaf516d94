"""Demo corpus, Chinese: local news that the project makes up; 4 types, characters as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from splits.corpus import Corpus
from splits.source import Source
from splits.template import Grammar, characters

SOURCE = Source(language="zh", licence="Apache-2.0", redistributable=True, citation="knowfree-bench")
LABELS = ("PER", "LOC", "ORG", "EVENT")

GRAMMAR = Grammar(
    name="demo_zh",
    labels=LABELS,
    cut=characters,
    open_rules={"person": 60, "place": 40, "company": 40, "event": 30},
    rules={
        "sentence": (
            "<time><person><title>从<place>来到<place>出差。",
            "<person><title>在<place><live>，<feel>。",
            "<company>的<job><person><time>接受了采访。",
            "<time><company>在<place>开设了新的分店。",
            "<place>的居民说，<event>比去年更热闹。",
            "<event><time>在<place>开幕，<person><title>到场祝贺。",
            "<company>为<event>提供了<goods>。",
            "记者<time>在<place>采访了<person><title>。",
            "<person><title>说：“我<time>就要离开<company>了。”",
            "据<company>介绍，<place>今年的<goods>卖得很好。",
            "<time>参加<event>的人很多，<feel>。",
            "<person><title>和<person><title>一起去看了<event>。",
            # nothing but words that look like names
            "<time>这座城市的<goods>很便宜，<feel>。",
            "那家公司的<job><time>不上班，先生您改天再来买<goods>吧。",
            "县里和镇上的公司<time>都招<job>，<feel>。",
            "<time>过节，市场里买<goods>的人很多，<feel>。",
            "老师和<job><time>都没有来，<feel>，女士们请坐。",
            # names beside such words
            "这位先生不是<place>人，他在一家公司上班。",
            "城市里的节日很多，<person><title>最喜欢<event>。",
            "<company>不是<place>最大的公司，<feel>。",
        ),
        "person": ("[PER <surname><given>]",),
        "place": ("[LOC <place_stem><place_kind>]",),
        "company": ("[ORG <company_stem><company_kind>]",),
        "event": ("[EVENT <event_stem><event_kind>]",),
        "surname": tuple("王李张刘陈杨赵黄周吴"),
        "given": ("小明", "建国", "丽", "文静", "志强", "海燕", "雪", "大伟", "玉兰", "安"),
        "title": ("先生", "女士", "老师", "医生", "经理"),
        "place_stem": ("清河", "云山", "安平", "白石", "龙泉", "东林", "金沙", "石桥", "花田", "海口"),
        "place_kind": ("市", "县", "镇", "区", "村"),
        "company_stem": ("星火", "大地", "华光", "蓝天", "天马", "百合", "金叶", "青云", "花田", "白石"),
        "company_kind": ("公司", "集团", "银行", "药厂", "书店"),
        "event_stem": ("春茶", "冰灯", "桃花", "龙舟", "风筝", "书画", "海鲜", "音乐", "美食"),
        "event_kind": ("节", "大会", "博览会", "展"),
        "job": ("经理", "职员", "司机", "主任", "会计"),
        "time": ("昨天", "今天上午", "上个月", "星期三", "去年冬天", "下周", "春天", "前几天"),
        "live": ("住了十年", "教书", "开了一家小店", "长大", "工作", "过年"),
        "feel": ("大家都很高兴", "天气也不错", "还想再来一次", "听说会下雨", "没有人觉得奇怪", "这里很安静"),
        "goods": ("茶叶", "水果", "桌椅", "衣服", "药品", "面条", "矿泉水", "纸张"),
    },
)


def read(files: Mapping[str, Path]) -> Corpus:
    """The corpus, made on the spot; `files` is empty."""
    return GRAMMAR.corpus()
