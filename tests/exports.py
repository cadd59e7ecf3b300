"""A FHIR server with a bulk export, in memory, that fails as servers do."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cds_app.errors import Gone, TokenRefused

Piece = bytes | Exception


def lines(*resources: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


@dataclass
class MemoryExports:
    """`cds_app.services.sources.exporting.ExportServer`: what each file consists of, and what goes wrong how often."""

    files: dict[str, list[Piece]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    looks: list[float | Exception] = field(default_factory=list)
    starts: list[Exception] = field(default_factory=list)
    valid: str = "token-1"
    begun: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    streamed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    transaction_time: str = "2026-03-01T00:00:00Z"

    def start(self, path: str, *, token: str) -> str:
        self._admit(token)
        if self.starts:
            raise self.starts.pop(0)
        self.begun.append(path)
        return f"status/{len(self.begun)}"

    def look(self, url: str, *, token: str) -> float | Mapping[str, Any]:
        self._admit(token)
        if self.looks:
            found = self.looks.pop(0)
            if isinstance(found, Exception):
                raise found
            return found
        if url in self.forgotten:
            raise Gone("gone", field="status")
        output = [{"type": self.types.get(one, "Observation"), "url": one} for one in self.files]
        told = {"deleted": self.deleted, "error": self.errors}
        return {
            "transactionTime": self.transaction_time,
            "requiresAccessToken": True,
            "output": [one for one in output if one["url"] not in (*self.deleted, *self.errors)],
            **{kind: [{"type": "Bundle", "url": one} for one in urls] for kind, urls in told.items()},
        }

    @contextmanager
    def stream(self, url: str, *, token: str | None) -> Iterator[Iterator[bytes]]:
        self._admit(token)
        self.streamed[url] += 1
        yield self._pieces(url)

    def forget(self, url: str, *, token: str) -> None:
        self.forgotten.append(url)

    def _pieces(self, url: str) -> Iterator[bytes]:
        for piece in list(self.files[url]):
            if isinstance(piece, Exception):
                self.files[url].remove(piece)  # it goes wrong once
                raise piece
            yield piece

    def _admit(self, token: str | None) -> None:
        if token != self.valid:
            raise TokenRefused("no", field="token")


ORDER = {
    "resourceType": "MedicationRequest",
    "id": "o",
    "status": "active",
    "intent": "order",
    "medicationReference": {"reference": "Medication/m"},
    "subject": {"reference": "Patient/p1"},
    "authoredOn": "2026-02-27",
}
LISINOPRIL = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "29046"}]}
