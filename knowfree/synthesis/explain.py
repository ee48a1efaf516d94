"""Pipeline 2: a model explains the entities of a sample, and its text becomes new sentences without labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal, NamedTuple

from knowfree.synthesis.chat import Reply, Request
from knowfree.synthesis.guard import Guard, Units, folded, units
from knowfree.synthesis.prompts import prompt
from knowfree.synthesis.repetition import copied_share, different_share, looped_share, same_text
from knowfree.synthesis.scripts import own_share
from knowfree.synthesis.sentences import lines, pieces
from splits.errors import ConfigError, KfbenchError
from splits.schema import Sentence

Tokenise = Callable[[str], tuple[str, ...]]
Detokenise = Callable[[Sequence[str]], str]
SentenceTask = Literal["explain", "describe"]

# --- asking ---


class Form(NamedTuple):
    """How a prompt says what it gives, in the language of the prompt; `answer` is what a model may head its reply with."""

    sentence: str
    entities: str
    typed: str
    between: str
    answer: str


FORMS: Mapping[str, Form] = {
    "en": Form("Sentence: ", "Entities: ", "{} ({})", "; ", "explanation|description|answer|output"),
    "zh": Form("句子：", "实体：", "{}（{}）", "；", "解释|说明|描述|回答|答案|输出"),
    "ja": Form("文：", "固有表現：", "{}（{}）", "；", "説明|解説|回答|出力"),
    "ko": Form("문장: ", "개체: ", "{} ({})", "; ", "설명|해설|답변|답|출력"),
}


def requests(sentences: Sequence[Sentence], language: str, *, detokenise: Detokenise) -> list[Request]:
    """A request a training sentence: explain its entities, or where it has none describe its key phrases.

    Raises:
        ConfigError: there are no prompts in this language.
    """
    return [_request(sentence, language, detokenise) for sentence in sentences]


def _request(sentence: Sentence, language: str, detokenise: Detokenise) -> Request:
    asked = task(sentence)
    system = prompt(asked, language).text
    form = _form(language)
    user = form.sentence + detokenise(sentence.text)
    if sentence.entities:
        named = dict.fromkeys((detokenise(sentence.surface(span)), span[2]) for span in sorted(sentence.spans))
        user += "\n" + form.entities + form.between.join(form.typed.format(*name) for name in named)
    return Request(system, user, about={"task": asked, "sentence": sentence.id})


def task(sentence: Sentence) -> SentenceTask:
    """What is asked about a sentence."""
    return "explain" if sentence.entities else "describe"


def _form(language: str) -> Form:
    if language not in FORMS:
        raise ConfigError(f"explanations have no form in {language!r}", f"There is one in: {', '.join(FORMS)}; add it to FORMS.")
    return FORMS[language]


# --- reading ---


@dataclass(frozen=True, slots=True)
class Rules:
    """What a synthetic sentence must be; shares lie between 0 and 1.

    Attributes:
        shortest: tokens; below, it is a fragment that names nothing.
        longest: tokens; above, it is a run-on, and its n x n grid costs more than it teaches.
        echo_run: units (see `guard.units`) in a row that count as copied.
        own_script: share of letters in the language's scripts. Of real sentences 1 % of weibo (names, emoji), 0.4 % of
            stockmark_ja, 0.1 % of klp_ko lie below 0.7; none of mit_movie and genia below 0.9.
        widest: characters a token may have; a longer one is noise.
        most: sentences that one source may give. The prompts ask for three to five; more drifts away from the source.
        echo_share: share of units that stand in copied runs, from which on a sentence repeats its source or the prompt.
            A sentence that takes over a long name stays below.
        loop_times, loop_share: so many repeats in a row, over such a share of the tokens, are a loop
            (0.7 % of weibo, which laughs a lot; no sentence of the other corpora).
        different_share, different_from: from so many tokens on, fewer different ones are a loop as well (0.6 % of weibo).

    Raises:
        ValueError: a bound that no sentence can meet, or a share outside [0, 1].
    """

    shortest: int
    longest: int
    echo_run: int
    own_script: float = 0.7
    widest: int = 60
    most: int = 8
    echo_share: float = 0.7
    loop_times: int = 4
    loop_share: float = 0.5
    different_share: float = 0.3
    different_from: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(f"a sentence of {self.shortest} to {self.longest} tokens cannot be")
        if min(self.echo_run, self.widest, self.most) < 1 or self.loop_times < 2:
            raise ValueError("`echo_run`, `widest` and `most` are 1 or more, `loop_times` 2 or more")
        if not all(0 <= share <= 1 for share in (self.own_script, self.echo_share, self.loop_share, self.different_share)):
            raise ValueError("a share lies between 0 and 1")


# Lengths: within what nine of ten real sentences have, a little wider.
RULES: Mapping[str, Rules] = {
    "en": Rules(shortest=5, longest=60, echo_run=4, own_script=0.9),  # words
    "zh": Rules(shortest=8, longest=120, echo_run=6),  # characters
    "ja": Rules(shortest=8, longest=120, echo_run=6),
    "ko": Rules(shortest=5, longest=80, echo_run=14),  # morphemes; a run is counted in letters
}


def rules_of(language: str) -> Rules:
    """The rules of a language.

    Raises:
        ConfigError: it has none.
    """
    if language not in RULES:
        raise ConfigError(f"there are no rules for explanations in {language!r}", f"It knows {', '.join(RULES)}; give rules of your own.")
    return RULES[language]


REASONS = (
    "markup",  # a heading, a row of a table, a line without end
    "unfinished",  # the reply was cut there
    "fragment",  # a line that is no sentence, with text after it
    "damaged",  # a character that the model or its tokenizer broke
    "refusal",
    "chatter",  # about the answer instead of the answer
    "wrong_language",
    "too_short",
    "too_long",
    "repetition",
    "echo",  # of the source or the prompt
    "duplicate",  # of an earlier sentence of the same reply
    "held_out_equal",
    "held_out_contains",
    "held_out_within",
    "held_out_shares",
    "surplus",  # more than a source may give
)


@dataclass(frozen=True, slots=True)
class Explained:
    """What the replies gave: every sentence they were cut into is kept or counted in `removed` under its reason.

    `replies` counts `answered`, `empty` (nothing but blanks and markup) and `missing`. Kept sentences have no entities;
    their `extra` says `synthetic` and names their `source`, their id is `<source>#<place in the reply>`.
    """

    sentences: list[Sentence] = field(default_factory=list)
    removed: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)


def read(
    sources: Sequence[Sentence],
    replies: Sequence[Reply | None],
    rules: Rules,
    *,
    language: str,
    tokenise: Tokenise,
    guard: Guard,
) -> Explained:
    """Cut replies into sentences and keep those that the rules and the guard let pass.

    A source is read alone: what it gives does not depend on which others were asked. So duplicates between sources stay
    here (a draw may hold either) and go in `of_sources`.

    Args:
        sources: training sentences.
        replies: one for each, None where there is none.
        tokenise: into the corpus's own tokens.
        guard: knows dev and test.
    """
    given = Explained()
    for source, reply in zip(sources, replies, strict=True):
        cuts = _cut(reply.text, language) if reply else []
        given.replies["missing" if reply is None else "answered" if cuts else "empty"] += 1
        judged = list(_judge(source, cuts, reply.finish, rules, language, tokenise, guard)) if reply else []
        given.sentences.extend(found for found in judged if isinstance(found, Sentence))
        given.removed.update(found for found in judged if isinstance(found, str))
    return given


class Cut(NamedTuple):
    """A sentence of a reply, or what else stands on a line of it."""

    text: str
    prose: bool
    ended: bool
    last: bool


def _cut(reply: str, language: str) -> list[Cut]:
    found: list[Cut] = []
    label = re.compile(rf"(?:{_form(language).answer}|{FORMS['en'].answer})\s*[:：]\s*", re.IGNORECASE)
    for line in lines(reply):
        if not line.prose:
            found.append(Cut(line.text, False, False, False))
            continue
        found.extend(Cut(p.text, True, p.ended, False) for p in pieces(label.sub("", line.text, count=1), language))
    return [*found[:-1], *(cut._replace(last=True) for cut in found[-1:])]


def _judge(
    source: Sentence, cuts: Sequence[Cut], finish: str, rules: Rules, language: str, tokenise: Tokenise, guard: Guard
) -> Iterator[Sentence | str]:
    """For each part of a reply the new sentence, or the reason against it."""
    copied = [units(source.text, language), units([prompt(task(source), language).text], language)]
    seen: set[str] = set()
    refused = any(refuses(cut.text, language) for cut in [c for c in cuts if c.prose][:1])  # what follows offers something else instead
    for n, cut in enumerate(cuts):
        tokens: tuple[str, ...] = ()
        reason = "refusal" if refused else _wrong_text(cut, finish, rules, language)
        if not reason:
            tokens = tokenise(cut.text)
            reason = _wrong_tokens(tokens, rules, language, copied)
        if not reason and same_text(tokens) in seen:
            reason = "duplicate"
        if not reason and (hit := guard.hit(tokens)):
            reason = f"held_out_{hit}"
        if not reason and len(seen) == rules.most:
            reason = "surplus"
        if reason:
            yield reason
        else:
            seen.add(same_text(tokens))
            yield Sentence(f"{source.id}#{n}", tokens, extra={"synthetic": True, "source": source.id})


def _wrong_text(cut: Cut, finish: str, rules: Rules, language: str) -> str | None:
    if not cut.prose:
        return "markup"
    if not cut.ended and cut.last and finish == "length":
        return "unfinished"
    if _starts_with_label(cut.text, language):
        return "echo"
    if cut.text[-1] in ":：" or chats(cut.text, language):
        return "chatter"
    if not cut.ended and not cut.last:
        return "fragment"
    if "\ufffd" in cut.text:
        return "damaged"
    if refuses(cut.text, language):
        return "refusal"
    own = own_share(cut.text, language)
    if own == 0 or own < rules.own_script:
        return "wrong_language"
    if len(cut.text) > rules.longest * (rules.widest + 1):
        return "too_long"  # whatever its tokens are; an analyser need not see it
    return None


def _wrong_tokens(tokens: Sequence[str], rules: Rules, language: str, copied: Iterable[Units]) -> str | None:
    if len(tokens) < rules.shortest:
        return "too_short"
    if len(tokens) > rules.longest or max(map(len, tokens)) > rules.widest:
        return "too_long"
    if looped_share(tokens, rules.loop_times) >= rules.loop_share > 0:
        return "repetition"
    if len(tokens) >= rules.different_from and different_share(tokens) < rules.different_share:
        return "repetition"
    found = units(tokens, language)
    if any(copied_share(found, original, rules.echo_run) >= rules.echo_share for original in copied):
        return "echo"
    return None


# --- what models say instead of an answer ---

_REFUSALS = {
    "en": r"^(i('m| am) (very |so |really )?sorry|sorry[,.]|(i )?apologi[sz]e|my apologies|i (can(not|'t| not)|could(n't| not)|don't have|"
    r"do not have|won't|am (not able|unable))\b|i'm (not able|unable))|\bas an? (ai|(large )?language model)\b|\bai language model\b",
    "zh": r"^(我?(很|非常|十分|真的)?(抱歉|对不起)|不好意思|我(无法|不能|没办法|没有办法|没法))|"
    r"作为(一个|一名|一款)?(ai|人工智能|大?型?语言模型)|ai语言模型",
    "ja": r"^((大変|誠に)?申し訳(あり|ござい|な)|すみません|ごめんなさい|恐れ入りますが)|(ai|言語モデル|aiアシスタント)として|"
    r"お答え(できません|できかねます)|(提供|説明|回答)(すること)?は?(できません|できかねます)",
    "ko": r"^(죄송|미안하지만|미안합니다|유감스럽게도)|(ai|인공지능|언어 ?모델)(으로서|로서)|"
    r"(답변|설명|제공)(해 ?|을 ?)?(드릴|할) 수 없습니다",
}
_CHATTER = {
    "en": r"^((sure|certainly|of course|okay|ok|absolutely)[,!.]|"
    r"here('s| is| are) (a|an|the|some|my|your)\b.*(explanation|description|paragraph|text|sentences|answer)|"
    r"the entit(y|ies)\b|(i hope (this|that|it)|let me know|feel free|please (note|let me know|provide)|note that)\b|"
    r"(this|the) (given |above |provided |original )?(sentence|text|paragraph|passage|entities|key phrases?) "
    r"(is|are|in|describes?|mentions?|refers?|states?|says|contains?|suggests?|implies|can|you|above)\b)|"
    r"\bthe (given|provided) (sentence|text|entit)",
    "zh": r"^(((好的|没问题)[，,。！!]|当然(可以|[！!]))|(以下|下面)(是|为)|希望(这|以上|对你|对您)|如果(你|您)(有|需|还)|"
    r"(这|该|上述|给定的?)(个|句|段)?(句子|句话|文本|实体))",
    "ja": r"^((はい|もちろん|承知しました|かしこまりました)[、。,!！]|以下(は|に|が)|"
    r"(この|上記の|与えられた)(文|文章|固有表現)(は|では|に|の|で)|(お役に立て|参考になれ)ば)",
    "ko": r"^((네|예|물론|물론입니다|알겠습니다|물론이죠)[,.!]|(다음|아래)(은|는) |"
    r"(이|위|주어진|해당) (문장|글|개체)(은|는|에서|에는|의|들))|도움이 되(었|길|시|기)",
}


def refuses(text: str, language: str) -> bool:
    """Whether a sentence says that the model cannot or will not answer, in the language or in English."""
    return _says(_REFUSALS, text, language)


def chats(text: str, language: str) -> bool:
    """Whether a sentence speaks to the user or about the task (`Sure!`, `Here is an explanation`, `The sentence mentions`)."""
    return _says(_CHATTER, text, language)


def _says(phrases: Mapping[str, str], text: str, language: str) -> bool:
    start = folded(text[:200]).replace("’", "'").lstrip()
    return any(re.search(phrases[spoken], start) for spoken in {language, "en"} & phrases.keys())


def _starts_with_label(text: str, language: str) -> bool:
    return text.startswith(tuple(label.strip() for form in (_form(language), FORMS["en"]) for label in form[:2]))


# --- draws and statistics ---


def of_sources(sentences: Iterable[Sentence], ids: Iterable[str]) -> list[Sentence]:
    """The synthetic sentences that these sources gave, in the order of `ids`, the first of duplicates alone.

    With the ids of a draw: nothing that a sentence outside the draw gave, nor a choice that depends on one. The sizes of a
    draw are prefixes of each other, and so are the lists for them.

    Raises:
        KfbenchError: a sentence does not say what its source is.
    """
    given: dict[str, list[Sentence]] = {}
    for sentence in sentences:
        given.setdefault(source_of(sentence), []).append(sentence)
    found: dict[str, Sentence] = {}
    for source in dict.fromkeys(ids):
        for sentence in given.get(source, ()):
            found.setdefault(same_text(sentence.text), sentence)
    return list(found.values())


def source_of(sentence: Sentence) -> str:
    """The id of the training sentence that a synthetic one was written for.

    Raises:
        KfbenchError: it names none.
    """
    source = sentence.extra.get("source")
    if not isinstance(source, str):
        raise KfbenchError(f"synthetic sentence {sentence.id!r} names no source", "Each needs `source`, the id of a training sentence.")
    return source


def statistics(explained: Explained) -> dict[str, Any]:
    """Yield by reason, sentences a source and mean length, in JSON's types."""
    kept, removed = len(explained.sentences), explained.removed.total()
    by_source = Counter(source_of(sentence) for sentence in explained.sentences)
    sources = explained.replies.total()
    texts = {same_text(sentence.text) for sentence in explained.sentences}
    return {
        "sources": sources,
        "replies": {kind: explained.replies[kind] for kind in ("answered", "empty", "missing")},
        "sentences": kept + removed,
        "kept": kept,
        "yield": kept / (kept + removed) if kept + removed else 0.0,
        "removed": {reason: explained.removed[reason] for reason in REASONS if explained.removed[reason]},
        "repeated_between_sources": kept - len(texts),
        "sentences_a_source": kept / sources if sources else 0.0,
        "sources_without": sources - len(by_source),
        "tokens_a_sentence": fmean(len(sentence.text) for sentence in explained.sentences) if kept else 0.0,
    }
