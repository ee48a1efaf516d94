"""A tiny grammar that writes annotated sentences: what the demo corpora are made with.

A rule is a name with alternatives. In an alternative, `<rule>` stands for an alternative of that rule and
`[LABEL ...]` marks an entity; brackets nest, and so do the entities then.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, product

from splits.corpus import Corpus
from splits.labels import Inventory
from splits.schema import Entity, Sentence, Span

SIZES: Mapping[str, int] = {"train": 400, "dev": 120, "test": 400}  # 600 entities in test: a point of F1 is several
START = "sentence"
HELD_OUT = 0.3  # share of an open rule's forms that train never sees; with those that it misses, about a third of the mentions of test
PATIENCE = 100  # draws per sentence asked for; a grammar that needs more is too small for its sizes

MARK = re.compile(r"(\[[A-Z]+ |\]|<[a-z_]+>)")


@dataclass(frozen=True, slots=True)
class Form:
    """What a rule can say: tokens, their entities, and whether train may see it."""

    tokens: tuple[str, ...]
    spans: tuple[Span, ...] = ()
    held_out: bool = False


@dataclass(frozen=True)
class Grammar:
    """Rules, and how their text is cut into tokens.

    `open_rules` names the rules whose forms are a lexicon, and how many forms it has: all that the rule can say, in hash order,
    cut there. Of these HELD_OUT is kept out of train, so that dev and test hold unseen surface forms.
    Choices are sha256 values of `name`, split and position: the same on every platform and Python version.
    """

    name: str
    labels: tuple[str, ...]
    rules: Mapping[str, Sequence[str]]
    open_rules: Mapping[str, int]
    cut: Callable[[str], Iterable[str]]  # text between marks -> tokens; `words` or `characters`

    def corpus(self, sizes: Mapping[str, int] = SIZES) -> Corpus:
        """Sentences of each split, no two alike in the whole corpus.

        Raises:
            ValueError: the grammar says too little for so many sentences, or a mark in it is wrong.
        """
        seen: set[tuple[str, ...]] = set()
        return Corpus(
            self.name, {split: self._split(split, size, seen) for split, size in sizes.items()}, Inventory.of_targets(self.labels)
        )

    def _split(self, split: str, size: int, seen: set[tuple[str, ...]]) -> list[Sentence]:
        sentences: list[Sentence] = []
        for attempt in range(size * PATIENCE):
            if len(sentences) == size:
                break
            form = self._say(START, split == "train", choices(self.name, split, attempt))
            if form.tokens in seen:
                continue
            seen.add(form.tokens)
            entities = tuple(Entity(*span) for span in sorted(form.spans, key=lambda s: (s[0], -s[1], s[2])))
            sentences.append(Sentence(f"{split}-{len(sentences)}", form.tokens, entities))
        if len(sentences) < size:
            raise ValueError(
                f"{self.name}: the grammar gave {len(sentences)} different sentences for {split}, not {size}: give it more templates"
            )
        return sentences

    def _say(self, rule: str, train: bool, choice: Iterator[int]) -> Form:
        """One form of a rule, drawn."""
        if rule in self.open_rules:
            forms = [form for form in self.forms(rule) if not (train and form.held_out)]
            return forms[next(choice) % len(forms)]
        alternatives = self._parsed[rule]
        items = alternatives[next(choice) % len(alternatives)]
        return assemble(items, [self._say(name, train, choice) for name in references(items)])

    def forms(self, rule: str) -> tuple[Form, ...]:
        """All that a rule can say (an open rule: its lexicon, in hash order)."""
        if rule not in self._forms:
            found: dict[tuple[str, ...], Form] = {}
            for items in self._parsed[rule]:
                for parts in product(*(self.forms(name) for name in references(items))):
                    form = assemble(items, parts)
                    found.setdefault(form.tokens, form)
            self._forms[rule] = self._lexicon(rule, list(found.values())) if rule in self.open_rules else tuple(found.values())
        return self._forms[rule]

    def _lexicon(self, rule: str, forms: list[Form]) -> tuple[Form, ...]:
        forms.sort(key=lambda form: digest(self.name, rule, *form.tokens))
        forms = forms[: self.open_rules[rule]]
        wanted = round(len(forms) * HELD_OUT) - sum(form.held_out for form in forms)  # some hold a held-out form of an inner rule
        lexicon = []
        for form in forms:
            held_out = form.held_out or wanted > 0
            wanted -= held_out and not form.held_out
            lexicon.append(Form(form.tokens, form.spans, held_out))
        return tuple(lexicon)

    @cached_property
    def _forms(self) -> dict[str, tuple[Form, ...]]:
        return {}

    @cached_property
    def _parsed(self) -> dict[str, list[list[Item]]]:
        return {name: [self._parse(text) for text in alternatives] for name, alternatives in self.rules.items()}

    def _parse(self, text: str) -> list[Item]:
        items: list[Item] = []
        depth = 0
        for part in MARK.split(text):
            if part.startswith("<") and part[1:-1] in self.rules:
                items.append(("rule", part[1:-1]))
            elif part.startswith("[") and part[1:-1] in self.labels:
                items.append(("start", part[1:-1]))
                depth += 1
            elif part == "]" and depth:
                items.append(("end", ""))
                depth -= 1
            elif set(part) & set("<>[]"):
                raise ValueError(f"{self.name}: {part!r} in {text!r} is neither a rule nor a label")
            else:
                items += [("token", token) for token in self.cut(part)]
        if depth:
            raise ValueError(f"{self.name}: a bracket of {text!r} is not closed")
        return items


Item = tuple[str, str]  # kind (token, rule, start, end) and its value


def references(items: Sequence[Item]) -> list[str]:
    """The rules that an alternative names, in order."""
    return [value for kind, value in items if kind == "rule"]


def assemble(items: Sequence[Item], parts: Sequence[Form]) -> Form:
    """An alternative with its references, in order, filled by `parts`."""
    tokens: list[str] = []
    spans: list[Span] = []
    opened: list[tuple[int, str]] = []
    remaining = iter(parts)
    for kind, value in items:
        if kind == "token":
            tokens.append(value)
        elif kind == "start":
            opened.append((len(tokens), value))
        elif kind == "end":
            start, label = opened.pop()
            spans.append((start, len(tokens), label))
        else:
            form = next(remaining)
            spans += [(start + len(tokens), end + len(tokens), label) for start, end, label in form.spans]
            tokens += form.tokens
    return Form(tuple(tokens), tuple(spans), any(part.held_out for part in parts))


def characters(text: str) -> list[str]:
    """Chinese and Japanese: a token a character, spaces of the template dropped."""
    return [character for character in text if not character.isspace()]


def words(text: str) -> list[str]:
    """English words and Korean morphemes: what spaces separate."""
    return text.split()


def digest(*key: object) -> int:
    """A key as a number of 256 bits."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, key)).encode()).digest(), "big")


def choices(*key: object) -> Iterator[int]:
    """An endless row of numbers for a key."""
    return (digest(*key, i) for i in count())
