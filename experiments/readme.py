"""Put a table of recorded results into the README, where the last one stands."""

from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def put(name: str, table: str, path: Path = README) -> None:
    """Write ``table`` between the marks ``<!-- name -->`` and ``<!-- /name -->``; what else there is stays.

    Raises:
        ValueError: the marks are not there.
    """
    marks = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, mark, rest = path.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (mark and end):
        raise ValueError(f"{path}: there are no marks {marks[0]} and {marks[1]} in this order")
    path.write_text(f"{before}{mark}\n{table}\n{end}{after}", encoding="utf-8")
