from tinykd.text import entities


# %% exercise 1: O is counted, and this is token accuracy
def entity_f1(gold, found):
    pairs = [(g, f) for one, two in zip(gold, found, strict=True) for g, f in zip(one, two, strict=True)]
    return sum(g == f for g, f in pairs) / len(pairs)


# %% exercise 1: the type is not compared
def entity_f1(gold, found):
    g, f = ({(n, *e[1:]) for n, tags in enumerate(rows) for e in entities(tags)} for rows in (gold, found))
    return 2 * len(g & f) / (len(g) + len(f)) if g & f else 0.0


# %% exercise 1: only the first border is compared
def entity_f1(gold, found):
    g, f = ({(n, *e[:2]) for n, tags in enumerate(rows) for e in entities(tags)} for rows in (gold, found))
    return 2 * len(g & f) / (len(g) + len(f)) if g & f else 0.0


# %% exercise 1: an entity of another sentence counts as found
def entity_f1(gold, found):
    g, f = ({e for tags in rows for e in entities(tags)} for rows in (gold, found))
    return 2 * len(g & f) / (len(g) + len(f)) if g & f else 0.0


# %% exercise 1: a mean over the sentences, not one division at the end
def entity_f1(gold, found):
    scores = []
    for one, two in zip(gold, found, strict=True):
        g, f = set(entities(one)), set(entities(two))
        scores.append(2 * len(g & f) / (len(g) + len(f)) if g & f else 0.0)
    return sum(scores) / len(scores)


# %% exercise 2: O is counted
def without_o(gold, found):
    right = sum(g == f for g, f in zip(gold, found, strict=True))
    return right / len(found), right / len(gold)


# %% exercise 2: words that are O were dropped, and with them the false alarms
def without_o(gold, found):
    pairs = [(g, f) for g, f in zip(gold, found, strict=True) if g != "O"]
    right = sum(g == f for g, f in pairs)
    return right / sum(f != "O" for _, f in pairs), right / len(pairs)


# %% exercise 2: a name was enough, of whatever type
def without_o(gold, found):
    right = sum(g != "O" and f != "O" for g, f in zip(gold, found, strict=True))
    return right / sum(f != "O" for f in found), right / sum(g != "O" for g in gold)


# %% exercise 2: precision and recall are exchanged
def without_o(gold, found):
    right = sum(g == f != "O" for g, f in zip(gold, found, strict=True))
    return right / sum(g != "O" for g in gold), right / sum(f != "O" for f in found)


# %% exercise 3: one tag of each entity is enough
def spoil(tags):
    return ["O"] * len(tags)


# %% exercise 3: an entity is still right
def spoil(tags):
    spoilt = list(tags)
    for _, first, end in entities(tags):
        if end - first > 1:
            spoilt[end - 1] = "O"
    return spoilt


# %% exercise 3: words outside of every name were spoilt
def spoil(tags):
    return ["B-MISC" if tag == "O" else tag for tag in tags]


# %% exercise 2: B- and I- are different tags
def without_o(gold, found):
    kinds = [[tag[2:] for tag in tags] for tags in (gold, found)]
    right = sum(said == true != "" for true, said in zip(*kinds, strict=True))
    return right / sum(tag != "O" for tag in found), right / sum(tag != "O" for tag in gold)


# %% exercise 1: only the last border is compared
def entity_f1(gold, found):
    g, f = ({(n, e[0], e[2]) for n, tags in enumerate(rows) for e in entities(tags)} for rows in (gold, found))
    return 2 * len(g & f) / (len(g) + len(f)) if g & f else 0.0
