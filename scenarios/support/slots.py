"""The gaps of a template, and what of them a customer's own words can fill. Taught in lesson 13.

A customer may name what *identifies* a matter: an order, an account, a code, a day of purchase. What is *owed*, an
amount or a date of delivery, only the shop's systems may say; a desk that read it from the message would promise what
anybody asks for.
"""

import re

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_MONEY = r"(?:pounds?|euros?|dollars?|gbp|eur|usd)\b|[£€$]"
PATTERNS = {
    # HS-40817, hs 40817, HS40817 or the five digits alone; no price, no telephone, no part of a longer number.
    "order_number": re.compile(
        rf"(?<![\w£€$.,/-])(?<![£€$]\s)(?:hs[-\s]?)?([0-9]{{5}})(?!\w|[.,/-]\d|\s\d{{6}}|\s\d{{3}}\s\d{{3}}|\s?(?:{_MONEY}))",
        re.IGNORECASE,
    ),
    "email": re.compile(r"([\w.+-]+@[\w-]+(?:\.[\w-]+)+)"),
    "code": re.compile(r"\b([A-Z]{3,}\d+)\b"),
    "purchase_date": re.compile(rf"\b(\d{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH})\b", re.IGNORECASE),
}
#: What the desk asks for when a template needs it and the customer has not said it
QUESTIONS = {
    "order_number": "What is your order number? It begins with HS and has five digits.",
    "email": "Which e-mail address does your account have?",
    "code": "Which code is it? Please write it as it is printed.",
}
_SLOT = re.compile(r"\{(\w+)\}")


def find(text: str) -> dict[str, str]:
    """Return what a message names, by slot; several order numbers are kept, with commas.

    >>> find("hs 47110 and HS-47111, bought on 2 May, the code MUDDY15 did nothing")
    {'order_number': 'HS-47110, HS-47111', 'code': 'MUDDY15', 'purchase_date': '2 May'}
    """
    found = {}
    for name, pattern in PATTERNS.items():
        values = list(dict.fromkeys(pattern.findall(text)))  # each once, in order
        if name == "order_number":
            values = [f"HS-{digits}" for digits in values]
        if values:
            found[name] = ", ".join(values)
    return found


def names(template: str) -> list[str]:
    """Return the slots of a template, each once, in order."""
    return list(dict.fromkeys(_SLOT.findall(template)))


def fill(template: str, values: dict[str, str]) -> str:
    """Put values into a template; a slot without one stays in its braces.

    >>> fill("Order {order_number} is with {carrier}.", {"order_number": "HS-40817"})
    'Order HS-40817 is with {carrier}.'
    """
    return _SLOT.sub(lambda slot: values.get(slot[1], slot[0]), template)


def is_template(text: str) -> bool:
    """Whether every brace belongs to a slot."""
    return not re.search(r"[{}]", _SLOT.sub("", text))
