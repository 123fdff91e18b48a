"""A small window for the shop in a notebook: tick what you like, and see. Taught in lesson 15."""

import html

from scenarios.recommend.shop import Shop, Suggestion


def panel(shop: Shop, k: int = 5):
    """Return a widget: a list to choose what you liked from, and what the shop would give you."""
    import ipywidgets

    titles = sorted((f"{item.title} ({', '.join(item.categories)})", item.id) for item in shop.items)
    liked = ipywidgets.SelectMultiple(options=titles, rows=8, layout={"width": "70%"}, description="liked")
    shown = ipywidgets.HTML()

    def show(_=None):
        shown.value = as_html(shop.recommend(list(liked.value), k))

    liked.observe(show, "value")
    show()
    return ipywidgets.VBox([liked, shown])


def as_html(found: list[Suggestion]) -> str:
    """Return suggestions as HTML; titles are shown, never run."""
    rows = [
        f"<li><b>{html.escape(one.title)}</b><br><small>{html.escape('; '.join(one.reasons))}</small></li>"
        for one in found
    ]
    return f"<ol>{''.join(rows)}</ol>" if rows else "<p>nothing is left to recommend</p>"
