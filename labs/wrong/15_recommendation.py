import numpy as np


# %% exercise 1: a hit was worth the same at every place
def ndcg(shown, liked):
    return sum(item in liked for item in shown) / min(len(liked), len(shown))


# %% exercise 1: no list can have more hits than there are liked items
def ndcg(shown, liked):
    worth = 1 / np.log2(np.arange(len(shown)) + 2)
    return float(worth[[item in liked for item in shown]].sum() / worth.sum())


# %% exercise 1: discounted by the place itself, not by its logarithm
def ndcg(shown, liked):
    worth = 1 / (np.arange(len(shown)) + 1)
    return float(worth[[item in liked for item in shown]].sum() / worth[: len(liked)].sum())


# %% exercise 1: not divided by the best list possible
def ndcg(shown, liked):
    worth = 1 / np.log2(np.arange(len(shown)) + 2)
    return float(worth[[item in liked for item in shown]].sum())


# %% exercise 2: everybody was cut in the middle of their own likes, not on one day
def cases(likes, day):
    found = {}
    for user, item, _ in sorted(likes, key=lambda like: like[2]):
        found.setdefault(user, []).append(item)
    halves = {user: (items[: len(items) // 2], set(items[len(items) // 2 :])) for user, items in found.items()}
    return {user: half for user, half in halves.items() if half[0] and half[1]}


# %% exercise 2: a like at the moment of the question is of the future
def cases(likes, day):
    found = {}
    for user, item, time in sorted(likes, key=lambda like: like[2]):
        history, future = found.setdefault(user, ([], set()))
        history.append(item) if time <= day else future.add(item)
    return {user: case for user, case in found.items() if case[0] and case[1]}


# %% exercise 2: somebody without a history was asked
def cases(likes, day):
    found = {}
    for user, item, time in sorted(likes, key=lambda like: like[2]):
        history, future = found.setdefault(user, ([], set()))
        history.append(item) if time < day else future.add(item)
    return {user: case for user, case in found.items() if case[1]}


# %% exercise 2: the future is in the history
def cases(likes, day):
    found = {}
    for user, item, time in sorted(likes, key=lambda like: like[2]):
        history, future = found.setdefault(user, ([], set()))
        history.append(item)
        if time >= day:
            future.add(item)
    return {user: case for user, case in found.items() if case[1] and len(case[0]) > len(case[1])}


# %% exercise 2: the history is not in the order of time
def cases(likes, day):
    found = {}
    for user, item, time in likes:
        history, future = found.setdefault(user, ([], set()))
        history.append(item) if time < day else future.add(item)
    return {user: case for user, case in found.items() if case[0] and case[1]}


# %% exercise 3: the oldest counted most
def interest(vectors, half_life):
    total = 0.5 ** (np.arange(len(vectors))[::-1] / half_life) @ vectors
    return total / np.linalg.norm(total)


# %% exercise 3: the length is not 1
def interest(vectors, half_life):
    weight = 0.5 ** (np.arange(len(vectors)) / half_life)
    return weight @ vectors / weight.sum()


# %% exercise 3: all likes counted the same
def interest(vectors, half_life):
    total = vectors.sum(0)
    return total / np.linalg.norm(total)


# %% exercise 3: after a half-life a third was left, not a half
def interest(vectors, half_life):
    total = np.exp(-np.arange(len(vectors)) / half_life) @ vectors
    return total / np.linalg.norm(total)


# %% exercise 1: the best list is as long as this one
def ndcg(shown, liked):
    worth = 1 / np.log2(np.arange(max(len(shown), len(liked))) + 2)
    found = sum(worth[place] for place, item in enumerate(shown) if item in liked)
    return float(found / worth[: len(liked)].sum())


# %% exercise 2: somebody without a future was asked
def cases(likes, day):
    found = {}
    for user, item, time in sorted(likes, key=lambda like: like[2]):
        history, future = found.setdefault(user, ([], set()))
        if time < day:
            history.append(item)
        else:
            future.add(item)
    return {user: (history, future) for user, (history, future) in found.items() if history}


# %% exercise 2: the items alone are kept, without user and time
def cases(likes, day):
    users = {user for user, _, _ in likes}
    found = {}
    for who in users:
        mine = sorted((time, item) for user, item, time in likes if user == who)
        past, future = [like for like in mine if like[0] < day], {like for like in mine if like[0] >= day}
        if past and future:
            found[who] = past, future
    return found
