"""Hold the pinned dependencies against what is known of their vulnerabilities; exit 0: fine, 1: found, 2: nobody answered.

pip-audit runs in an environment of its own (`.venv-audit`), so that it adds nothing to what the suite pins. Where no index of
vulnerabilities answers, it says of every package that it could not be audited, and is content; this script is not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-audit"
ACCEPTED = ROOT / ".ci" / "accepted.txt"  # a line an id: `ID package why`
PIP_AUDIT = "pip-audit==2.10.1"
ANSWER, INSTALL = 120, 240  # seconds
FOUND, UNANSWERED = 1, 2


def accepted(text: str) -> dict[str, str]:
    """Ids of vulnerabilities that do not touch us, and why; a line without a reason accepts nothing."""
    rows = (line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {row[0]: row[1] for row in rows if len(row) == 2}


def verdict(report: Mapping[str, Any], known: Mapping[str, str]) -> tuple[int, list[str]]:
    """Exit status and what to print, for a report of pip-audit in JSON."""
    packages = report.get("dependencies", [])
    asked = [row for row in packages if "skip_reason" not in row]
    lines, status = [], 0
    for row in asked:
        for one in row.get("vulns", []):
            ids = [one["id"], *one.get("aliases", [])]
            why = next((known[id] for id in ids if id in known), None)
            fixed = ", ".join(one.get("fix_versions", [])) or "no version yet"
            lines.append(f"{row['name']} {row['version']}: {' = '.join(ids)}; mended in {fixed}" + (f"; accepted: {why}" if why else ""))
            status = status if why else FOUND
    left = [row["name"] for row in packages if "skip_reason" in row]
    if not asked:
        what = f"NOT AUDITED: no index of vulnerabilities answered for any of {len(left)} packages; SECURITY.md says how to check"
        return UNANSWERED, [what]
    if left:
        lines.append(f"not audited: {', '.join(left)}")
    return status, [*lines, f"{len(asked)} packages audited"]


def main() -> int:
    """Install pip-audit, ask, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--service", default="osv", choices=["osv", "pypi"], help="whom to ask")
    service = parser.parse_args().service
    python = ENVIRONMENT / "bin" / "python"
    ask = [str(python), "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", "constraints.txt", "-s", service]
    ask += ["-f", "json", "--timeout", "10", "--progress-spinner", "off"]
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True, timeout=INSTALL)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP_AUDIT]
        subprocess.run(install, check=True, timeout=INSTALL)
        done = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, timeout=ANSWER)
        report = json.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        last = error if not isinstance(error, ValueError) else (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"NOT AUDITED: {last}; SECURITY.md says how to check", file=sys.stderr)
        return UNANSWERED
    status, lines = verdict(report, accepted(ACCEPTED.read_text(encoding="utf-8")))
    print("\n".join(lines), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
