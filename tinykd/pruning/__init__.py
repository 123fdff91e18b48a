"""Fewer heads, neurons, layers and pieces: cut what a model would miss least, then distil again. Taught in lesson 07.

The order of work: :func:`importance` on a validation split, :func:`prune`, then :func:`tinykd.training.distill` as any
student; or :func:`gradually`, which repeats the three. :func:`prune_vocabulary` changes no answer on the corpora it is
given. Other texts fall into pieces that the model knows less well: give it all the text there is, and distil after it.
:func:`factorize_table` keeps the pieces and makes the table of them smaller.
"""

from tinykd.pruning.factorized import factorize_table
from tinykd.pruning.gradual import gradually
from tinykd.pruning.importance import MEASURES, Importance, importance
from tinykd.pruning.parts import shape_of
from tinykd.pruning.sparsity import hold_zeros, sparsify, sparsity
from tinykd.pruning.structured import prune
from tinykd.pruning.vocabulary import prune_vocabulary

__all__ = [
    "MEASURES",
    "Importance",
    "factorize_table",
    "gradually",
    "hold_zeros",
    "importance",
    "prune",
    "prune_vocabulary",
    "shape_of",
    "sparsify",
    "sparsity",
]
