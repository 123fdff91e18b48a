import torch
import torch.nn.functional as F


# %% exercise 1: the factor T² is forgotten
def soft_loss(student, teacher, labels, temperature):
    log_q = (student / temperature).log_softmax(-1)
    log_p = (teacher / temperature).log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)[labels != -100].mean()


# %% exercise 1: the divergence is reversed, KL(student ‖ teacher)
def soft_loss(student, teacher, labels, temperature):
    log_q = (student / temperature).log_softmax(-1)
    log_p = (teacher / temperature).log_softmax(-1)
    return temperature**2 * (log_q.exp() * (log_q - log_p)).sum(-1)[labels != -100].mean()


# %% exercise 1: the mean runs over the padding, too
def soft_loss(student, teacher, labels, temperature):
    log_q = (student / temperature).log_softmax(-1)
    log_p = (teacher / temperature).log_softmax(-1)
    each = (log_p.exp() * (log_p - log_q)).sum(-1) * (labels != -100)
    return temperature**2 * each.mean()


# %% exercise 1: the teacher counts on the padding, too
def soft_loss(student, teacher, labels, temperature):
    log_q = (student / temperature).log_softmax(-1)
    log_p = (teacher / temperature).log_softmax(-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean()


# %% exercise 1: divided by the number of sentences
def soft_loss(student, teacher, labels, temperature):
    log_q = (student / temperature).log_softmax(-1)
    log_p = (teacher / temperature).log_softmax(-1)
    each = (log_p.exp() * (log_p - log_q)).sum(-1)
    return temperature**2 * each[labels != -100].sum() / len(student)


# %% exercise 1: the mean runs over the classes, too
def soft_loss(student, teacher, labels, temperature):
    student, teacher = student[labels != -100], teacher[labels != -100]
    q, p = (student / temperature).log_softmax(-1), (teacher / temperature).softmax(-1)
    return temperature**2 * F.kl_div(q, p, reduction="none").mean()  # as reduction="mean", the default, which warns


# %% exercise 1: the softmax runs over the words, not over the classes
def soft_loss(student, teacher, labels, temperature):
    log_q = (student / temperature).log_softmax(1)
    log_p = (teacher / temperature).log_softmax(1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)[labels != -100].mean()


# %% exercise 1: the student was not softened
def soft_loss(student, teacher, labels, temperature):
    log_q = student.log_softmax(-1)
    log_p = (teacher / temperature).log_softmax(-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)[labels != -100].mean()


# %% exercise 2: the same alpha means something else there
def their_alpha(ours, factor):
    return ours


# %% exercise 2: only one of the two weights was scaled
def their_alpha(ours, factor):
    return ours * factor


# %% exercise 2: the factor was put on the wrong side
def their_alpha(ours, factor):
    return ours / (ours + (1 - ours) * factor)


# %% exercise 3: the target has changed, and so has the balance
def plain_alpha(alpha, mixing):
    return alpha


# %% exercise 3: the labels' pull is not weakened, the teacher's is
def plain_alpha(alpha, mixing):
    return alpha * mixing / (alpha * mixing + 1 - alpha)


# %% exercise 3: the two weights no longer sum to 1
def plain_alpha(alpha, mixing):
    return 1 - (1 - alpha) * mixing


# %% exercise 1: no gradient reaches the student
def soft_loss(student, teacher, labels, temperature):
    log_student = (student / temperature).log_softmax(-1)
    log_teacher = (teacher / temperature).log_softmax(-1)
    each = (log_teacher.exp() * (log_teacher - log_student)).sum(-1)
    return torch.tensor((temperature**2 * each[labels != -100].mean()).item())


# %% exercise 1: this is the cross-entropy, not yet the divergence
def soft_loss(student, teacher, labels, temperature):
    counted = labels != -100
    said = (teacher[counted] / temperature).softmax(-1)
    return temperature**2 * F.cross_entropy(student[counted] / temperature, said)


# %% exercise 1: batchmean divides by the sentences, and counts the padding
def soft_loss(student, teacher, labels, temperature):
    log_student, said = (student / temperature).log_softmax(-1), (teacher / temperature).softmax(-1)
    return temperature**2 * F.kl_div(log_student, said, reduction="batchmean")


# %% exercise 1: a probability that was rounded to 0 has no logarithm
def soft_loss(student, teacher, labels, temperature):
    q, p = (student / temperature).softmax(-1), (teacher / temperature).softmax(-1)
    return temperature**2 * (p * (p.log() - q.log())).sum(-1)[labels != -100].mean()


# %% exercise 1: no gradient reaches the student
def soft_loss(student, teacher, labels, temperature):
    with torch.no_grad():
        log_q = (student / temperature).log_softmax(-1)
        log_p = (teacher / temperature).log_softmax(-1)
        loss = temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)[labels != -100].mean()
    return loss.requires_grad_()  # and so it looks as if


# %% exercise 1: what was given to soft_loss was changed
def soft_loss(student, teacher, labels, temperature):
    teacher /= temperature
    log_q, log_p = (student / temperature).log_softmax(-1), teacher.log_softmax(-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)[labels != -100].mean()
