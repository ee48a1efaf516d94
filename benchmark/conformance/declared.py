"""Checks of what a method says of itself, before it is trained."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, cast

from benchmark.conformance.subject import LANGUAGES, NAME, Subject
from benchmark.conformance.verdict import Failed
from benchmark.fingerprint import of_method, unhashed
from benchmark.hashing import canonical
from benchmark.method import build
from splits.source import CorpusInfo


def declared(subject: Subject) -> str:
    """The class is a frozen dataclass with name, artefacts, requires, test_config, supports, fit and load."""
    cls = cast("Any", subject.cls)
    mend = "See the docstrings of benchmark/method.py, or start from `kfbench new-method`."
    for name in ("artefacts", "requires", "test_config", "supports", "fit", "load"):
        if not hasattr(cls, name):
            raise Failed(f"{cls.__name__} has no `{name}`", mend)
    if not cls.__dataclass_params__.frozen:
        raise Failed(
            f"{cls.__name__} is a dataclass that is not frozen", "Write @dataclass(frozen=True): a cell's hash is taken of its fields."
        )
    if not isinstance(cls.artefacts, tuple) or not all(isinstance(name, str) for name in cls.artefacts):
        raise Failed(f"artefacts is {cls.artefacts!r}", 'It is a tuple of names: (), or ("fusion",).')
    if not (cls.requires is None or isinstance(cls.requires, str)):
        raise Failed(f"requires is {cls.requires!r}", "It is None, or the name of a variant.")
    if not isinstance(inspect.getattr_static(cls, "load"), classmethod | staticmethod):
        raise Failed("`load` is no class method", "Write @classmethod above it: a saved tagger is loaded without an instance.")
    if not isinstance(cls.test_config, Mapping):
        raise Failed(f"test_config is {cls.test_config!r}", "It is a mapping of field values.")
    known = [field.name for field in fields(cls)]
    if unknown := [name for name in cls.test_config if name not in known]:
        raise Failed(f"test_config names {unknown[0]!r}, which is no field", f"Fields: {', '.join(known) or 'none'}.")
    built = build(subject.reference, cls.test_config)
    try:
        canonical(asdict(cast("Any", built)))
    except TypeError as error:
        raise Failed(
            f"a field cannot be written as JSON: {error}", "Use numbers, strings, tuples and mappings: fields are part of a hash."
        ) from error
    for nested in (False, True):
        for language in LANGUAGES:
            said = built.supports(CorpusInfo(NAME, language, nested, redistributable=True))
            if not (said is None or (isinstance(said, str) and said)):
                raise Failed(f"supports({language}, nested={nested}) returns {said!r}", "It returns None, or the reason why not.")
    return f"{built.name}: {len(known)} hyper-parameters"


def code(subject: Subject) -> str:
    """All code that it runs is part of a cell's hash, so that an edit cannot leave old results standing."""
    found = unhashed(subject.reference)
    if found:
        module, why = next(iter(found.items()))
        raise Failed(
            f"imports {module}: {why}",
            "Keep the method in one file, of what the suite offers it: benchmark.method, .nn, .training, .extension, splits.schema.",
        )
    return f"{len(of_method(subject.reference).modules)} modules are in its fingerprint"


CHECKS = (declared, code)
