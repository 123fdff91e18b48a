"""What the desk knows: intents with their templates, articles, test questions, messages out of scope. Lesson 13."""

from pathlib import Path
from typing import NamedTuple

from scenarios import blocks
from scenarios.support import slots
from tinykd.errors import DataError

FOLDER = Path(__file__).parent / "corpus"  #: of the embedded shop; the corpus *support* is made of its messages


class Intent(NamedTuple):
    """What a customer may want: its name, the sentence that says what belongs to it, and the frame of an answer."""

    name: str
    meaning: str
    template: str


class Article(NamedTuple):
    """One answer of the knowledge base."""

    id: str
    title: str
    text: str


class Question(NamedTuple):
    """A question and the id of the article that answers it best."""

    text: str
    article: str


def intents(folder: Path = FOLDER) -> dict[str, Intent]:
    """Read ``intents.txt``: under each name its meaning and its template, a line each.

    Raises:
        DataError: names file and line; also a template whose braces do not hold the name of a slot.
    """
    path, found = Path(folder) / "intents.txt", {}
    for block in blocks.read(path):
        if len(block.lines) != 2:
            raise DataError(f"{path}:{block.number}: {block.name!r} needs two lines, its meaning and its template")
        meaning, template = block.lines
        if not slots.is_template(template.text):
            raise DataError(f"{path}:{template.number}: braces hold the name of a slot, as in {{order_number}}")
        found[block.name] = Intent(block.name, meaning.text, template.text)
    return found


def knowledge(folder: Path = FOLDER) -> list[Article]:
    """Read ``knowledge.txt``: ``## id | title``, then the answer.

    Raises:
        DataError: names file and line.
    """
    path, found = Path(folder) / "knowledge.txt", []
    for block in blocks.read(path):
        name, bar, title = (part.strip() for part in block.name.partition("|"))
        if not (name and bar and title):
            raise DataError(f"{path}:{block.number}: expected '## id | title', not {block.name!r}")
        if name in {article.id for article in found}:
            raise DataError(f"{path}:{block.number}: a second article {name!r}")
        found.append(Article(name, title, " ".join(line.text for line in block.lines)))
    return found


def questions(folder: Path = FOLDER) -> dict[str, list[Question]]:
    """Read ``questions.txt``; return its halves, ``valid`` to choose with and ``test`` to report.

    Raises:
        DataError: names file and line; also a question to an article that is not there.
    """
    path, known, found = Path(folder) / "questions.txt", {article.id for article in knowledge(folder)}, {}
    for block in blocks.read(path):
        if block.name not in known:
            raise DataError(f"{path}:{block.number}: knowledge.txt has no article {block.name!r}")
        for line in block.lines:
            if line.text in found:
                raise DataError(f"{path}:{line.number}: it stands here already, under {found[line.text].article!r}")
            found[line.text] = Question(line.text, block.name)
    halves = blocks.divide(list(found), {"valid": 0.5, "test": 0.5})
    return {half: [found[text] for text in texts] for half, texts in halves.items()}


def messages(folder: Path = FOLDER) -> dict[str, list[dict]]:
    """Return the messages in scope by split, each with its ``text`` and its intent as ``label``.

    Raises:
        DataError: names file and line.
    """
    return blocks.splits(Path(folder) / "messages.txt")


def out_of_scope(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Return the messages that no intent fits, ``valid`` and ``test`` in the shares of the others.

    Raises:
        DataError: names the file; it has no such block.
    """
    path = Path(folder) / "messages.txt"
    texts = [row["text"] for row in blocks.messages(path) if row["label"] == blocks.OUT_OF_SCOPE]
    if not texts:
        raise DataError(f"{path}: no block '## {blocks.OUT_OF_SCOPE}'; without one no threshold can be set")
    return blocks.divide(texts, {half: blocks.SHARES[half] for half in ("valid", "test")})
