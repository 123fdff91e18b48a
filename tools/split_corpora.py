"""Write the splits of *support* and *finance* into the package, from the files of their authors in ``scenarios/``.

::

    python tools/split_corpora.py
"""

import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scenarios import blocks  # noqa: E402

CORPORA = {
    "support": ("messages.txt", ["text", "label"]),
    "finance": ("headlines.txt", ["text", "label", "topic", "entity"]),
}


def main(package: Path = ROOT / "tinykd") -> None:
    """Write ``train.csv``, ``valid.csv`` and ``test.csv`` of both corpora."""
    for name, (file, columns) in CORPORA.items():
        folder = package / "corpora" / name
        folder.mkdir(parents=True, exist_ok=True)
        for split, rows in blocks.splits(ROOT / "scenarios" / name / "corpus" / file).items():
            with open(folder / f"{split}.csv", "w", encoding="utf-8", newline="") as out:
                writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
