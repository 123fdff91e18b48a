import numpy as np


# %% exercise 1: messages were counted, not shares: a person who writes more has more weight
def best_threshold(customers, strangers):
    tried = sorted({*customers.tolist(), *strangers.tolist()}, reverse=True)
    return max(tried, key=lambda t: (customers >= t).sum() + (strangers < t).sum())


# %% exercise 1: a message at the threshold is answered, too
def best_threshold(customers, strangers):
    tried = sorted({*customers.tolist(), *strangers.tolist()}, reverse=True)
    return max(tried, key=lambda t: (customers > t).mean() + (strangers <= t).mean())


# %% exercise 1: only the strangers were looked at
def best_threshold(customers, strangers):
    tried = sorted({*customers.tolist(), *strangers.tolist()}, reverse=True)
    return max(tried, key=lambda t: (strangers < t).mean())


# %% exercise 1: halfway between the two means is not the best
def best_threshold(customers, strangers):
    return (customers.mean() + strangers.mean()) / 2


# %% exercise 2: the threshold was set on test
def report(choose, valid, test):
    threshold = choose(*test)
    return (test[0] >= threshold).mean(), (test[1] < threshold).mean()


# %% exercise 2: the shares are those of valid, on which the threshold was set
def report(choose, valid, test):
    threshold = choose(*valid)
    return (valid[0] >= threshold).mean(), (valid[1] < threshold).mean()


# %% exercise 2: test had a part in setting the threshold
def report(choose, valid, test):
    threshold = choose(np.r_[valid[0], test[0]], np.r_[valid[1], test[1]])
    return (test[0] >= threshold).mean(), (test[1] < threshold).mean()


# %% exercise 2: these are the strangers that were answered
def report(choose, valid, test):
    threshold = choose(*valid)
    return (test[0] >= threshold).mean(), (test[1] >= threshold).mean()


# %% exercise 3: the best has rank 1, not 0
def fused(words, meaning, k):
    return sum(1 / (k + (s[None, :] > s[:, None]).sum(1)) for s in (words, meaning))


# %% exercise 3: ranked from the wrong end
def fused(words, meaning, k):
    return sum(1 / (k + 1 + (s[None, :] < s[:, None]).sum(1)) for s in (words, meaning))


# %% exercise 3: the constant is fixed at 60
def fused(words, meaning, k):
    return sum(1 / (61 + (s[None, :] > s[:, None]).sum(1)) for s in (words, meaning))


# %% exercise 3: equal scores were given different ranks
def fused(words, meaning, k):
    return sum(1 / (k + 1 + np.argsort(np.argsort(-s, kind="stable"), kind="stable")) for s in (words, meaning))


# %% exercise 3: scores were added, and they live on different scales
def fused(words, meaning, k):
    return words + meaning


# %% exercise 1: a stranger at the threshold is answered, too
def best_threshold(customers, strangers):
    tried = sorted({*customers.tolist(), *strangers.tolist()}, reverse=True)
    return max(tried, key=lambda threshold: (customers >= threshold).mean() + (strangers <= threshold).mean())


# %% exercise 2: a message at the threshold is answered, too
def report(choose, valid, test):
    threshold = choose(*valid)
    customers, strangers = test
    return (customers > threshold).mean(), (strangers <= threshold).mean()


# %% exercise 2: customers and strangers are exchanged
def report(choose, valid, test):
    threshold = choose(valid[1], valid[0])
    return (test[0] >= threshold).mean(), (test[1] < threshold).mean()
