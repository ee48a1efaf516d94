"""Commands of the harness, one file a family."""

from benchmark.commands import cells, check, doctor, fingerprint, merge, new_method, predict, run, score, slurm
from benchmark.commands.common import commands

__all__ = ["cells", "check", "commands", "doctor", "fingerprint", "merge", "new_method", "predict", "run", "score", "slurm"]
