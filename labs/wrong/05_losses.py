import torch
import torch.nn.functional as F


# %% exercise 1: a mean over the dimensions, and the paper has a sum
def pkd(student, teacher, mask):
    return F.mse_loss(F.normalize(student[mask], dim=-1), F.normalize(teacher[mask], dim=-1))


# %% exercise 1: the mask is ignored, and padding is compared
def pkd(student, teacher, mask):
    return (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).square().sum(-1).mean()


# %% exercise 1: the lengths are still in it
def pkd(student, teacher, mask):
    return (student[mask] - teacher[mask]).square().sum(-1).mean()


# %% exercise 1: scaled across the words, not along each state
def pkd(student, teacher, mask):
    student, teacher = F.normalize(student, dim=1), F.normalize(teacher, dim=1)
    return (student[mask] - teacher[mask]).square().sum(-1).mean()


# %% exercise 1: each sentence weighs the same, however few its words
def pkd(student, teacher, mask):
    each = (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).square().sum(-1) * mask
    return (each.sum(-1) / mask.sum(-1)).mean()


# %% exercise 2: nothing was centred
def centred_attention(student, teacher, mask):
    counted = mask[:, None, :, None] & mask[:, None, None, :]
    error = ((student - teacher).square() * counted).mean(1).sum(-1) / mask.sum(-1, keepdim=True)
    return error[mask].mean()


# %% exercise 2: the padding is in the mean of the row
def centred_attention(student, teacher, mask):
    student, teacher = (scores - scores.mean(-1, keepdim=True) for scores in (student, teacher))
    counted = mask[:, None, :, None] & mask[:, None, None, :]
    error = ((student - teacher).square() * counted).mean(1).sum(-1) / mask.sum(-1, keepdim=True)
    return error[mask].mean()


# %% exercise 2: columns were centred, not rows
def centred_attention(student, teacher, mask):
    rows = []
    for s, t, keep in zip(student, teacher, mask, strict=True):
        s, t = s[:, keep][..., keep], t[:, keep][..., keep]
        rows.append(((s - s.mean(-2, keepdim=True)) - (t - t.mean(-2, keepdim=True))).square().mean((0, 2)))
    return torch.cat(rows).mean()


# %% exercise 2: the mask is ignored, and padding is compared
def centred_attention(student, teacher, mask):
    student, teacher = (scores - scores.mean(-1, keepdim=True) for scores in (student, teacher))
    return (student - teacher).square().mean()


# %% exercise 2: only the student was centred
def centred_attention(student, teacher, mask):
    rows = []
    for s, t, keep in zip(student, teacher, mask, strict=True):
        s, t = s[:, keep][..., keep], t[:, keep][..., keep]
        rows.append((s - s.mean(-1, keepdim=True) - t).square().mean((0, 2)))
    return torch.cat(rows).mean()
