"""What a page need not load is taken out of the built site: half of its weight."""

import re
from pathlib import Path

from PIL import Image

_SCRIPT = r'\s*<(?:script|link)[^>]*"[^"]*(?:%s)\.js[^>]*>(?:</script>)?'
_DRAWN_TWICE = re.compile(_SCRIPT % "fontawesome")  # its icons come as a font, too
_SEARCH = re.compile(_SCRIPT % "searchtools|language_data|searchindex")  # which has a page of its own
_ICON = re.compile(r'(?:\.fa-[a-z0-9-]+(?::before)?,?)+\{(?:--fa|content):"[^"]*"\}')


#: of MathJax: two thirds of the bytes of its bundle
PARTS = ["input/tex-base", "[tex]/ams", "output/chtml", "a11y/assistive-mml"]


def formulas(app, config) -> None:
    """Load MathJax in parts; the extension that brings it along has set its bundle."""
    config.mathjax_path = "mathjax/startup.js"
    config.mathjax3_config = {"loader": {"load": PARTS}, "tex": {"packages": {"[+]": ["ams"]}}}


def lighten(app, error: Exception | None) -> None:
    """Leave out scripts that no page needs and icons that none shows; keep 256 colours of each figure."""
    if error or app.builder.format != "html":
        return
    site, used = Path(app.outdir), {"xmark"}
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"\bfa-([a-z0-9-]+)", text))
        light = _DRAWN_TWICE.sub("", text)
        path.write_text(light if path.name == "search.html" else _SEARCH.sub("", light), encoding="utf-8")
    for path in site.glob("_static/scripts/fontawesome.js*"):
        path.unlink()
    for path in site.glob("_images/*.png"):
        Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)
    style = site / "_static" / "styles" / "pydata-sphinx-theme.css"
    kept = _ICON.sub(
        lambda rule: rule[0] if used & set(re.findall(r"\.fa-([a-z0-9-]+)", rule[0])) else "",
        style.read_text(encoding="utf-8"),
    )
    style.write_text(kept, encoding="utf-8")
