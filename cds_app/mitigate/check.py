"""What every check of an order says of itself. Content."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from cds_app.content import Content
from cds_app.mitigate.catalogue import Guideline, Key, Tag, Text

HIGHEST: Final = 3
Tier = Annotated[int, Field(ge=1, le=HIGHEST)]
Drugs = Annotated[tuple[Key, ...], Field(min_length=1)]


class Check(Content):
    """What all checks share.

    ``drugs`` are concepts that a draft must be one of, ``spare`` those of them that it is not about. ``title`` is what
    was found, ``asks`` what was looked at, for when that could not be done. ``consider`` is what may be done about it.
    ``evidence``: the statement was seen in a published page or repository (V), or is from memory (M), which needs
    review and is shown so.
    """

    id: Key
    title: Annotated[str, Field(min_length=1, max_length=48)]
    asks: Annotated[str, Field(min_length=1, max_length=40)]
    consider: Text
    guideline: Guideline
    evidence: Tag
    needs_review: bool
    spare: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _is_honest(self) -> Check:
        if self.evidence == "M" and not self.needs_review:
            raise ValueError("a check from memory needs review")
        return self
