"""What a FHIR server says of a bulk export: manifest, what was deleted since, what went wrong (Bulk Data 2.0)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from cds_app.domain.time import time_in
from cds_app.errors import DataUnavailable
from cds_app.fabric.shapes import Object, as_object, objects

MOST_FILES: Final = 100_000
_LONGEST: Final = 4096
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,39}")
_REFERENCE: Final = re.compile(r"(?:[^?#]*/)?([A-Z][A-Za-z]{1,39}/[A-Za-z0-9\-._]{1,256})")
_CODE: Final = re.compile(r"[a-z][a-z\-]{1,39}")
_SEVERITIES: Final = frozenset({"fatal", "error", "warning", "information"})
_FIRST: Final = {"Medication": 0, "Patient": 1}

Kind = Literal["output", "deleted", "error"]
_KINDS: Final[tuple[Kind, ...]] = ("output", "deleted", "error")


class ExportFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an export.

    Parameters
    ----------
    kind : {"output", "deleted", "error"}
        Resources; Bundles that say which are no more; OperationOutcomes.
    type : str
        Of the resources; "" where the manifest does not say.
    url : str
    """

    kind: Kind
    type: str
    url: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished export consists of.

    Parameters
    ----------
    transaction_time : str
        As the server wrote it: what the next export begins after.
    requires_token : bool
        Whether the files are given to whoever shows an access token.
    files : tuple of ExportFile
        Drugs first, then patients, then what is about them; what is no more comes after what is.
    """

    transaction_time: str
    requires_token: bool
    files: tuple[ExportFile, ...]


def read_manifest(value: object) -> Manifest:
    """Read a manifest.

    Raises
    ------
    DataUnavailable
        Naming the field that is not as the specification has it.
    """
    manifest = as_object(value)
    if manifest is None:
        raise DataUnavailable("the export's manifest is no JSON object", field="manifest")
    when = manifest.get("transactionTime")
    if not isinstance(when, str) or time_in(when) is None or "T" not in when:
        raise _wrong("transactionTime")
    if not isinstance(manifest.get("requiresAccessToken"), bool):
        raise _wrong("requiresAccessToken")
    if any(link.get("relation") == "next" for link in objects(manifest.get("link"))):
        raise DataUnavailable("the export's manifest comes in parts, which was not asked for", field="link")
    files = [one for kind in _KINDS for one in _files(manifest, kind)]
    if len(files) > MOST_FILES:
        raise DataUnavailable("the export has too many files", field="output")
    order = sorted(files, key=lambda one: (_KINDS.index(one.kind), _FIRST.get(one.type, 2)))
    return Manifest(transaction_time=when, requires_token=manifest["requiresAccessToken"], files=tuple(order))


def deletions_of(value: object) -> Iterator[str]:
    """``Type/id`` of what a Bundle of a ``deleted`` file says is no more."""
    bundle = as_object(value)
    if bundle is None or bundle.get("resourceType") != "Bundle":
        return
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        request = as_object((as_object(entry) or {}).get("request")) or {}
        url = request.get("url")
        if request.get("method") == "DELETE" and isinstance(url, str) and len(url) <= _LONGEST:
            found = _REFERENCE.fullmatch(url)
            if found is not None:
                yield found[1]


def problems_of(value: object) -> Iterator[str]:
    """``severity code`` of each issue of an OperationOutcome; nothing of its texts, which may name people."""
    outcome = as_object(value) or {}
    for issue in objects(outcome.get("issue")):
        severity, code = issue.get("severity"), issue.get("code")
        known = severity if isinstance(severity, str) and severity in _SEVERITIES else "error"
        yield f"{known} {code if isinstance(code, str) and _CODE.fullmatch(code) else 'unknown'}"


def _files(manifest: Object, kind: Kind) -> Iterator[ExportFile]:
    held = manifest.get(kind, [])
    if not isinstance(held, list):
        raise _wrong(kind)
    for i, one in enumerate(held):
        file = as_object(one) or {}
        url, named = file.get("url"), file.get("type")
        if not isinstance(url, str) or not 0 < len(url) <= _LONGEST:
            raise _wrong(f"{kind}[{i}].url")
        known = isinstance(named, str) and _TYPE.fullmatch(named) is not None
        yield ExportFile(kind=kind, type=str(named) if known else "", url=url)


def _wrong(field: str) -> DataUnavailable:
    return DataUnavailable("the export's manifest is not as the specification has it", field=field)
