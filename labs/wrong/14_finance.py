def others_of(texts, place, seen, same):
    text = texts[place]
    return {other.company for other in seen if same(other, text) and other.weight > 0.5} - {text.company}


# %% exercise 1: the sum must not fall below zero
def levels(days, weights, drift):
    found, level, before = [], 0.0, days[0]
    for day, weight in zip(days, weights, strict=True):
        level += weight - drift * (day - before)
        before = day
        found.append(level)
    return found


# %% exercise 1: the drift was taken for each text, and it is for each day
def levels(days, weights, drift):
    found, level = [], 0.0
    for number, weight in enumerate(weights):
        level = max(0.0, level - drift * (number > 0)) + weight
        found.append(level)
    return found


# %% exercise 1: the text was added before time had taken its share
def levels(days, weights, drift):
    found, level, before = [], 0.0, days[0]
    for day, weight in zip(days, weights, strict=True):
        level = max(0.0, level + weight - drift * (day - before))
        before = day
        found.append(level)
    return found


# %% exercise 1: nothing was forgotten
def levels(days, weights, drift):
    return [float(sum(weights[: n + 1])) for n in range(len(weights))]


# %% exercise 1: time was counted from the first text, again and again
def levels(days, weights, drift):
    found, level = [], 0.0
    for day, weight in zip(days, weights, strict=True):
        level = max(0.0, level - drift * (day - days[0])) + weight
        found.append(level)
    return found


# %% exercise 2: the texts of later that day were looked at
def softened(texts, companies):
    def same(one, two):
        return (one.day, one.topic) == (two.day, two.topic)

    return [t.weight * (1 - len(others_of(texts, n, texts, same)) / (companies - 1)) for n, t in enumerate(texts)]


# %% exercise 2: other topics were counted as well
def softened(texts, companies):
    def same(one, two):
        return one.day == two.day

    return [t.weight * (1 - len(others_of(texts, n, texts[:n], same)) / (companies - 1)) for n, t in enumerate(texts)]


# %% exercise 2: other days were counted as well
def softened(texts, companies):
    def same(one, two):
        return one.topic == two.topic

    return [t.weight * (1 - len(others_of(texts, n, texts[:n], same)) / (companies - 1)) for n, t in enumerate(texts)]


# %% exercise 2: texts were counted, not companies
def softened(texts, companies):
    found = []
    for n, t in enumerate(texts):
        bad = [o for o in texts[:n] if (o.day, o.topic) == (t.day, t.topic) and o.weight > 0.5]
        found.append(t.weight * (1 - sum(o.company != t.company for o in bad) / (companies - 1)))
    return found


# %% exercise 2: the company was counted among the others
def softened(texts, companies):
    found = []
    for n, t in enumerate(texts):
        bad = {o.company for o in texts[:n] if (o.day, o.topic) == (t.day, t.topic) and o.weight > 0.5}
        found.append(t.weight * (1 - len(bad) / (companies - 1)))
    return found


# %% exercise 2: good news was counted as well
def softened(texts, companies):
    found = []
    for n, t in enumerate(texts):
        bad = {o.company for o in texts[:n] if (o.day, o.topic) == (t.day, t.topic)} - {t.company}
        found.append(t.weight * (1 - len(bad) / (companies - 1)))
    return found


# %% exercise 2: one half is not above one half
def softened(texts, companies):
    lessened = []
    for place, text in enumerate(texts):
        bad = {
            other.company
            for other in texts[: place + 1]
            if (other.day, other.topic) == (text.day, text.topic) and other.weight >= 0.5
        }
        lessened.append(text.weight * (1 - len(bad - {text.company}) / (companies - 1)))
    return lessened
