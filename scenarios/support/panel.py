"""A small window for the desk in a notebook. Taught in lesson 13."""

import html

from scenarios.support.desk import Conversation, Desk, Reply


def panel(desk: Desk):
    """Return a widget: a line to write in, a button for a new conversation, and what was said below."""
    import ipywidgets

    line = ipywidgets.Text(
        placeholder="write as a customer, then press Enter", continuous_update=False, layout={"width": "70%"}
    )
    new = ipywidgets.Button(description="new conversation")
    shown = ipywidgets.HTML()
    state = {"conversation": Conversation()}

    def write(change):
        if change["new"]:
            shown.value += as_html(change["new"], desk.answer(change["new"], state["conversation"]))
            line.value = ""

    def begin(_):
        state["conversation"], shown.value = Conversation(), ""

    line.observe(write, "value")
    new.on_click(begin)
    return ipywidgets.VBox([ipywidgets.HBox([line, new]), shown])


def as_html(message: str, reply: Reply) -> str:
    """Return one exchange as HTML; what the customer wrote is shown, never run."""
    why = ", ".join(
        [f"{name} {value:.2f}" for name in ("confidence", "cosine") if (value := getattr(reply, name)) is not None]
        + [value for value in (reply.intent, reply.article, reply.reason) if value]
    )
    return (
        f"<p><b>{html.escape(message) or '(empty)'}</b><br>"
        f"<i>{reply.kind}</i>: {html.escape(reply.text)}"
        f"<br><small>{html.escape(why)}</small></p>"
    )
