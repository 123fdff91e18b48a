# %% exercise 1: the strength is forgotten
def merged(weight, down, up, strength):
    return weight + up @ down


# %% exercise 1: the product is transposed
def merged(weight, down, up, strength):
    return weight + strength * (up @ down).T


# %% exercise 1: only the change was returned, without the matrix itself
def merged(weight, down, up, strength):
    return strength * up @ down


# %% exercise 1: what was given to merged was changed
def merged(weight, down, up, strength):
    return weight.add_(strength * up @ down)


# %% exercise 2: the biases of the adapter are missing
def new_parameters(width, layers, narrow, rank):
    return 2 * layers * 2 * width * narrow, 2 * layers * 2 * width * rank


# %% exercise 2: every layer has two of them
def new_parameters(width, layers, narrow, rank):
    return layers * (2 * width * narrow + narrow + width), layers * 2 * width * rank


# %% exercise 2: a pair has two matrices
def new_parameters(width, layers, narrow, rank):
    return 2 * layers * (2 * width * narrow + narrow + width), 2 * layers * width * rank


# %% exercise 2: the frozen matrices are not new
def new_parameters(width, layers, narrow, rank):
    return 2 * layers * (2 * width * narrow + narrow + width), 2 * layers * (2 * width * rank + width * width)


# %% exercise 3: the strength was left out
def rates(strength, rate):
    return rate, rate


# %% exercise 3: A needs no other rate: its gradient is the same in both readings
def rates(strength, rate):
    return strength * rate, strength * rate


# %% exercise 3: the wrong one of the two was changed
def rates(strength, rate):
    return strength * rate, rate


# %% exercise 3: divided by the strength, not multiplied
def rates(strength, rate):
    return rate, rate / strength


# %% exercise 1: what was given to merged was changed
def merged(weight, down, up, strength):
    up *= strength
    return weight + up @ down
