"""Grade lab 2: pytest in this folder."""

import torch
import torch.nn.functional as F
from grading import expect, expect_gradient

torch.manual_seed(0)
STUDENT, TEACHER = (3 * torch.randn(2, 5, 4) for _ in "st")
LABELS = torch.tensor([[0, 1, 2, 3, 0], [1, 2, -100, -100, -100]])
COUNTED = LABELS != -100
T = 3.0  # not the number of classes, so that the two cannot be taken for one another


def divergence(teacher, student, dim=-1):
    return F.kl_div(student.log_softmax(dim), teacher.log_softmax(dim), log_target=True, reduction="none").sum(-1)


def test_exercise_1_mean_over_the_words_that_count(work):
    each = divergence(TEACHER / T, STUDENT / T)
    right = T**2 * each[COUNTED].mean()
    said = (TEACHER / T).softmax(-1)
    entropy = -(said * said.log()).sum(-1)
    expect(
        work.soft_loss(STUDENT.clone(), TEACHER.clone(), LABELS.clone(), T),
        right,
        {
            "the factor T² is forgotten": right / T**2,
            "a factor T, and not T²": right / T,
            "the divergence is reversed, KL(student ‖ teacher)": T**2
            * divergence(STUDENT / T, TEACHER / T)[COUNTED].mean(),
            "the mean runs over the padding, too": T**2 * each[COUNTED].sum() / COUNTED.numel(),
            "the teacher counts on the padding, too": T**2 * each.mean(),
            "each sentence weighs the same, however few its words": T**2
            * ((each * COUNTED).sum(-1) / COUNTED.sum(-1)).mean(),
            "divided by the number of sentences": T**2 * each[COUNTED].sum() / 2,
            "the mean runs over the classes, too": right / 4,
            "this is the cross-entropy, not yet the divergence": right + T**2 * entropy[COUNTED].mean(),
            "batchmean divides by the sentences, and counts the padding": T**2 * each.sum() / 2,
            "the softmax runs over the words, not over the classes": T**2
            * divergence(TEACHER / T, STUDENT / T, dim=1)[COUNTED].mean(),
            "the student was not softened": T**2 * divergence(TEACHER / T, STUDENT)[COUNTED].mean(),
        },
        "the loss of 7 words in 10 places",
    )


def test_exercise_1_the_student_can_learn_from_it(work):
    student = STUDENT.clone().requires_grad_()
    expect_gradient(work.soft_loss(student, TEACHER.clone(), LABELS.clone(), T), student)


def test_exercise_1_two_that_are_certain_of_different_things(work):
    student, teacher = torch.tensor([[[200.0, 0, 0, 0]]]), torch.tensor([[[0.0, 0, 0, 200]]])
    found = work.soft_loss(student, teacher, torch.tensor([[0]]), 1.0)
    rounded = "a probability that was rounded to 0 has no logarithm: take log_softmax"
    assert torch.isfinite(torch.as_tensor(found)).all(), f"{rounded}; the loss is {found}"
    expect(found, 200.0, {}, "the loss of a word of which both are certain")


def test_exercise_2_without_the_square(work):
    hints = {
        "the same alpha means something else there": 0.5,
        "only one of the two weights was scaled": 0.5 / 64,
        "the factor was put on the wrong side": 64 / 65,
    }
    expect(work.their_alpha(0.5, 1 / 64), 1 / 65, hints, "alpha for ours = 0.5 and a factor of 1/64")


def test_exercise_2_of_a_library_that_pulls_harder(work):
    expect(work.their_alpha(0.2, 16.0), 0.8, {"the factor was put on the wrong side": 1 / 65}, "alpha for 0.2 and 16")


def test_exercise_2_labels_alone_and_teacher_alone(work):
    for alone in (0.0, 1.0):
        expect(work.their_alpha(alone, 1 / 64), alone, {}, f"alpha for ours = {alone:.0f}")


def test_exercise_3_the_articles_own_mixture(work):
    hints = {
        "the target has changed, and so has the balance": 0.5,
        "the labels' pull is not weakened, the teacher's is": 0.2,
        "the two weights no longer sum to 1": 0.875,
    }
    expect(work.plain_alpha(0.5, 0.25), 0.8, hints, "alpha for alpha = 1/2 and λ = 1/4")


def test_exercise_3_takes_the_same_steps(work):
    student, teacher = STUDENT[COUNTED].double().requires_grad_(), TEACHER[COUNTED].double()
    alpha, share = 0.3, 0.6
    target = share * teacher.softmax(-1) + (1 - share) * student.detach().softmax(-1)
    with_joint = F.cross_entropy(student, LABELS[COUNTED]) * alpha + F.cross_entropy(student, target) * (1 - alpha)
    found = work.plain_alpha(alpha, share)
    without = F.cross_entropy(student, LABELS[COUNTED]) * found
    without = without + F.cross_entropy(student, teacher.softmax(-1)) * (1 - found)
    (one,), (other,) = (torch.autograd.grad(loss, student) for loss in (with_joint, without))
    cosine = F.cosine_similarity(one.flatten(), other.flatten(), dim=0)
    assert cosine > 1 - 1e-9, f"the gradients with and without a joint target point apart: their cosine is {cosine:.4f}"


def test_exercise_3_labels_alone_and_teacher_alone(work):
    for alone in (0.0, 1.0):
        expect(work.plain_alpha(alone, 0.25), alone, {}, f"alpha for alpha = {alone:.0f}")
