"""Fewer heads, neurons, layers and subword tokens: remove the least important, then distil. Taught in lesson 08.

Call :func:`importance` on a validation split, :func:`prune`, then :func:`tinykd.training.distill`; :func:`gradually`
repeats the three. :func:`prune_vocabulary` and :func:`factorize_embeddings` make the embedding matrix smaller.
"""

from tinykd.pruning.embeddings import factorize_embeddings, prune_vocabulary
from tinykd.pruning.gradual import Plan, gradually
from tinykd.pruning.measures import MEASURES, Importance, importance
from tinykd.pruning.parts import shape_of
from tinykd.pruning.sparsity import mask_gradients, sparsify, sparsity
from tinykd.pruning.structured import prune
