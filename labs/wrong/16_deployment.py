import math

import numpy as np


# %% exercise 1: the two go on at once, and were added
def seconds(weights, tokens, macs_per_second, bytes_per_second):
    return weights * tokens / macs_per_second + weights / bytes_per_second


# %% exercise 1: every weight was fetched again for each token
def seconds(weights, tokens, macs_per_second, bytes_per_second):
    return max(weights * tokens / macs_per_second, weights * tokens / bytes_per_second)


# %% exercise 1: the memory was forgotten
def seconds(weights, tokens, macs_per_second, bytes_per_second):
    return weights * tokens / macs_per_second


# %% exercise 1: the slower of the two decides, not the faster
def seconds(weights, tokens, macs_per_second, bytes_per_second):
    return min(weights * tokens / macs_per_second, weights / bytes_per_second)


# %% exercise 2: these are words, not sentences
def golden_sentences(turned, words, chance):
    return math.ceil(math.log(1 - chance) / math.log(1 - turned))


# %% exercise 2: chances were added, as if no two tags could turn together
def golden_sentences(turned, words, chance):
    return math.ceil(chance / (turned * words))


# %% exercise 2: one sentence too few: the chance is not reached
def golden_sentences(turned, words, chance):
    return math.floor(math.log(1 - chance) / math.log(1 - turned) / words)


# %% exercise 2: so many miss it with that probability
def golden_sentences(turned, words, chance):
    return math.ceil(math.log(chance) / math.log((1 - turned) ** words))


# %% exercise 3: the slow beginning is in it
def report(times, warm_up):
    return times[0], np.median(times), np.percentile(times, 95)


# %% exercise 3: a mean and no median: one slow prediction moves it
def report(times, warm_up):
    return times[0], times[warm_up:].mean(), np.percentile(times[warm_up:], 95)


# %% exercise 3: the slowest of all is not the 95th percentile
def report(times, warm_up):
    return times[0], np.median(times[warm_up:]), times[warm_up:].max()


# %% exercise 3: the first prediction is the one before all others, warm or not
def report(times, warm_up):
    warm = times[warm_up:]
    return warm[0], np.median(warm), np.percentile(warm, 95)
