"""Commands of Slurm and Ray for a machine without Slurm, whose processes talk on 127.0.0.1 alone."""

from __future__ import annotations

import sys
from pathlib import Path

# Ray's own command, for which every address of this machine is the loopback: Ray would replace that by the outer one.
RAY = f"""#!{sys.executable}
import os, sys
os.environ.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
from ray._private import services
services.get_node_ip_address = lambda address=None: "127.0.0.1"
from ray.scripts.scripts import main
sys.argv[0] = "ray"
sys.exit(main())
"""
# Every step runs here; which one was asked for is noted.
SRUN = """#!/usr/bin/env bash
echo "$@" >> "$STEPS"
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
[ "$1 $2 $3" = 'show hostnames node-[0-1]' ] && printf 'node-0\\nnode-1\\n'
"""
PYTHON = f"""#!/usr/bin/env bash
exec {sys.executable} "$@"
"""


def write(folder: Path, **commands: str) -> None:
    """Programs to put on PATH, under their names."""
    folder.mkdir(exist_ok=True)
    for name, text in commands.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
