import numpy as np


# %% exercise 1: the sum prefers long sentences
def uncertainty(rows):
    said = [np.exp(row) / np.exp(row).sum(-1, keepdims=True) for row in rows]
    return np.array([-(p * np.log(p)).sum() for p in said])


# %% exercise 1: this is doubt of the best label alone
def uncertainty(rows):
    said = [np.exp(row) / np.exp(row).sum(-1, keepdims=True) for row in rows]
    return np.array([(1 - p.max(-1)).mean() for p in said])


# %% exercise 1: these are bits, not nats
def uncertainty(rows):
    said = [np.exp(row) / np.exp(row).sum(-1, keepdims=True) for row in rows]
    return np.array([-(p * np.log2(p)).sum(-1).mean() for p in said])


# %% exercise 1: the softmax runs over the words, not over the classes
def uncertainty(rows):
    said = [np.exp(row) / np.exp(row).sum(0) for row in rows]
    return np.array([-(p * np.log(p)).sum(-1).mean() for p in said])


# %% exercise 1: a probability that was rounded to 0 has no logarithm
def uncertainty(rows):
    found = []
    for logits in rows:
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        said = powers / powers.sum(-1, keepdims=True)
        found.append(-(said * np.log(said)).sum(-1).mean())
    return np.array(found)


# %% exercise 2: rounded shares need not sum to the places
def allocate(counts, size):
    return np.maximum(1, np.round(size * counts / counts.sum())).astype(int)


# %% exercise 2: a small stratum got no place at all
def allocate(counts, size):
    exact = size * counts / counts.sum()
    places = np.floor(exact).astype(int)
    places[np.argsort(places - exact, kind="stable")[: size - places.sum()]] += 1
    return places


# %% exercise 2: everybody got the same, whatever their share
def allocate(counts, size):
    places = np.full(len(counts), size // len(counts))
    places[: size - places.sum()] += 1
    return places


# %% exercise 2: the largest stratum paid, and not the one above its share
def allocate(counts, size):
    exact = size * counts / counts.sum()
    places = np.floor(exact).astype(int)
    places[np.argsort(places - exact, kind="stable")[: size - places.sum()]] += 1
    if size >= len(counts):
        for empty in np.flatnonzero(places == 0):
            places[places.argmax()] -= 1
            places[empty] += 1
    return places


# %% exercise 3: the tags of the old name were kept
def swap(tokens, tags, first, last, name):
    return tokens[:first] + name + tokens[last:], list(tags)


# %% exercise 3: every word of the name begins a new one
def swap(tokens, tags, first, last, name):
    return tokens[:first] + name + tokens[last:], tags[:first] + [tags[first]] * len(name) + tags[last:]


# %% exercise 3: the name has no B- at its beginning
def swap(tokens, tags, first, last, name):
    inside = [tags[first].replace("B-", "I-")] * len(name)
    return tokens[:first] + name + tokens[last:], tags[:first] + inside + tags[last:]


# %% exercise 3: one word too many was cut out
def swap(tokens, tags, first, last, name):
    inside = [tags[first]] + [tags[first].replace("B-", "I-")] * (len(name) - 1)
    return tokens[:first] + name + tokens[last + 1 :], tags[:first] + inside + tags[last + 1 :]


# %% exercise 3: what was given to swap was changed
def swap(tokens, tags, first, last, name):
    type_ = tags[first].removeprefix("B-")
    tokens[first:last] = name
    tags[first:last] = [f"B-{type_}"] + [f"I-{type_}"] * (len(name) - 1)
    return tokens, tags
