"""The data that a model was learned from, and what is said of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What the manifest and the model card say of the data that a head was learned from.

    Parameters
    ----------
    credit, credit_short : str
        Who made it, in full and in a line.
    licence : str
        Of the data, and with that credit of the model.
    inclusion : str
        Whom the data hold, and whom not.
    relevance : str
        To which settings what was learned is likely to carry over.
    input : str
        What the columns are.
    external : str
        On which data of another source the model was tested.
    """

    credit: str
    credit_short: str
    licence: str
    inclusion: str
    relevance: str
    input: str
    external: str


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
