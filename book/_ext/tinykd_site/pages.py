"""What every page gets: a description, typography, links to the glossary and to sources, names for screen readers."""

import re
from collections.abc import Callable
from functools import cache
from html import escape

from docutils import nodes
from sphinx.addnodes import pending_xref

from . import reference

#: where a reader without an installation can run a lesson; both open a repository on GitHub
LAUNCH = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}
LENGTH = 200  #: characters of a description
#: the arguments of a long signature, which Sphinx makes a list of definitions without terms
_ARGUMENTS = re.compile(r"<dl>\n((?:<dd>.*?</dd>\n)+)</dl>", re.DOTALL)
_LINES = re.compile(r"<dd>(.*?)</dd>", re.DOTALL)
_CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+")
_UNIT = re.compile(r"(?<=\d) (?=(?:%|MB|GB|ms|nats)(?!\w))")
_SOURCE = re.compile(r"getsource\(([\w.]+)\)")
#: in them nothing is a term, and nothing is written otherwise
VERBATIM = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.comment)


def buttons(app, config) -> None:
    """Offer launch, edit, issue and repository buttons if ``repository.url`` in ``_config.yml`` is set, none if not."""
    address = (config.html_theme_options.get("repository_url") or "").rstrip("/")
    options = {name: bool(address) for name in ("use_repository_button", "use_issues_button", "use_edit_page_button")}
    if address:
        launch = LAUNCH | ({"colab_url": "https://colab.research.google.com"} if "github.com/" in address else {})
        options |= {"repository_url": address, "launch_buttons": launch}
    else:
        for name in ("repository_url", "repository_branch", "launch_buttons"):
            config.html_theme_options.pop(name, None)
    config.html_theme_options.update(options)


def describe(app, name: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Give a page its description: its first paragraph of running text, cut at a word."""
    text = description(doctree) if doctree else ""
    if text:
        title = re.sub(r"<.*?>", "", context["title"])
        card = {"og:type": "article", "og:site_name": "tinykd", "og:title": title, "og:description": text}
        if app.config.html_baseurl:  # a card's picture needs a whole address
            card["og:image"] = f"{app.config.html_baseurl.rstrip('/')}/_static/scoreboard.png"
        tags = [f'<meta name="description" content="{escape(text)}" />']
        tags += [f'<meta property="{key}" content="{escape(value)}" />' for key, value in card.items()]
        context["metatags"] = "\n".join([context.get("metatags", ""), *tags])


def caption(app, doctree: nodes.document) -> None:
    """Give the table that a cell makes the caption in the cell's metadata, as myst-nb does for a figure."""
    captions = app.env.temp_data.get("captions", {})
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code" and cell["cell_index"] in captions:
            for table in cell.findall(nodes.table):
                table.insert(0, nodes.title("", captions[cell["cell_index"]]))
                doctree.set_id(table)


def typography(app, doctree: nodes.document) -> None:
    """Keep a number and its unit in one line, and say which words are Chinese."""
    for text in list(doctree.findall(nodes.Text)):
        if not _within(text, VERBATIM):
            whole = nodes.Text(_UNIT.sub("\N{NO-BREAK SPACE}", text))
            text.parent.replace(text, whole)
            _split(whole, _CHINESE, lambda found: nodes.inline("", found[0], classes=["language-zh"]))


def link_terms(app, doctree: nodes.document) -> None:
    """Link the first mention of each glossary term in a lesson."""
    if not app.env.docname.startswith("notebooks/"):
        return
    known = {term.lower(): term for term in terms()}
    longest_first = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    any_term = re.compile(rf"(?<![\w-])({longest_first})(?![\w-])", re.IGNORECASE)

    def linked(found: re.Match) -> nodes.Node | None:
        term = known.pop(found[0].lower(), None)
        if not term:
            return None
        shown = nodes.inline("", found[0], classes=["term"])
        of = {"refdomain": "std", "reftype": "term", "reftarget": term, "refdoc": app.env.docname, "refexplicit": True}
        return pending_xref("", shown, **of)

    for paragraph in doctree.findall(nodes.paragraph):
        for text in list(paragraph.findall(nodes.Text)):
            if not _within(text, (*VERBATIM, nodes.reference, pending_xref, nodes.caption)):
                _split(text, any_term, linked)


@cache
def terms() -> list[str]:
    """Return the terms of the glossary that stand in a text as they are."""
    text = (reference.ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    inside = text.split("```{glossary}", 1)[1].split("```", 1)[0]
    return [line for line in inside.splitlines() if line[:1].isalnum() and "," not in line]


def sources(app, doctree: nodes.document) -> None:
    """Highlight the source of ours that a cell prints, and link it to the reference."""
    if not app.env.docname.startswith("notebooks/"):
        return
    places = {written: place for place, written in reference.called(app.env.docname).items()}
    for cell in doctree.findall(nodes.container):
        shown = _SOURCE.findall(cell.astext()) if cell.get("nb_element") == "cell_code" else []
        for block in cell.findall(nodes.literal_block) if shown else ():
            if "output" in block["classes"]:
                block["language"] = "python"
        for name in filter(places.__contains__, shown):
            of = {"refdomain": "py", "reftype": "obj", "reftarget": places[name], "refdoc": app.env.docname}
            link = pending_xref("", nodes.literal("", name), **of)
            cell += nodes.paragraph("", "In the reference: ", link, classes=["source-link"])


def _within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def _split(text: nodes.Text, pattern: re.Pattern, make: Callable[[re.Match], nodes.Node | None]) -> None:
    """Replace what the pattern finds in a text by nodes; what ``make`` gives no node for stays."""
    parts, done = [], 0
    for found in pattern.finditer(text):
        if new := make(found):
            parts += [nodes.Text(text[done : found.start()]), new]
            done = found.end()
    if parts:
        text.parent.replace(text, [*parts, nodes.Text(text[done:])])


def fold(app, name: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Let a module's long name in the contents of its page go on in a second line, after a dot."""
    names = re.compile(r'(?<=<span class="pre">)(?:tinykd|scenarios)\.[\w.]+')
    context["toc"] = names.sub(lambda found: found[0].replace(".", ".<wbr/>"), context.get("toc") or "")


def mend(app, name: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Mend what a screen reader stumbles over: a list role without items, one without terms, a fold without a name."""
    body = context.get("body", "").replace(' role="list" class="citation-list"', ' class="citation-list"')
    context["body"] = _ARGUMENTS.sub(lambda found: _LINES.sub(r'<span class="sig-line">\1</span>', found[1]), body)
    contents = context.get("generate_toctree_html")
    if contents:

        def named(*given, **options) -> str:
            fold = '<summary aria-label="Show or hide the pages below">'
            return str(contents(*given, **options)).replace("<summary>", fold)

        context["generate_toctree_html"] = named


def slug(heading: str) -> str:
    """Return the address of a heading within its page: JupyterLab's, so that a link works there and here.

    >>> slug("Static: which hundred?")
    'Static:-which-hundred?'
    """
    return heading.replace(" ", "-")


def description(doctree: nodes.document) -> str:
    """Return what a lesson teaches, or the first paragraph of more than a few words: no markup, ``LENGTH`` at most."""
    texts = [re.sub(r"\s+", " ", _text(paragraph)).strip() for paragraph in doctree.findall(nodes.paragraph)]
    taught = [text for text in texts if text.startswith("You will learn")]
    found = taught + [text for text in texts if len(text) > 40]
    text = " ".join(found[: 1 if found and len(found[0]) > 60 else 2])
    return text if len(text) <= LENGTH else text[: LENGTH - 1].rsplit(" ", 1)[0] + " …"


def _text(node: nodes.Node) -> str:
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, (nodes.math, nodes.raw)):
        return ""
    return "".join(_text(child) for child in node.children)
