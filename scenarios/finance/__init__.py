"""Opinion about companies: a stream of dated texts, two heads, control charts, alerts. Lesson 14.

A distilled student says of each text what it is about and whether it is bad news. One chart for each company and topic
adds the bad news up and lets it fade. Where a chart reaches its limit there is an alert, with its reason and its
texts, in the same transaction as the text that raised it.
"""

from scenarios.finance.charts import Chart, Cusum, Mark, Quiet, Share, State, limit
from scenarios.finance.heads import Opinion, accuracy, labels_of, opinions, with_both
from scenarios.finance.monitor import Alert, Monitor, as_json
from scenarios.finance.sources import Item, as_line, entity_in, feed, files, lines, read_item
from scenarios.finance.work import (
    Crisis,
    Setup,
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
