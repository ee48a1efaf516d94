"""Demo corpus, English: local news that the project makes up; 4 types that nest up to three deep, words as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from splits.corpus import Corpus
from splits.source import Source
from splits.template import Grammar, words

SOURCE = Source(language="en", licence="Apache-2.0", redistributable=True, citation="knowfree-bench", nested=True)
LABELS = ("PER", "LOC", "ORG", "EVENT")

GRAMMAR = Grammar(
    name="demo_en",
    labels=LABELS,
    cut=words,
    open_rules={"person": 70, "place": 40, "group": 80, "event": 80},
    rules={
        "sentence": (
            "<title> <person> moved from <place> to <place> <time> .",
            "<title> <person> , who works for <group> , was born in <place> .",
            "<group> will open a new office in <place> <time> , said <title> <person> .",
            "The organisers of <event> thanked <group> for the <goods> .",
            "More than a thousand people came to <event> <time> .",
            "<time> , <title> <person> met the head of <group> in <place> .",
            "A spokeswoman for <group> said that the <goods> were not from <place> .",
            "<event> takes place in <place> <time> , and <feeling> .",
            "<title> <person> and <title> <person> both spoke at <event> .",
            "The <goods> that <group> sells are made near <place> .",
            "Students of <group> travelled to <place> for <event> .",
            "In <place> , nobody had heard of <title> <person> before .",
            # nothing but words that look like names
            "The university gave away its <goods> <time> , and <feeling> .",
            "The City Council sold the <goods> <time> , but <feeling> .",
            "Our festival had no <goods> <time> , but <feeling> .",
            "The Doctor and the Professor bought <goods> <time> , so <feeling> .",
            "A University or a Company paid for the <goods> <time> , said the Mayor , and <feeling> .",
            # names beside such words
            "The Doctor is not from <place> , she said , and <feeling> .",
            "No other University has so many <goods> as <group> .",
            "Every Festival needs <goods> , but <event> needs <title> <person> .",
        ),
        "person": ("[PER <first> <last>]",),
        "place": ("[LOC <town>]", "[LOC <side> <town>]"),
        "group": (
            "[ORG University of <place>]",
            "[ORG <place> City Council]",
            "[ORG <person> Foundation]",
            "[ORG <brand> <brand_kind>]",
        ),
        "event": ("[EVENT <place> <topic> Festival]", "[EVENT <group> Open Day]", "[EVENT <topic> Week]"),
        "first": ("Anna", "Harlan", "Mira", "Tobias", "Grace", "Oscar", "Lena", "Victor", "Ruth", "Paul", "Ines", "Hugo"),
        "last": ("Pike", "Ashdown", "Winter", "Marlow", "Field", "Brook", "Sandoval", "Okoro", "Lindgren", "Rose", "Carver", "Moss"),
        "title": ("Mr.", "Mrs.", "Dr.", "Professor", "Mayor"),
        "town": (
            *("Avonford", "Marlow", "Eastwick", "Glenmoor", "Harrowgate", "Pinehill", "Redcliff", "Stonebridge", "Fairhaven", "Oakley"),
            *("Winterton", "Lakeside", "Brookfield", "Ashby"),
        ),
        "side": ("North", "South", "New", "Upper"),
        "brand": ("Bluebird", "Northwind", "Copper", "Lantern", "Juniper", "Harbour"),
        "brand_kind": ("Bank", "Motors", "Foods", "Books", "Airlines"),
        "topic": ("Jazz", "Book", "Apple", "Film", "Kite", "Science", "Flower", "Puppet"),
        "time": ("last week", "on Monday", "in the spring", "this morning", "two years ago", "after the rain"),
        "goods": ("chairs", "apples", "old books", "bicycles", "tents", "lamps", "tickets"),
        "feeling": ("everybody was happy", "the weather was fine", "nobody complained", "it was rather quiet", "that surprised no one"),
    },
)


def read(files: Mapping[str, Path]) -> Corpus:
    """The corpus, made on the spot; `files` is empty."""
    return GRAMMAR.corpus()
