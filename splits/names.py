"""Names that become folders, parts of stage names and links: which ones may."""

from __future__ import annotations

import re

LONGEST = 100  # bytes in UTF-8: with a suffix and a hash still a file's name everywhere
OWN_FOLDERS = frozenset({"annotated", "draws", "explained", "fused", "methods", "replies"})  # of data/, beside the corpora
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows opens them in any folder
MEND = f"A name holds letters, digits, `_`, `.`, `-` and the like, begins with none of `. - = + @`, and has at most {LONGEST} bytes."


def fault(name: str, *, corpus: bool = False) -> str | None:
    """What is wrong with a name that is to be a folder; None: it stays in the folder that it is put in.

    `= + @` at the start would make a formula of it in a spreadsheet, `-` an option.

    Args:
        corpus: it will stand in data/, which has folders of its own.
    """
    if not name or name != name.strip():
        return "is empty" if not name.strip() else "begins or ends with a blank"
    if any(not letter.isprintable() for letter in name):
        return "holds a control character, or another that nobody sees"
    if "/" in name or "\\" in name:
        return "holds a slash: it would leave its folder"
    if name[0] in ".-=+@":
        return f"begins with {name[0]!r}"
    if len(name.encode("utf-8")) > LONGEST:
        return f"has {len(name.encode('utf-8'))} bytes"
    if DEVICES.fullmatch(name):
        return "is the name of a device on Windows"
    if corpus and name.lower() in OWN_FOLDERS:
        return "is a folder of data/ that holds something else"
    return None
