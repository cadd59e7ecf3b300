"""FHIR records in files: Bundles or single resources as JSON or NDJSON, plain or gzipped, of one patient or several."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, DataError, TooLarge
from cds_app.fabric.bundles import unpack
from cds_app.fabric.ndjson import read_lines

_SUFFIXES = (".json", ".json.gz", ".ndjson", ".ndjson.gz")
_MAX_BYTES = 1 << 30
_PIECE = 1 << 18
_SUBJECTS = ("subject", "patient", "beneficiary")
STRANGER = "of-nobody-in-the-file"
UNREADABLE = "unreadable"

Entries = list[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds.

    Parameters
    ----------
    patients : tuple of (id, entries)
        Each patient with everything that speaks of them. What names no patient (Practitioner, Medication) goes to all.
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
            raise BadRequest(f"{path.name} holds no {', '.join(_SUFFIXES)}", field="paths")
        yield from inside


def contents_of(file: Path) -> Contents:
    """Each patient in a file with everything that speaks of them.

    Raises
    ------
    BadRequest
        In one line: the file is not JSON, or holds no Patient with an id.
    """
    left_out: Counter[str] = Counter()
    entries: Entries = []
    for document in _documents(file):
        items, issues = unpack(document, at=file.name)
        found = [(item.full_url, item.resource) for item in items if isinstance(item.resource, dict)]
        left_out[UNREADABLE] += len(items) - len(found) + len(issues)
        entries.extend(found)
    people = {one["id"]: url for url, one in entries if _is_patient(one)}
    if not people:
        raise BadRequest(f"{file.name} holds no Patient with an id", field="paths")
    names = {patient: {f"Patient/{patient}", f"urn:uuid:{patient}", url or patient} for patient, url in people.items()}
    left_out[STRANGER] += sum(all(not _speaks_of(one, *who) for who in names.items()) for _, one in entries)
    patients = tuple((who, [(at, one) for at, one in entries if _speaks_of(one, who, names[who])]) for who in people)
    return Contents(patients=patients, left_out=+left_out)


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
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as raw:
            stream = cast("IO[bytes]", raw)
            if ".ndjson" not in file.name:
                yield Told(file.name, loads(stream.read(_MAX_BYTES + 1), max_bytes=_MAX_BYTES))
                return
            for line in read_lines(iter(lambda: stream.read(_PIECE), b"")):
                yield Told(f"{file.name}:{line.number}", line.value, line.problem)
    except (BadRequest, TooLarge) as error:
        raise DataError(f"{file.name} cannot be read as JSON: {error.message}", field="paths") from None
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{file.name} cannot be read", field="paths") from None


def _is_patient(resource: Mapping[str, Any]) -> bool:
    name = resource.get("id")
    return resource.get("resourceType") == "Patient" and isinstance(name, str) and bool(name)


def _speaks_of(resource: Mapping[str, Any], patient: str, names: set[str]) -> bool:
    if resource.get("resourceType") == "Patient":
        return resource.get("id") == patient
    subject = next((resource[key] for key in _SUBJECTS if key in resource), None)
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        return True
    return reference in names or reference.endswith(f"/Patient/{patient}")


def _documents(file: Path) -> Iterator[object]:
    raw = _bytes(file)
    lines = [(f" line {number}", line) for number, line in enumerate(raw.splitlines(), 1) if line.strip()]
    for where, text in lines if ".ndjson" in file.name else [("", raw)]:
        try:
            yield loads(text, max_bytes=_MAX_BYTES)
        except (BadRequest, TooLarge) as error:
            raise BadRequest(f"{file.name}{where} cannot be read as JSON: {error.message}", field="paths") from error


def _bytes(file: Path) -> bytes:
    try:
        raw = file.read_bytes()
        raw = gzip.decompress(raw) if file.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise BadRequest(f"{file.name} cannot be read", field="paths") from error
    if not raw.strip():
        raise BadRequest(f"{file.name} is empty", field="paths")
    return raw
