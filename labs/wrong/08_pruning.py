import torch


# %% exercise 1: the derivatives were added first, and those of opposite signs cancel
def head_importance(gradients, words):
    return gradients.sum(0).abs() / words


# %% exercise 1: the signs were kept
def head_importance(gradients, words):
    return gradients.sum(0) / words


# %% exercise 1: squares were added, and not absolute values
def head_importance(gradients, words):
    return gradients.square().sum(0) / words


# %% exercise 1: divided by the sentences, and not by the words
def head_importance(gradients, words):
    return gradients.abs().mean(0)


# %% exercise 2: the most important heads went
def kept_heads(importance, share):
    order = importance.flatten().argsort(descending=True, stable=True)[: round(share * importance.numel())]
    stays = torch.ones(importance.numel(), dtype=torch.bool)
    stays[order] = False
    return [layer.nonzero()[:, 0].tolist() for layer in stays.view_as(importance)]


# %% exercise 2: every layer lost the same share, and the heads did not compete
def kept_heads(importance, share):
    gone = round(share * importance.shape[1])
    return [sorted(layer.argsort(stable=True)[gone:].tolist()) for layer in importance]


# %% exercise 2: a layer was left without any head
def kept_heads(importance, share):
    stays = torch.ones(importance.numel(), dtype=torch.bool)
    stays[importance.flatten().argsort(stable=True)[: round(share * importance.numel())]] = False
    return [layer.nonzero()[:, 0].tolist() for layer in stays.view_as(importance)]


# %% exercise 2: the share that stays was taken for the share that goes
def kept_heads(importance, share):
    protected = importance.clone()
    protected[torch.arange(len(importance)), importance.argmax(-1)] = torch.inf
    stays = torch.ones(importance.numel(), dtype=torch.bool)
    stays[protected.flatten().argsort(stable=True)[: round((1 - share) * importance.numel())]] = False
    return [layer.nonzero()[:, 0].tolist() for layer in stays.view_as(importance)]


# %% exercise 3: rows of the output matrix were cut, and the heads are its columns
def cut(query, output, heads, kept):
    rows = torch.cat([torch.arange(len(query)).chunk(heads)[head] for head in kept])
    return query[rows], output[rows]


# %% exercise 3: one row was kept for each head, and a head is a block of rows
def cut(query, output, heads, kept):
    return query[kept], output[:, kept]


# %% exercise 3: every so many rows were taken, and a head's rows stand together
def cut(query, output, heads, kept):
    rows = torch.cat([torch.arange(head, len(query), heads) for head in kept])
    return query[rows], output[:, rows]


# %% exercise 3: a mask of zeros makes nothing smaller
def cut(query, output, heads, kept):
    mask = torch.zeros(heads)
    mask[kept] = 1
    mask = mask.repeat_interleave(len(query) // heads)
    return query * mask[:, None], output * mask


# %% exercise 3: the heads that go were kept
def cut(query, output, heads, kept):
    kept = [head for head in range(heads) if head not in kept]
    rows = torch.cat([torch.arange(len(query)).chunk(heads)[head] for head in kept])
    return query[rows], output[:, rows]


# %% exercise 2: of heads that are worth the same, the earlier one goes
def kept_heads(importance, share):
    protected = importance.clone()
    protected[torch.arange(len(importance)), importance.argmax(-1)] = torch.inf
    backwards = protected.flatten().flip(0).argsort(stable=True)[: round(share * importance.numel())]
    stays = torch.ones(importance.numel(), dtype=torch.bool)
    stays[importance.numel() - 1 - backwards] = False
    return [layer.nonzero()[:, 0].tolist() for layer in stays.view_as(importance)]
