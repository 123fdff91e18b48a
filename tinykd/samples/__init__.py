"""Transfer sets: which texts the student learns from, and what the teacher predicts for them. Taught in lesson 04."""

from tinykd.samples.augmentation import new_names, replace_words, swap_entities
from tinykd.samples.dynamic import DisagreementSampler, Dynamic
from tinykd.samples.selection import check_selection, select
from tinykd.samples.signals import online, with_teacher
from tinykd.samples.transfer import combine, few_labels, labelled_by
