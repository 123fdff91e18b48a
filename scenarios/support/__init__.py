"""Customer service: intents by a distilled student, a knowledge base behind it, a person behind both. Lesson 13.

A message goes through three doors. The student names its intent; where it is sure, the answer is that intent's
template, with its slots filled. Where it isn't, the question goes to the knowledge base. What that doesn't know either
is handed to a person, with the reason and everything that was said.
"""

from scenarios.support.desk import Conversation, Desk, Reply
from scenarios.support.files import Article, Intent, Question, intents, knowledge, out_of_scope, questions
from scenarios.support.measuring import measure
from scenarios.support.retrieval import KnowledgeBase, recall, reciprocal_rank
from scenarios.support.work import open_desk, set_thresholds, threshold, train
