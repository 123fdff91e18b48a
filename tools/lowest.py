"""Print the lowest versions that the requirements allow, as constraints for pip.

python tools/lowest.py > lowest.txt
pip install --constraint lowest.txt --requirement requirements.txt --editable .

With Python 3.11: for later ones some of the oldest versions were never built. The unit tests must pass with them, or
a lower bound in requirements.txt and pyproject.toml is a promise that we don't keep.
"""

import re
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"


def lowest(text: str) -> list[str]:
    """Return ``name==version`` for every line ``name>=version,<next``, in order.

    Raises:
        ValueError: names a line of another form.
    """
    found = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([^,]+),<[^,]+", line)
        if not bounds:
            raise ValueError(f"{line!r}: expected name>=lowest,<next")
        found.append("{}=={}".format(*bounds.groups()))
    return found


if __name__ == "__main__":
    print("\n".join(lowest(REQUIREMENTS.read_text(encoding="utf-8"))))
