"""`kfbench fingerprint`: the code of a variant's method as a file that DVC can depend on."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from benchmark.commands.common import ParamsFile, commands
from benchmark.places import PARAMS


@commands.command()
def fingerprint(
    variant: Annotated[list[str] | None, typer.Option("--variant", help="Only this variant; may be repeated.")] = None,
    params: ParamsFile = PARAMS,
) -> None:
    """Write data/methods/VARIANT.json: sha256 of the code that a variant's method consists of, comments left out.

    Example: kfbench fingerprint --variant knowfree
    """
    from benchmark.config import load_params
    from benchmark.fingerprint import of_method
    from benchmark.workspace import Workspace
    from splits.errors import ConfigError
    from splits.files import write_text

    profile = load_params(params)
    for name in variant or profile.rows:
        if name not in profile.methods:
            raise ConfigError(f"the profile has no variant {name!r}", f"It has: {', '.join(profile.methods)}.")
        chosen = profile.methods[name]
        found = of_method(chosen.method)
        row = {"variant": name, **chosen.model_dump(mode="json"), "sha256": found.sha256, "modules": dict(found.modules)}
        path = Workspace().fingerprint(name)
        write_text(path, json.dumps(row, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
        print(f"{path}: {found.sha256[:12]}, {len(found.modules)} modules")
