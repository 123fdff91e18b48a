import numpy as np


# %% exercise 1: the spread is that of the differences, not of the scores
def compare(ours, theirs):
    gain = ours.mean() - theirs.mean()
    return gain, bool(abs(gain) >= 2 * ours.std(ddof=1))


# %% exercise 1: once the spread is not enough
def compare(ours, theirs):
    gains = ours - theirs
    return gains.mean(), bool(abs(gains.mean()) >= gains.std(ddof=1))


# %% exercise 1: divided by the number of seeds, not by one less
def compare(ours, theirs):
    gains = ours - theirs
    return gains.mean(), bool(abs(gains.mean()) >= 2 * gains.std())


# %% exercise 1: a loss can be shown, too
def compare(ours, theirs):
    gains = ours - theirs
    return gains.mean(), bool(gains.mean() >= 2 * gains.std(ddof=1))


# %% exercise 2: this is the share of the teacher's score; the twin must count
def way(teacher, student, twin):
    return student.mean() / teacher.mean()


# %% exercise 2: this is the mean of the shares; take the means first
def way(teacher, student, twin):
    return ((student - twin) / (teacher - twin)).mean()


# %% exercise 2: turned round: the way that is left
def way(teacher, student, twin):
    return (teacher.mean() - student.mean()) / (teacher.mean() - twin.mean())
