import numpy as np


# %% exercise 1: the logits of padding were compared, too
def largest_gap(expected, found, mask):
    return np.abs(expected - found).max()


# %% exercise 1: a difference below 0 was not seen
def largest_gap(expected, found, mask):
    return (found - expected)[mask == 1].max()


# %% exercise 1: this is the mean of the differences, and it hides the largest
def largest_gap(expected, found, mask):
    return np.abs(expected - found)[mask == 1].mean()


# %% exercise 1: this is the smallest difference
def largest_gap(expected, found, mask):
    return np.abs(expected - found)[mask == 1].min()


# %% exercise 2: the factors are upside down
def factors(teacher_torch, teacher_onnx, student_onnx):
    return teacher_onnx / teacher_torch, student_onnx / teacher_onnx


# %% exercise 2: the student was compared with the teacher in torch: this holds both factors
def factors(teacher_torch, teacher_onnx, student_onnx):
    return teacher_torch / teacher_onnx, teacher_torch / student_onnx


# %% exercise 2: these are milliseconds saved, and not factors
def factors(teacher_torch, teacher_onnx, student_onnx):
    return teacher_torch - teacher_onnx, teacher_onnx - student_onnx


# %% exercise 2: the factors were exchanged
def factors(teacher_torch, teacher_onnx, student_onnx):
    return teacher_onnx / student_onnx, teacher_torch / teacher_onnx
