"""`kfbench`: the commands that rooms register, under one roof."""

from __future__ import annotations

import sys
import traceback
from importlib.metadata import entry_points, version

import typer

from splits.errors import KfbenchError
from splits.terminal import shown

GROUP = "kfbench.commands"  # entry points: each a `typer.Typer` whose commands join ours


def build_app() -> typer.Typer:
    """Every registered command; a room that cannot be imported is named on stderr, the others work."""
    app = typer.Typer(
        help="A benchmark suite for low-resource named entity recognition.", no_args_is_help=True, pretty_exceptions_enable=False
    )
    app.callback()(_version)
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            room: typer.Typer = entry.load()
        except Exception as error:
            print(f"kfbench: commands of {entry.value} cannot be loaded: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        app.registered_commands += room.registered_commands
        app.registered_groups += room.registered_groups
    return app


def _version(
    show: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True, callback=lambda v: _print(v)),
) -> None:
    """A benchmark suite for low-resource named entity recognition, around KnowFREE."""


def _print(show: bool) -> None:
    if show:
        print(f"kfbench {version('knowfree-bench')}")
        raise typer.Exit


def main() -> None:
    """Run; an error that a user can mend is two lines, not a traceback."""
    try:
        build_app()()
    except KfbenchError as error:
        print(f"kfbench: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # `kfbench plan | head`
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(shown(f"kfbench: {where}{error.strerror or error}\n  Check space and permissions, then run again."), file=sys.stderr)
        sys.exit(1)
    except Exception:  # a bug of ours: its traceback may quote a corpus, or an address with its password
        print(shown(traceback.format_exc().rstrip()), file=sys.stderr)
        sys.exit(1)
