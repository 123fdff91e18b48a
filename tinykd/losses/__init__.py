"""The losses of distillation: pure functions of tensors, one convention for all of them.

The convention: a position that does not count (label -100, mask False) is left out; the loss is the mean over the
positions that are kept, each of which weighs the same; the prediction term is multiplied by the squared temperature.
An empty batch gives 0, with a gradient of 0. Libraries differ here by factors of more than ten thousand for the same
"alpha" and "temperature"; see lesson 02. Predictions are taught in lesson 02, all others in lesson 05.
"""

from tinykd.losses.attention import attention, attention_scores, relations
from tinykd.losses.prediction import cross_entropy, joint_target, kd_loss, kl_divergence, soft_target_loss
from tinykd.losses.representation import cosine, hidden_states, pkd
