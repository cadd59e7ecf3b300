"""What words about allergies deny: "NKDA" names none, and "no known allergy to penicillin" no penicillin."""

from __future__ import annotations

import re
from typing import Final

_DENIAL: Final = re.compile(
    r"\W*(?:(?:nka|nkda|nkfa|nil|none|denies)\b"
    r"|no\s+(?:known|history|reactions?|adverse|allerg(?:y|ies))\b"
    r"|never\s+(?:had|reacted)\b"
    r"|(?:niega|nega)\s"
    r"|(?:sin|sem|senza|nessuna?|keine?|geen|aucune?|ingen|inga|brak|bez)\s+(?:\w+\s+)?all?[eé]rg"
    r"|no\s+(?:al[eé]rgic[oa]|conocid[oa]s?|hay|refiere|presenta)\b"
    r"|pas\s+d(?:['\u2019]\s*|e\s+)allerg"
    r"|not\s+(?:known|allergic|intolerant)\b"
    r"|no(?:\s+\w+){1,3}\s+allerg(?:y|ies)\W*\Z"
    r"|not?\W*\Z)",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(  # "Penicillin: not allergic", of one thing and as all that is said of it
    r"\W*\w+(?:[\s/]\w+){0,2}\s*(?::|\s[-–—]|\()\s*"
    r"(?:not\s+allergic|no\s+(?:known\s+)?allergy|(?:allergy\s+)?denied)(?:\s+to\s+(?:it|this))?\W*",
    re.IGNORECASE,
)
_EXCEPTION: Final = re.compile(
    r"\b(?:except\w*|but|other\s+than|apart\s+from|besides|salvo|menos|sauf|tranne|eccetto|au(?:ß|ss)er|behalve"
    r"|pero|mais|aber|maar)\b",
    re.IGNORECASE,
)


def affirmed(text: str) -> str:
    """What is left of an allergy's words without what they deny; nothing where they say that there is none.

    "No penicillin" denies nothing: it is how people write what must not be given.
    """
    if _DENIED.fullmatch(text):
        return ""
    if not _DENIAL.match(text):
        return text
    _, *exceptions = _EXCEPTION.split(text, maxsplit=1)
    return "".join(exceptions).strip()
