"""Entities of new text, from a trained model's directory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmark.method import Tagger, find
from benchmark.nn.facade import check_labels, check_tokenizer, clashes_of
from benchmark.nn.span_model import SpanModel
from benchmark.nn.tagger import SETTINGS, NeuralTagger
from benchmark.worker import METHOD
from knowfree.checkpoint import is_official, load_official
from knowfree.method import PlainKnowFREE
from knowfree.synthesis.tokenise import WRITTEN_ENGLISH, Style, tokenise
from splits.errors import ConfigError
from splits.labels import read_labels
from splits.present import UNKNOWN_LANGUAGE
from splits.schema import Entity, Sentence, to_json

Text = str | Sequence[str]  # raw, or tokens
Found = list[dict[str, Any]]  # of a sentence: start, end (exclusive), entity, text (tokens)

HAN_OR_KANA, HANGUL = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]"), re.compile(r"[ᄀ-ᇿ㄰-㆏가-힣]")


class Predictor:
    """A tagger, and how its corpus cuts text into tokens.

    Args:
        language: `zh`, `ja`, `en` or `ko`; unknown (`und`), raw text is taken where it is Chinese or Japanese, by characters.
        style: how an English corpus writes; MIT Movie's is `Style(lower=True, marks=False)`.
    """

    def __init__(self, tagger: Tagger, language: str = UNKNOWN_LANGUAGE, style: Style = WRITTEN_ENGLISH) -> None:
        self.tagger = tagger
        self.language = language
        self.style = style

    @classmethod
    def load(
        cls,
        directory: str | Path,
        *,
        label_file: str | Path | None = None,
        tokenizer: Any = None,
        language: str | None = None,
        style: Style = WRITTEN_ENGLISH,
        device: str | None = None,
    ) -> Predictor:
        """The model that `kfbench run --checkpoints` or a trainer kept, or a checkpoint of the released code.

        Args:
            label_file: must say what the model's own labels are; a released checkpoint may have none.
            language: None: what the directory says.
            device: None: a GPU where there is one.

        Raises:
            ConfigError: there is no model, or labels or tokenizer are not its own.
            CheckpointError: a released checkpoint of other shapes.
        """
        directory = Path(directory)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        labels = read_labels(label_file) if label_file is not None else None
        if (directory / SETTINGS).is_file():
            method, known = _about(directory)
            tagger = find(method).load(directory, device=device)
            if isinstance(tagger, NeuralTagger):
                model: Any = tagger.model
                check_tokenizer(tokenizer, model.encoder.tokenizer, directory)
                if labels is not None:
                    check_labels(model.labels, labels, directory)
        elif is_official(directory):
            tagger, known = load_official(directory, labels, tokenizer=tokenizer, device=device).tagger, UNKNOWN_LANGUAGE
        else:
            raise ConfigError(
                f"{directory}: no trained model", "Give what `kfbench run --checkpoints`, a trainer or the released code saved."
            )
        return cls(tagger, language or known, style)

    def __call__(self, texts: Text | Sequence[Text]) -> list[Found]:
        """Entities of each text, in text order.

        Args:
            texts: a text, or a list of texts; a text is a str, cut as the corpus is, or a list of tokens.
        """
        sentences = [Sentence(f"text-{i}", tokens) for i, tokens in enumerate(self.cut(texts))]
        rows = self.tagger.predict(sentences)
        return [_found(sentence, [Entity(p.start, p.end, p.label) for p in row]) for sentence, row in zip(sentences, rows, strict=True)]

    def cut(self, texts: Text | Sequence[Text]) -> list[tuple[str, ...]]:
        """The tokens of each text.

        Raises:
            ConfigError: the language is not known and cannot be seen from the text, or its analyser is not installed.
        """
        some: Sequence[Text] = [texts] if isinstance(texts, str) else texts
        raw = "".join(text for text in some if isinstance(text, str))
        language = self.language
        if raw and language == UNKNOWN_LANGUAGE:
            if not HAN_OR_KANA.search(raw) or HANGUL.search(raw):
                raise ConfigError("the language of the model is not known, so text cannot be cut", "Give `language`, or lists of tokens.")
            language = "zh"
        return [tokenise(text, language, self.style) if isinstance(text, str) else tuple(text) for text in some]


class KnowFREEPredictor:
    """The released predictor's signature: called with texts, it gives the entities of a batch at a time.

    Args:
        tokenizer, config: those of `from_pretrained`; the config is taken and not used, as in the released code.
        from_pretrained: a trained model's directory, of the suite or of the released code.
        label_file: the labels that it was trained with; None: those it says itself.
        batch_size: texts an item.
        language, style: how raw text is cut; None: what the directory says.
    """

    def __init__(
        self,
        tokenizer: Any = None,
        config: Any = None,
        from_pretrained: str | Path | None = None,
        label_file: str | Path | None = None,
        batch_size: int = 8,
        *,
        language: str | None = None,
        style: Style = WRITTEN_ENGLISH,
    ) -> None:
        if from_pretrained is None:
            raise ConfigError("from_pretrained is not given", "It is a trained model's directory.")
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}", "It is a number of texts, 1 or more.")
        self.predictor = Predictor.load(from_pretrained, label_file=label_file, tokenizer=tokenizer, language=language, style=style)
        self.batch_size = batch_size

    def __call__(self, inputs: str | Sequence[Text], remove_clashed: bool | None = None, nested: bool = False) -> Iterator[list[Found]]:
        """A list of entities a text, `batch_size` texts an item.

        Args:
            inputs: a text, or a list of texts; a text is a str or a list of tokens.
            remove_clashed, nested: as in training; None: as the model was trained, a released one with the best of overlapping.
        """
        if remove_clashed is not None:
            self._settle(remove_clashed, nested)
        texts = self.predictor.cut(inputs)
        for at in range(0, len(texts), self.batch_size):
            yield self.predictor(texts[at : at + self.batch_size])

    def _settle(self, remove_clashed: bool, nested: bool) -> None:
        tagger = self.predictor.tagger
        if not isinstance(tagger, NeuralTagger) or not isinstance(tagger.model, SpanModel):
            raise ConfigError("this model's predictions never overlap", "Leave out remove_clashed.")
        tagger.model.clashes = clashes_of(remove_clashed, nested)


def _found(sentence: Sentence, entities: Sequence[Entity]) -> Found:
    rows: Found = to_json(Sentence(sentence.id, sentence.text, tuple(entities)))["entities"]
    return rows


def _about(directory: Path) -> tuple[str, str]:
    """Method and language of a saved tagger; one that was saved by hand is a KnowFREE of an unknown language."""
    path = directory / METHOD
    if not path.exists():
        return PlainKnowFREE.name, UNKNOWN_LANGUAGE
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return str(row["method"]), str(row["language"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{path}: not readable", "A checkpoint is what `kfbench run --checkpoints` keeps.") from None
