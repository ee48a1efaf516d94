"""What a comparison is of: two variants, corpora, sizes and draws, as a profile of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, cast

import yaml
from pydantic import ValidationError

from benchmark.config import Params, Variant
from benchmark.fingerprint import names
from benchmark.reference import imported, reference
from splits.errors import ConfigError
from splits.plain_yaml import parse

Size = int | str


@dataclass(frozen=True)
class Request:
    """Two variants of a profile, or of none yet.

    Attributes:
        params: a profile with these two rows alone.
        variant, baseline: their names in it.
        taken: hyper-parameters that the method got from the profile, since the methods there share them.
        beyond: what of it the profile on disk does not have, in words.
    """

    params: Params
    variant: str
    baseline: str
    taken: Mapping[str, Any]
    beyond: tuple[str, ...]


def request(
    profile: Params,
    method: str,
    against: str | None,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    own: bool = False,
    corpora: Sequence[str] = (),
    sizes: Sequence[Size] = (),
    draws: int | None = None,
    seeds: Sequence[int] = (),
) -> Request:
    """A comparison as asked for; what is not said is the profile's.

    Args:
        method: a variant of the profile, a registered method, `path.py` or `path.py:Class`.
        against: the same; None: the profile's baseline, or its first variant.
        name: what to call the method's row; None: by its own name.
        settings: hyper-parameters of `method`, over those of the variant.
        own: leave a method that is no variant its own defaults; else it takes what the methods of the profile share.

    Raises:
        ConfigError: a name that is none, a corpus without an encoder, or a name that stands for something else.
    """
    baseline, below, _ = _variant(profile, against or profile.baseline or profile.rows[0], {} if own else shared(profile))
    variant, above, taken = _variant(profile, method, {} if own else shared(profile), settings or {}, name)
    if variant == baseline:
        raise ConfigError(f"{variant!r} against itself", "Name two methods; --name calls the first otherwise.")
    for corpus in corpora:
        if corpus not in profile.encoders:
            raise ConfigError(
                f"corpus {corpus!r} has no encoder in the profile", f"It has: {', '.join(profile.encoders)}; edit params.yaml to add one."
            )
    changed = {
        "corpora": list(corpora or profile.corpora),
        "variants": [baseline, variant],
        "continued": [],
        "methods": {**profile.methods, baseline: below, variant: above},
        "sizes": list(sizes or profile.sizes),
        "draws": draws or profile.draws,
        "seeds": list(seeds or profile.seeds),
        "baseline": baseline,
    }
    try:
        made = Params(**(profile.model_dump() | {key: _plain(value) for key, value in changed.items()}))
    except ValidationError as error:
        raise ConfigError(error.errors()[0]["msg"].removeprefix("Value error, "), "Correct the options; see --help.") from None
    return Request(made, variant, baseline, taken, _beyond(profile, made))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: one.model_dump() if isinstance(one, Variant) else one for key, one in value.items()}
    return value


def shared(profile: Params) -> dict[str, Any]:
    """Hyper-parameters that two variants or more of the profile are given, all with one value: those of its encoders and data.

    The demo's methods all learn at 1e-3, since its encoder is not pretrained: a method that comes to it must do so too, or the
    comparison is of learning rates.
    """
    given: dict[str, list[Any]] = {}
    for row in profile.rows:
        for key, value in profile.methods[row].params.items():
            given.setdefault(key, []).append(value)
    return {key: values[0] for key, values in given.items() if len(values) > 1 and all(value == values[0] for value in values)}


def _variant(
    profile: Params, method: str, convention: Mapping[str, Any], settings: Mapping[str, Any] | None = None, name: str | None = None
) -> tuple[str, Variant, dict[str, Any]]:
    """Name and definition of what was typed, and what of it is the profile's convention."""
    taken: dict[str, Any] = {}
    settings = settings or {}
    if method in profile.methods:
        found, plain = profile.methods[method], method
    elif ".py:" in (ref := reference(method)) or ref in names():
        cls = imported(ref)
        known = {field.name for field in fields(cast("Any", cls))}
        taken = {key: value for key, value in convention.items() if key in known and key not in settings}
        found, plain = Variant(method=ref, params=taken), cls.name
    else:
        listed = ", ".join(dict.fromkeys([*profile.methods, *sorted(names())]))
        raise ConfigError(f"there is no variant or method {method!r}", f"Known: {listed}; or give a file: path.py.")
    found = found.model_copy(update={"params": found.params | dict(settings)})
    called = name or (plain if plain not in profile.methods or found == profile.methods[plain] else _with(plain, settings))
    if called in profile.methods and found != profile.methods[called]:
        raise ConfigError(f"{called!r} is another variant of the profile", "Call this one otherwise: --name.")
    return called, found, taken


def _with(plain: str, settings: Mapping[str, Any]) -> str:
    """A name that says what differs: `bert_crf.dropout=0.3`."""
    return ".".join([plain, *(f"{key}={value}" for key, value in settings.items())])


def _beyond(profile: Params, made: Params) -> tuple[str, ...]:
    found = []
    if made.draws > profile.draws:
        found.append(f"draws: {made.draws} (the profile has {profile.draws})")
    for key in ("corpora", "sizes", "seeds"):
        asked, there = getattr(made, key), getattr(profile, key)
        if more := [str(value) for value in asked if value not in there]:
            found.append(f"{key}: {', '.join(more)} (the profile has {', '.join(map(str, there))})")
    return tuple(found)


def settings_of(texts: Sequence[str]) -> dict[str, Any]:
    """`key=value` as typed, values read as in params.yaml.

    Raises:
        ConfigError: one has no `=`, or a key stands twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier() or key in found:
            raise ConfigError(f"--param {text!r}", "Write each once: --param key=value.")
        try:
            found[key] = parse(value)
        except (yaml.YAMLError, ValueError):
            raise ConfigError(f"--param {text!r}: the value is not YAML", 'Quote it: --param "key=value".') from None
        if isinstance(found[key], str):
            with suppress(ValueError):  # YAML reads 1e-3 as a word
                found[key] = float(value)
    return found
