import numpy as np


# %% exercise 1: sentences were counted, not their work
def cascade_cost(student, work, deferred):
    return student + deferred.mean()


# %% exercise 1: the student reads every sentence, also those that are deferred
def cascade_cost(student, work, deferred):
    share = work[deferred].sum() / work.sum()
    return (1 - share) * student + share


# %% exercise 1: the work that is kept was counted, not what is deferred
def cascade_cost(student, work, deferred):
    return student + work[~deferred].sum() / work.sum()


# %% exercise 1: this is the cost of running both on everything
def cascade_cost(student, work, deferred):
    return student + 1


# %% exercise 2: every bin weighs the same, however few its words
def calibration_error(probabilities, labels, bins):
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    place = np.ceil(sure * bins).astype(int)
    gaps = [abs(sure[place == k].mean() - right[place == k].mean()) for k in np.unique(place)]
    return float(np.mean(gaps))


# %% exercise 2: too sure in one place and too unsure in another cancel
def calibration_error(probabilities, labels, bins):
    return abs(probabilities.max(-1).mean() - (probabilities.argmax(-1) == labels).mean())


# %% exercise 2: the probability of the right label is not the confidence
def calibration_error(probabilities, labels, bins):
    sure, right = probabilities[np.arange(len(labels)), labels], probabilities.argmax(-1) == labels
    place = np.ceil(sure * bins).astype(int)
    return sum((place == k).mean() * abs(sure[place == k].mean() - right[place == k].mean()) for k in np.unique(place))


# %% exercise 2: too sure in one place and too unsure in another cancel
def calibration_error(probabilities, labels, bins):
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    place = np.ceil(sure * bins).astype(int)
    return sum((place == k).mean() * (sure[place == k].mean() - right[place == k].mean()) for k in np.unique(place))


# %% exercise 3: the threshold was chosen on test
def choose(costs, valid, test, budget):
    within = np.flatnonzero(costs <= budget)
    best = within[np.argmax(test[within])]
    return int(best), float(test[best])


# %% exercise 3: the score of valid was reported, on which it was chosen
def choose(costs, valid, test, budget):
    within = np.flatnonzero(costs <= budget)
    best = min(within, key=lambda i: (-valid[i], costs[i]))
    return int(best), float(valid[best])


# %% exercise 3: the budget was ignored
def choose(costs, valid, test, budget):
    best = int(valid.argmax())
    return best, float(test[best])


# %% exercise 3: the most expensive within the budget need not be the best
def choose(costs, valid, test, budget):
    within = np.flatnonzero(costs <= budget)
    best = within[costs[within].argmax()]
    return int(best), float(test[best])


# %% exercise 2: the number of bins was not looked at
def calibration_error(probabilities, labels, bins):
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    place = np.ceil(sure * 10).astype(int)
    parts = [place == number for number in np.unique(place)]
    return sum(part.mean() * abs(sure[part].mean() - right[part].mean()) for part in parts)


# %% exercise 3: this is a place among those within the budget, not among all
def choose(costs, valid, test, budget):
    within = np.flatnonzero(costs <= budget)
    best = min(range(len(within)), key=lambda place: (-valid[within][place], costs[within][place]))
    return best, float(test[best])


# %% exercise 2: a bin holds its upper border, not its lower one
def calibration_error(probabilities, labels, bins):
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    place = np.floor(sure * bins).astype(int)
    return sum((place == k).mean() * abs(sure[place == k].mean() - right[place == k].mean()) for k in np.unique(place))


# %% exercise 2: the bins run from 0 to 1, not from the least sure to the surest
def calibration_error(probabilities, labels, bins):
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    counts, known, said = (np.histogram(sure, bins, weights=weights)[0] for weights in (None, 1.0 * right, sure))
    return sum(abs(known - said)) / counts.sum()


# %% exercise 3: of two that score the same, the cheaper one
def choose(costs, valid, test, budget):
    within = np.flatnonzero(costs <= budget)
    best = max(within, key=lambda place: (valid[place], costs[place]))
    return int(best), float(test[best])
