"""Write book/licences.md: every package that the requirements bring, directly or not, and its licence.

python tools/licences.py

Read from what is installed (importlib.metadata). Where a package says nothing short, KNOWN says it, after its own text.
"""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "licences.md"
HEAD = """# Licences

The code of tinykd is MIT, its text and its corpora are CC BY 4.0. It stands on the packages below: those in bold are
named in `requirements.txt`, the others are what those need. None of them is copied into ours. The table is written by
`tools/licences.py` from what each package says of itself.

"""
#: after their licence files
KNOWN = {"axe-playwright-python": "MIT"}
_TIDY = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
    "The Unlicense (Unlicense)": "Unlicense",
}


def name_of(name: str) -> str:
    """A package's name as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct() -> set[str]:
    """The packages of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {name_of(Requirement(line.split("#")[0]).name) for line in lines if line.split("#")[0].strip()}


def closure(names: set[str]) -> set[str]:
    """These packages and all that they need, as far as it is installed."""
    found, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        wanted = [Requirement(line) for line in needs]
        todo += [name_of(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def licence(name: str) -> str:
    """What a package says of its licence, in a few words; "?" if nothing."""
    if name in KNOWN:
        return KNOWN[name]
    said = metadata.metadata(name)
    if short := said.get("License-Expression"):
        return short
    named = [line.split(" :: ")[-1] for line in said.get_all("Classifier") or [] if line.startswith("License :: ")]
    named = [_TIDY.get(one, one) for one in named if one != "OSI Approved"]
    line = (said.get("License") or "").strip()
    if line and len(line) < 60 and "\n" not in line and (not named or named == ["BSD"]):
        return _TIDY.get(line, line)
    return " or ".join(dict.fromkeys(named)) or "?"


def page() -> str:
    """The whole page."""
    asked = direct()
    rows = [
        "```{table} Every package that the requirements bring, and its licence",
        "| package | licence |",
        "|---|---|",
    ]
    for name in sorted(closure(asked)):
        rows.append(f"| {f'**{name}**' if name in asked else name} | {licence(name)} |")
    return HEAD + "\n".join([*rows, "```"]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
