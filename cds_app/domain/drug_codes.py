"""Reads ``models/ontology/<version>/drug_codes.json``: codes of drugs and their classes, a list for each source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from typing import Annotated, Final

from pydantic import Field

from cds_app.content import Artefact, Content
from cds_app.domain.facts import Code
from cds_app.errors import ContentError

DRUG_CODES: Final = "drug_codes.json"

_Text = Annotated[str, Field(min_length=1, max_length=400)]


class _List(Content):
    """Codes of one system by concept; a mixture stands under each of its parts."""

    system: _Text
    source: _Text
    review: bool = False
    codes: Mapping[str, Annotated[tuple[_Text, ...], Field(min_length=1)]]


class _Lists(Content):
    lists: tuple[_List, ...]


def read_drug_codes(artefact: Artefact, drugs: Set[str]) -> tuple[Mapping[str, tuple[Code, ...]], Set[str]]:
    """Codes by concept, and the concepts some of whose codes wait for a check.

    Parameters
    ----------
    artefact : Artefact
        A verified version of ``models/ontology``.
    drugs : set of str
        Keys of its drugs and drug classes.

    Raises
    ------
    ContentError
        Naming the concept that is no drug, or under which a code stands twice.
    """
    found: dict[str, list[Code]] = defaultdict(list)
    lists = artefact.read(DRUG_CODES, _Lists).lists
    for one in lists:
        for key, codes in one.codes.items():
            if key not in drugs:
                raise _wrong(key, "is no drug and no class of drugs")
            found[key].extend((one.system, code) for code in codes)
    for key, every in found.items():
        if len(set(every)) < len(every):
            raise _wrong(key, "a code is there twice")
    return {key: tuple(every) for key, every in found.items()}, _waiting(lists)


def _waiting(lists: Iterable[_List]) -> Set[str]:
    return {key for one in lists if one.review for key in one.codes}


def _wrong(key: str, problem: str) -> ContentError:
    return ContentError(f"{DRUG_CODES}: {key}: {problem}", field=f"{DRUG_CODES}#{key}")
