"""What words about allergies deny: "NKDA" names none, and "no known allergy to penicillin" no penicillin."""

from __future__ import annotations

import re
from typing import Final

_DENIAL: Final = re.compile(
    r"\W*(?:(?:nka|nkda|nkfa|nil|none|denies)\b"
    r"|no\s+(?:known|history|reactions?|adverse|allerg(?:y|ies))\b"
    r"|never\s+(?:had|reacted)\b"
    r"|not\s+(?:known|allergic|intolerant)\b"
    r"|no(?:\s+\w+){1,3}\s+allerg(?:y|ies)\W*\Z"
    r"|not?\W*\Z)",
    re.IGNORECASE,
)
_EXCEPTION: Final = re.compile(r"\b(?:except\w*|but|other\s+than|apart\s+from|besides)\b", re.IGNORECASE)


def affirmed(text: str) -> str:
    """What is left of an allergy's words without what they deny; nothing where they say that there is none.

    "No penicillin" denies nothing: it is how people write what must not be given.
    """
    if not _DENIAL.match(text):
        return text
    _, *exceptions = _EXCEPTION.split(text, maxsplit=1)
    return "".join(exceptions).strip()
