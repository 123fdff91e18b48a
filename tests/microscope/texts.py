"""Five hundred texts for Python and JavaScript to read: news, and everything that people paste."""

import random

from tinykd import data
from tinykd.data import inline
from tinykd.data.corpora import EMBEDDED

#: what a tokenizer may stumble over; joined at random
FRAGMENTS = [
    *(
        "J.",
        "U.S.",
        "Mr.",
        "mr.",
        "Dr. Who",
        "İ.",
        "ı.",
        "St",
        "No. 3",
        "no.",
        "REP.",
        ") d. ",
        "a.b.c",
        "p.m.",
        "ſt. x",
        "K.",
    ),
    *("'", "’", "s", "'s", "’re", "ll", "O'Neill", "left-wing", "B&O", "-", "&", "_", "--", "...", "..", "…"),
    *(
        "2-1",
        "10:30",
        "40th",
        "1,200",
        "3.5",
        "½",
        "²",
        "Ⅷ",
        "٣.٤",
        "हिन्दी",
        "ไทย",
        "東京",
        "中",
        "王小明在IBM工作",
        "トヨタは",
        "か\u3099",
        "葛\U000e0100城",
        "𠮷野家",
        "〇〇",
        "한국어",
        "Σίσυφος",
        "ΑΣ",
    ),
    *(
        "é",
        "e\u0301",
        "ß",
        "ﬁ",
        "ǅ",
        "ª",
        "İstanbul",
        "naïve",
        "Ångström",
        "😀",
        "👩‍👩‍👧",
        "🤣",
        "🇨🇱",
        "👍🏽",
        "“",
        "”",
        "$",
        "+",
        "#",
    ),
    *(
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\x1c",
        "\x85",
        "\u00a0",
        "\u3000",
        "\u200b",
        "\ufeff",
        "\u202e",
        "\0",
        "\ufffd",
        "\ue000",
    ),
    *(
        "Washington",
        "Jordan",
        "the",
        "[CLS]",
        "[SEP]",
        "[UNK]",
        "##ing",
        "<b>",
        "x" * 101,
        "é" * 101,
        "a\u0301\u0302\u0303",
    ),
]


def sentences() -> list[str]:
    """Return the test split of *newswire* as plain text."""
    lines = (EMBEDDED / "newswire" / "test.txt").read_text(encoding="utf-8").splitlines()
    texts = [inline.parse(line.strip())[0] for line in lines if line.strip() and not line.startswith("#")]
    assert len(texts) == len(data.load("newswire")["test"])
    return texts


def five_hundred() -> list[str]:
    """Return 300 sentences, 178 strange texts, 12 long ones and 10 that are empty or a single sign."""
    chance = random.Random(0)
    news = sentences()
    strange = ["".join(chance.choices(FRAGMENTS, k=chance.randint(1, 14))) for _ in range(178)]
    long = [" ".join(chance.sample(news, 40))[:2000] for _ in range(6)]
    long += ["".join(chance.choices(FRAGMENTS, k=900))[:2000] for _ in range(6)]
    found = [*news[:300], *strange, *long, "", " ", "\n\t ", "\u3000", "\u200b", ".", "a", "A.", "😀", "\u0301"]
    assert len(found) == 500
    return found
