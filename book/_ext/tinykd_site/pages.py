"""What every page gets: a description, names for screen readers, buttons only where they lead somewhere."""

import re

from docutils import nodes

#: where a reader without an installation can run a lesson; both open a repository on GitHub
LAUNCH = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}
LENGTH = 200  #: characters of a description
#: the arguments of a long signature, which Sphinx makes a list of definitions without terms
_ARGUMENTS = re.compile(r"<dl>\n((?:<dd>.*?</dd>\n)+)</dl>", re.DOTALL)
_LINES = re.compile(r"<dd>(.*?)</dd>", re.DOTALL)


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
        safe = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
        context["metatags"] = context.get("metatags", "") + f'\n<meta name="description" content="{safe}" />'


def caption(app, doctree: nodes.document) -> None:
    """Give the table that a cell makes the caption in the cell's metadata, as myst-nb does for a figure."""
    captions = app.env.temp_data.get("captions", {})
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code" and cell["cell_index"] in captions:
            for table in cell.findall(nodes.table):
                table.insert(0, nodes.title("", captions[cell["cell_index"]]))
                doctree.set_id(table)


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
