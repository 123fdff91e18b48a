"""Grade lab 5: pytest in this folder."""

import torch
import torch.nn.functional as F
from grading import expect, expect_gradient

from tinykd import losses

torch.manual_seed(0)
MASK = torch.arange(7) < torch.tensor([7, 5, 2])[:, None]


def test_exercise_1_a_sum_over_the_dimensions(work):
    student, teacher = (torch.randn(3, 7, 6) for _ in "st")
    right = losses.pkd(student, teacher, MASK)
    each = (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).square().sum(-1)
    across = (F.normalize(student, dim=1) - F.normalize(teacher, dim=1)).square().sum(-1)
    expect(
        work.pkd(student, teacher, MASK),
        right,
        {
            "a mean over the dimensions, and the paper has a sum": right / 6,
            "the mask is ignored, and padding is compared": each.mean(),
            "the mean runs over the padding, too": each[MASK].sum() / MASK.numel(),
            "the lengths are still in it": (student - teacher)[MASK].square().sum(-1).mean(),
            "scaled across the words, not along each state": across[MASK].mean(),
            "each sentence weighs the same, however few its words": ((each * MASK).sum(-1) / MASK.sum(-1)).mean(),
            "this is 1 - cos, half of it": right / 2,
            "a distance, and not its square": each[MASK].sqrt().mean(),
        },
        "the loss of 14 words, 6 wide,",
    )


def test_exercise_1_the_student_can_learn_from_it(work):
    student, teacher = (torch.randn(3, 7, 6) for _ in "st")
    expect_gradient(work.pkd(student.requires_grad_(), teacher, MASK.clone()), student)


def scores():
    torch.manual_seed(1)
    return (torch.randn(3, 2, 7, 7) + torch.randn(3, 2, 7, 1) for _ in "st")


def centred(table, dim, words=None):
    if words is None:
        return table - table.mean(dim, keepdim=True)
    counted = words[:, None, None, :] if dim == -1 else words[:, None, :, None]
    return table - (table * counted).sum(dim, keepdim=True) / words.sum(-1)[:, None, None, None]


def test_exercise_2_rows_without_their_mean(work):
    student, teacher = scores()
    right = losses.attention(centred(student, -1, MASK), centred(teacher, -1, MASK), MASK)
    pairs = (MASK[:, None, :, None] & MASK[:, None, None, :]).expand_as(student)
    words_of_all = [centred(scores, -1, MASK)[pairs] for scores in (student, teacher)]
    expect(
        work.centred_attention(student, teacher, MASK),
        right,
        {
            "nothing was centred": losses.attention(student, teacher, MASK),
            "the padding is in the mean of the row": losses.attention(centred(student, -1), centred(teacher, -1), MASK),
            "columns were centred, not rows": losses.attention(
                centred(student, -2, MASK), centred(teacher, -2, MASK), MASK
            ),
            "the mask is ignored, and padding is compared": F.mse_loss(centred(student, -1), centred(teacher, -1)),
            "all the words of all sentences were put into one mean": F.mse_loss(*words_of_all),
            "only the student was centred": losses.attention(centred(student, -1, MASK), teacher, MASK),
            "only the teacher was centred": losses.attention(student, centred(teacher, -1, MASK), MASK),
            "the heads were summed": 2 * right,
        },
        "the loss of sentences with 7, 5 and 2 words",
    )


def test_exercise_2_a_constant_per_row_costs_nothing(work):
    student, teacher = scores()
    shifted = student + torch.randn(3, 2, 7, 1)
    one, other = (work.centred_attention(table, teacher, MASK) for table in (student, shifted))
    expect(other, one, {}, "the loss with a constant added to each row")


def test_exercise_2_the_student_can_learn_from_it(work):
    student, teacher = scores()
    expect_gradient(work.centred_attention(student.requires_grad_(), teacher, MASK.clone()), student)
