"""A small window for the monitor in a notebook. Taught in lesson 14."""

import html

from scenarios.finance.monitor import Monitor


def panel(monitor: Monitor, days: float = 7.0):
    """Return a widget: choose a company; below, its negative share by topic, and its alerts with their texts."""
    import ipywidgets

    names = [row[0] for row in monitor.connection.execute("SELECT DISTINCT entity FROM texts ORDER BY 1").fetchall()]
    company = ipywidgets.Dropdown(options=[name for name in names if name], description="company")
    shown = ipywidgets.HTML()

    def show(_=None):
        shown.value = as_html(monitor, company.value, days) if company.value else "no texts yet"

    company.observe(show, "value")
    show()
    return ipywidgets.VBox([company, shown])


def as_html(monitor: Monitor, entity: str, days: float = 7.0) -> str:
    """Return one company's last negative shares and its alerts; what others wrote is shown, never run."""
    shares = monitor.shares(days)
    last = shares[shares["entity"] == entity].groupby("topic").last()
    bars = "".join(
        f"<div>{html.escape(topic)}: {row.share:.0%} of {row.texts:.0f}"
        f"<div style='width:{round(200 * row.share)}px;height:8px;background:#CC79A7'></div></div>"
        for topic, row in last.iterrows()
    )
    found = []
    for alert in monitor.alerts():
        if alert.entity == entity:
            texts = "".join(f"<li>{html.escape(monitor.text(id))}</li>" for id in alert.texts)
            found.append(f"<p><b>{alert.time:%d %B, %H:%M}</b> {html.escape(alert.reason)}</p><ul>{texts}</ul>")
    return f"<b>{html.escape(entity)}</b>, negative share of the last texts{bars}{''.join(found) or '<p>no alert</p>'}"
