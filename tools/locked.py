"""Print the version of every package that the requirements bring here, as constraints for pip.

.venv/bin/python tools/locked.py > locked.txt
pip install --constraint locked.txt --requirement requirements.txt --editable .

``locked.txt`` is what the project was last tested with: with Python 3.11, it gives the same environment in years.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"


def locked(text: str) -> list[str]:
    """Return ``name==version`` of what the requirements in ``text`` need, directly or not, in alphabetical order."""
    found: dict[str, str] = {}
    seen, waiting = set(), [Requirement(line) for line in map(_without_comment, text.splitlines()) if line]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, *sorted(wanted.extras)) in seen:
            continue
        seen.add((name, *sorted(wanted.extras)))
        try:
            there = distribution(name)
        except PackageNotFoundError:  # of another system
            continue
        found[name] = there.version.split("+")[0]  # +cpu names a place, not a version
        for further in map(Requirement, there.requires or []):
            if not further.marker or any(further.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)):
                waiting.append(further)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _without_comment(line: str) -> str:
    return line.split("#")[0].strip()


if __name__ == "__main__":
    print("\n".join(locked(REQUIREMENTS.read_text(encoding="utf-8"))))
