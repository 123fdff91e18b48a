"""Fewer heads, neurons, layers and subword tokens: cut what a model would miss least, then distil. Lesson 07.

The order of work: :func:`importance` on a validation split, :func:`prune`, then :func:`tinykd.training.distill` as any
student; or :func:`gradually`, which repeats the three. :func:`prune_vocabulary` changes no prediction on the corpora it
is given. Other texts are cut into subword tokens that the model knows less well: give it all the text there is, and
distil after it. :func:`factorize_embeddings` keeps the tokens and makes their embedding matrix smaller.
"""

from tinykd.pruning.embeddings import factorize_embeddings, prune_vocabulary
from tinykd.pruning.gradual import Plan, gradually
from tinykd.pruning.importance import MEASURES, Importance, importance
from tinykd.pruning.parts import shape_of
from tinykd.pruning.sparsity import mask_gradients, sparsify, sparsity
from tinykd.pruning.structured import prune
