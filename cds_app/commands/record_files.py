"""FHIR records in files: Bundles or single resources as JSON or NDJSON, plain or gzipped, of one patient or several."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, DataError, TooLarge
from cds_app.fabric.bundles import unpack
from cds_app.fabric.deletions import Deletion
from cds_app.fabric.exchange.ndjson import read_lines
from cds_app.fabric.exchange.parting import Parted, by_patient
from cds_app.fabric.merging import merged_into
from cds_app.fabric.references import Item

_SUFFIXES = (".json", ".json.gz", ".ndjson", ".ndjson.gz")
_MAX_BYTES = 1 << 30
_PIECE = 1 << 18
STRANGER = "of-nobody-in-the-file"
UNREADABLE = "unreadable"
DELETION = "deletion-not-replayed"

Entries = list[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds.

    Parameters
    ----------
    patients : tuple of (id, entries)
        Each patient with everything that speaks of them, under the ids of patients merged into them too. What names no
        patient (Practitioner, Medication) goes to all.
    left_out : mapping of str to int
        Resources that went to nobody, by reason.
    """

    patients: tuple[tuple[str, Entries], ...]
    left_out: Mapping[str, int]


def files_of(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as given, and every record in folders as given.

    Raises
    ------
    BadRequest
        If a folder holds none.
    """
    for path in paths:
        inside = sorted(one for one in path.rglob("*") if one.name.endswith(_SUFFIXES)) if path.is_dir() else [path]
        if not inside:
            raise BadRequest(f"{path} holds no {', '.join(_SUFFIXES)}", field="paths")
        yield from inside


def contents_of(file: Path) -> Contents:
    """Each patient in a file with everything that speaks of them.

    Raises
    ------
    BadRequest
        In one line: the file is not JSON, or holds no Patient with an id.
    """
    left_out: Counter[str] = Counter()
    items: list[Item] = []
    for document in _documents(file):
        found, issues = unpack(document, at=file.name)
        readable = [one for one in found if _is_resource(one.resource)]
        items.extend(readable)
        deletions = sum(isinstance(one.resource, Deletion) for one in found)
        left_out[DELETION] += deletions
        left_out[UNREADABLE] += len(found) - len(readable) - deletions + len(issues)
    people = {one["id"]: one for item in items if _is_patient(one := cast("Mapping[str, Any]", item.resource))}
    if not people:
        raise BadRequest(f"{file.name} holds no Patient with an id", field="paths")
    former = {patient: merged_into(list(people.values()), patient) for patient in people}
    merged = frozenset[str]().union(*former.values())
    parted = by_patient(items)
    left_out[STRANGER] += len(parted.strays)
    left_out[STRANGER] += sum(len(own) for who, own in parted.patients.items() if who not in {*people, *merged})
    patients = tuple((who, _entries(items, parted, {who, *former[who]})) for who in people if who not in merged)
    return Contents(patients=patients, left_out=+left_out)


def _entries(items: Sequence[Item], parted: Parted, names: Set[str]) -> Entries:
    """What speaks of a patient by any of the names, or of nobody, in the order of the file."""
    own = [item for name in names for item in parted.patients.get(name, ())]
    kept = {id(item) for item in (*own, *parted.shared)}
    return [(item.full_url, cast("Mapping[str, Any]", item.resource)) for item in items if id(item) in kept]


class Told(NamedTuple):
    """One JSON value of a file: where it stood, what it says, and what is wrong with it (`fabric.ndjson`)."""

    where: str
    value: object
    problem: str = ""


def streamed(file: Path) -> Iterator[Told]:
    """Values of a JSON file, or of an NDJSON file line by line in constant memory; gzipped or not.

    Raises
    ------
    DataError
        In one line: the file cannot be read, or is no JSON as a whole.
    """
    try:
        with _opened(file) as stream:
            if ".ndjson" not in file.name:
                yield Told(file.name, loads(stream.read(_MAX_BYTES + 1), max_bytes=_MAX_BYTES, spare="entry"))
                return
            for line in read_lines(iter(lambda: stream.read(_PIECE), b"")):
                yield Told(f"{file.name}:{line.number}", line.value, line.problem)
    except (BadRequest, TooLarge) as error:
        raise DataError(f"{file.name} cannot be read as JSON: {error.message}", field="paths") from None
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{file.name} cannot be read", field="paths") from None


def _is_resource(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def _is_patient(resource: Mapping[str, Any]) -> bool:
    name = resource.get("id")
    return resource.get("resourceType") == "Patient" and isinstance(name, str) and bool(name)


def _documents(file: Path) -> Iterator[object]:
    nothing = True
    for where, text in _texts(file):
        nothing = False
        try:
            yield loads(text, max_bytes=_MAX_BYTES, spare="entry")
        except (BadRequest, TooLarge) as error:
            raise BadRequest(f"{file.name}{where} cannot be read as JSON: {error.message}", field="paths") from error
    if nothing:
        raise BadRequest(f"{file.name} is empty", field="paths")


def _texts(file: Path) -> Iterator[tuple[str, bytes]]:
    """Lines of NDJSON, each with its place, or all of the file; of what is packed no more than may be read."""
    lines = ".ndjson" in file.name
    try:
        with _opened(file) as stream:
            take = stream.readline if lines else stream.read
            for number, text in enumerate(iter(partial(take, _MAX_BYTES + 1), b""), 1):
                if not text.isspace():
                    yield f" line {number}" if lines else "", text
    except (OSError, EOFError, zlib.error) as error:
        raise BadRequest(f"{file.name} cannot be read", field="paths") from error


def _opened(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file) if file.suffix == ".gz" else file.open("rb"))
