"""Sentences that hypothesis makes up for the tests of this folder."""

from __future__ import annotations

from hypothesis import strategies as st

from splits.schema import Entity, Sentence

# Tokens as hostile as a token may be: blanks, quotes, controls, astral signs; but no lone surrogates, which UTF-8 cannot say.
tokens = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)
names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=8).filter(lambda name: name != "O")
extras = st.dictionaries(
    st.sampled_from(["mask_ori", "synthetic", "score", "Ω"]), st.none() | st.booleans() | st.integers() | tokens, max_size=2
)


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    text = draw(st.lists(tokens, min_size=1, max_size=12))
    spans = draw(st.lists(st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text)), names, extras), max_size=4))
    entities = tuple(Entity(start, end, label, extra) for start, end, label, extra in spans if start < end)
    tags = draw(st.none() | st.tuples(*[st.sampled_from(["O", "B-X", "I-X", "E-X"])] * len(text)))
    return Sentence(draw(tokens), tuple(text), entities, tags, draw(st.integers(0, 3)), draw(extras))
