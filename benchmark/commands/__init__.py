"""Commands of the harness, one file a family."""

from benchmark.commands import fingerprint, run
from benchmark.commands.common import commands

__all__ = ["commands", "fingerprint", "run"]
