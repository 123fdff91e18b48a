"""The desk: one message in, one reply out; a conversation remembers. Taught in lesson 13."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from scenarios.support import slots
from scenarios.support.files import Intent
from scenarios.support.retrieval import KnowledgeBase
from tinykd.deploy.predictor import Predictor
from tinykd.fusion import confidence_of_row

LONGEST = 1000  #: characters that the student is asked to read; a longer message has more than one matter
PATIENCE = 2  #: times that the desk asks back before it calls a person
SHORT = 8  #: words; a longer message is no mere answer to the desk's question
REPHRASE = "I can read only words. Please tell me in a sentence what you need."
HANDED_OVER = "I am passing this on to a colleague, who will read all that you wrote and answer you."


@dataclass
class Conversation:
    """What was said: every message as it came, the last intent, the slots known, those still asked for."""

    messages: list[str] = field(default_factory=list)
    intent: str | None = None
    slots: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    asked: int = 0


@dataclass(frozen=True)
class Reply:
    """What the desk says, and why.

    ``kind`` is ``"answer"`` (a template), ``"ask"`` (something is missing), ``"knowledge"`` (an article) or
    ``"person"``. ``missing`` are the slots that still stand in braces, or that the customer was asked for;
    ``confidence`` is the student's in its best intent; ``reason`` is for the person, not for the customer.
    """

    kind: str
    text: str
    intent: str | None = None
    confidence: float | None = None
    article: str | None = None
    cosine: float | None = None
    missing: tuple[str, ...] = ()
    reason: str = ""


@dataclass
class Desk:
    """A student, its intents and a knowledge base, with the two thresholds that were set on ``valid``.

    Args:
        student: names the intent of a text; what ``tinykd.open`` returns.
        sure: the least confidence at which the student is believed.
        close: the least cosine at which an article is shown.
        lookup: asks the shop's systems: the intent and the slots known in, more slots out; None asks nobody.
    """

    student: Predictor
    intents: dict[str, Intent]
    knowledge: KnowledgeBase
    sure: float
    close: float
    lookup: Callable[[str, dict[str, str]], dict[str, str]] | None = None

    def answer(self, message: str, conversation: Conversation | None = None) -> Reply:
        """Reply to a message. ``conversation`` is brought up to date; without one the message stands alone.

        No message is refused. Short and with what the desk has just asked for, it is taken as the answer. Otherwise:
        without letters (empty, emoji, digits) the desk asks for words; mostly in another script than Latin, or longer
        than ``LONGEST``, it goes to a person.
        """
        talk = Conversation() if conversation is None else conversation
        talk.messages.append(message)
        text = readable(message)
        said = slots.find(text)
        talk.slots |= said
        if set(said) & set(talk.missing) and len(text.split()) <= SHORT:
            return self._reply(talk, talk.intent, None)  # what we had asked for
        letters = [character for character in text if character.isalpha()]
        if not letters:
            return self._ask(talk, REPHRASE)
        if sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters) < len(letters) / 2:
            return self._person(talk, "not in Latin letters; this desk reads English")
        if len(text) > LONGEST:
            return self._person(talk, f"{len(text):,} characters; the student reads at most {LONGEST:,}")
        ((intent, confidence),) = self.read([text])
        if confidence >= self.sure:
            if intent != talk.intent:
                talk.intent, talk.asked = intent, 0
            return self._reply(talk, intent, confidence)
        best = self.knowledge.search(text, limit=1)[0]
        facts = {"intent": intent, "confidence": confidence, "article": best.article.id, "cosine": best.cosine}
        if best.cosine >= self.close:
            _close(talk)
            return Reply("knowledge", f"{best.article.title}. {best.article.text}", **facts)
        reason = (
            f"no intent is sure (best: {intent}, {confidence:.2f} < {self.sure:.2f}) and no article is near "
            f"(best: {best.article.id}, {best.cosine:.2f} < {self.close:.2f})"
        )
        return self._person(talk, reason, **facts)

    def read(self, texts: list[str]) -> list[tuple[str, float]]:
        """Return the student's best intent of each text, and its probability."""
        rows = self.student.logits(texts)
        return [(self.student.labels[int(row[0].argmax())], confidence_of_row(row, "lowest")) for row in rows]

    def _reply(self, talk: Conversation, intent: str, confidence: float | None) -> Reply:
        template = self.intents[intent].template
        wanted = slots.names(template)
        unsaid = tuple(name for name in wanted if name in slots.QUESTIONS and name not in talk.slots)
        if unsaid:
            question = " ".join(slots.QUESTIONS[name] for name in unsaid)
            return self._ask(talk, question, intent=intent, confidence=confidence, missing=unsaid)
        values = talk.slots | (self.lookup(intent, dict(talk.slots)) if self.lookup else {})
        _close(talk)
        missing = tuple(name for name in wanted if name not in values)
        return Reply("answer", slots.fill(template, values), intent, confidence, missing=missing)

    def _ask(self, talk: Conversation, question: str, missing: tuple[str, ...] = (), **facts) -> Reply:
        if talk.asked == PATIENCE:
            wanted = ", ".join(missing or talk.missing) or "words"
            return self._person(talk, f"asked {PATIENCE} times for {wanted}", **facts)
        talk.asked += 1
        talk.missing = missing or talk.missing
        return Reply("ask", question, missing=talk.missing, **facts)

    def _person(self, talk: Conversation, reason: str, **facts) -> Reply:
        _close(talk)
        return Reply("person", HANDED_OVER, reason=reason, **facts)


def readable(message: str) -> str:
    """Return a message as the models read it: no space at its ends, no half characters, which no tokenizer takes."""
    return message.encode("utf-8", "replace").decode().strip()


def _close(talk: Conversation) -> None:
    """The matter is dealt with; its intent and slots are remembered."""
    talk.missing, talk.asked = (), 0
