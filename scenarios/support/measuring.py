"""What a desk is worth: who of those that wrote was helped, and how quickly. Taught in lesson 13."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from scenarios.support.desk import Desk
from scenarios.support.files import FOLDER
from scenarios.support.retrieval import recall
from scenarios.support.work import confidences, marked, texts_of


def measure(desk: Desk, folder: Path = FOLDER) -> dict:
    """Measure a desk on ``test``.

    Returns:
        ``accuracy`` of the intents; ``auroc``, how well confidence parts messages in scope from those out of scope;
        ``recall`` of the articles, as :func:`recall` gives it; ``outcomes``, what became of messages of each
        kind, as shares; ``messages_per_second``, read in batches; ``milliseconds``, the median and the 95th percentile
        of a whole answer.
    """
    known, unknown, asked = texts_of(folder, "test")
    start = time.perf_counter()
    intents, inside = zip(*desk.read(list(known)), strict=True)
    throughput = len(known) / (time.perf_counter() - start)
    times: list[float] = []
    outcomes = {
        "in scope": _outcomes(desk, [(text, intent, None) for text, intent in known.items()], times),
        "questions": _outcomes(desk, [(question.text, None, question.article) for question in asked], times),
        "out of scope": _outcomes(desk, [(text, None, None) for text in unknown], times),
    }
    return {
        "accuracy": float(np.mean([intent == gold for intent, gold in zip(intents, known.values(), strict=True)])),
        "auroc": float(roc_auc_score(*marked(inside, confidences(desk, unknown)))),
        "recall": recall(desk.knowledge, asked),
        "outcomes": outcomes,
        "sure": desk.sure,
        "close": desk.close,
        "messages_per_second": throughput,
        "milliseconds": {"median": float(np.median(times)), "p95": float(np.percentile(times, 95))},
    }


def _outcomes(desk: Desk, rows: list[tuple[str, str | None, str | None]], times: list[float]) -> dict[str, float]:
    """What became of (text, intent, article) rows, as shares.

    A template or an article that the corpus does not name is wrong; some of these articles would help all the same.
    """
    names = ("right intent", "wrong intent", "right article", "other article", "asked for words", "person")
    counts = Counter(dict.fromkeys(names, 0))
    for text, intent, article in rows:
        start = time.perf_counter()
        reply = desk.answer(text)
        times.append(1000 * (time.perf_counter() - start))
        if reply.kind == "person":
            counts["person"] += 1
        elif reply.kind == "knowledge":
            counts["right article" if reply.article == article else "other article"] += 1
        elif reply.intent is None:
            counts["asked for words"] += 1
        else:
            counts["right intent" if reply.intent == intent else "wrong intent"] += 1
    return {name: counts[name] / len(rows) for name in names}
