"""Opinion about companies: a stream of dated texts, two heads, control charts, alerts. Lesson 12.

A distilled student says of each text what it is about and whether it is bad news. One chart for each company and topic
adds the bad news up and lets it fade. Where a chart reaches its limit there is an alert, with its reason and its
texts, in the same transaction as the text that raised it.
"""

from tinykd.scenarios.finance.charts import Chart, Cusum, Mark, Quiet, Share, State, limit
from tinykd.scenarios.finance.heads import Opinion, accuracy, labels_of, opinions, with_both
from tinykd.scenarios.finance.monitor import Alert, Monitor, as_json
from tinykd.scenarios.finance.phrasebank import AGREEMENTS, phrasebank
from tinykd.scenarios.finance.sources import Item, entity_in, feed, files, lines, read_item
from tinykd.scenarios.finance.work import (
    Crisis,
    Setup,
    as_line,
    charts,
    crises,
    load_chart,
    measure,
    quiet_time,
    reader,
    save_chart,
    stream,
    stream_gold,
    train,
)

__all__ = [
    "AGREEMENTS",
    "Alert",
    "Chart",
    "Crisis",
    "Cusum",
    "Item",
    "Mark",
    "Monitor",
    "Opinion",
    "Quiet",
    "Setup",
    "Share",
    "State",
    "accuracy",
    "as_json",
    "as_line",
    "charts",
    "crises",
    "entity_in",
    "feed",
    "files",
    "labels_of",
    "limit",
    "lines",
    "load_chart",
    "measure",
    "opinions",
    "phrasebank",
    "quiet_time",
    "read_item",
    "reader",
    "save_chart",
    "stream",
    "stream_gold",
    "train",
    "with_both",
]
