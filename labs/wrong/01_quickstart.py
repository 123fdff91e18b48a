import numpy as np


# %% exercise 1: the probabilities were divided, not their logarithms
def soften(probabilities, temperature):
    divided = probabilities / temperature
    return divided / divided.sum(-1, keepdim=True)


# %% exercise 1: a probability is no logit
def soften(probabilities, temperature):
    return (probabilities / temperature).softmax(-1)


# %% exercise 1: the softmax runs over the words, not over the labels
def soften(probabilities, temperature):
    return (probabilities.log() / temperature).softmax(0)


# %% exercise 1: multiplied by the temperature, which makes it sharper
def soften(probabilities, temperature):
    return (probabilities.log() * temperature).softmax(-1)


# %% exercise 1: these are odds, and do not sum to 1
def soften(probabilities, temperature):
    return (probabilities.log() / temperature).exp()


# %% exercise 2: the soft labels are credited with the weights as well
def gaps(baseline, twin, student):
    found = []
    for gap in (twin - baseline, student - baseline):
        found.append((gap.mean(), bool((gap > 0).all() or (gap < 0).all())))
    return tuple(found)


# %% exercise 2: the sign of the mean says nothing about the seeds
def gaps(baseline, twin, student):
    found = []
    for gap in (twin - baseline, student - twin):
        found.append((gap.mean(), bool(gap.mean() != 0)))
    return tuple(found)


# %% exercise 2: a loss with every seed has been measured, too
def gaps(baseline, twin, student):
    found = []
    for gap in (twin - baseline, student - twin):
        found.append((gap.mean(), bool((gap > 0).all())))
    return tuple(found)


# %% exercise 2: the best seed of each was compared
def gaps(baseline, twin, student):
    found = []
    for better, worse in ((twin, baseline), (student, twin)):
        gap = better - worse
        found.append((np.max(better) - np.max(worse), bool((gap > 0).all() or (gap < 0).all())))
    return tuple(found)


# %% exercise 2: the seeds are pairs: the first score of one belongs to the first of the others
def gaps(baseline, twin, student):
    found = []
    for better, worse in ((twin, baseline), (student, twin)):
        gap = np.sort(better) - np.sort(worse)
        found.append((gap.mean(), bool((gap > 0).all() or (gap < 0).all())))
    return tuple(found)
