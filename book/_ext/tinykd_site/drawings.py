"""Boxes and arrows: the ideas of ``book/drawings.toml`` as SVG that takes its colours from the page.

A drawing is a grid. A box stands in a column and a row (fractions are allowed), has a label, perhaps a second, smaller
line, and a role that gives its colour. An arrow leads from box to box, perhaps with a word.
"""

import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "drawings.toml"
WIDTH, HEIGHT, ACROSS, DOWN = 122, 46, 146, 82  #: of a box; from one column or row to the next
EDGE = 8


@dataclass(frozen=True)
class Box:
    """A box: where it stands, what it says, whose colour it has."""

    column: float
    row: float
    label: str
    small: str = ""
    role: str = "other"

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle, in the units of the picture."""
        return EDGE + ACROSS * self.column + WIDTH / 2, EDGE + DOWN * self.row + HEIGHT / 2


def drawings() -> dict[str, dict]:
    """Return every drawing by its name."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def draw(name: str) -> str:
    """Return one drawing as a block of raw HTML."""
    return "\n".join(["```{raw} html", f'<div class="drawing">{svg(name, drawings()[name])}</div>', "```"])


def svg(name: str, drawing: dict) -> str:
    """Return the picture: arrows first, so that boxes lie upon them."""
    boxes = {key: Box(*box) for key, box in drawing["boxes"].items()}
    wide = max(box.centre[0] for box in boxes.values()) + WIDTH / 2 + EDGE
    tall = max(box.centre[1] for box in boxes.values()) + HEIGHT / 2 + EDGE
    marks = [_arrow(name, boxes[start], boxes[end], *word) for start, end, *word in drawing["arrows"]]
    marks += [_box(box) for box in boxes.values()]
    return (
        f'<svg class="drawn" viewBox="0 0 {wide:.0f} {tall:.0f}" style="--wide: {wide:.0f}px" role="img" '
        f'aria-labelledby="{name}-title {name}-text" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-title">{escape(drawing["title"])}</title>'
        f'<desc id="{name}-text">{escape(drawing["text"])}</desc>'
        f'<defs><marker id="{name}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>' + "".join(marks) + "</svg>"
    )


def _box(box: Box) -> str:
    x, y = box.centre
    lines = f'<text x="{x:.0f}" y="{y + (-3 if box.small else 5):.0f}">{escape(box.label)}</text>'
    if box.small:
        lines += f'<text class="small" x="{x:.0f}" y="{y + 14:.0f}">{escape(box.small)}</text>'
    corner = f'x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="4"'
    return f'<g class="{box.role}"><rect {corner}/>{lines}</g>'


def _arrow(name: str, start: Box, end: Box, word: str = "") -> str:
    (x, y), (u, v) = start.centre, end.centre
    across, down = u - x, v - y
    # how far along the line each box's border lies: the nearer of its two sides
    border = min(WIDTH / 2 / abs(across) if across else 9, HEIGHT / 2 / abs(down) if down else 9)
    a, b, c, d = x + across * border, y + down * border, u - across * border, v - down * border
    line = f'<path class="flow" marker-end="url(#{name}-tip)" d="M{a:.0f} {b:.0f}L{c:.0f} {d:.0f}"/>'
    if word:
        line += f'<text class="word" x="{(a + c) / 2:.0f}" y="{(b + d) / 2 + 4:.0f}">{escape(word)}</text>'
    return line
