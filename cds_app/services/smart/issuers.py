"""Which EHRs may launch: registered one by one, found by their FHIR base, character by character."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from cds_app.domain.clients import Client
from cds_app.domain.issuers import SIGNING_ALGS, Issuer, Method
from cds_app.domain.scopes import read_scopes
from cds_app.errors import Conflict, IntegrityError, NotFound, SettingsError
from cds_app.ports import Cabinet, Document
from cds_app.services.callers.registration import is_url, must

KIND: Final = "issuer"
_READ: Final = (
    *("Patient", "Encounter", "Condition", "Observation", "AllergyIntolerance", "Procedure", "DiagnosticReport"),
    *("MedicationRequest", "MedicationStatement", "MedicationAdministration", "ServiceRequest"),
)
_WRITTEN: Final = ("MedicationRequest", "Provenance", "ServiceRequest", "Task")
DEFAULT_SCOPES: Final = (
    *("openid", "fhirUser", "online_access"),
    *(f"patient/{one}.rs" for one in _READ),
    *(f"patient/{one}.c" for one in _WRITTEN),
    *("patient/Task.rs", "user/Task.rs"),
)
"""Type by type, because some EHRs have no wildcards: what the prefetch of the hooks holds, accepted drafts, what became
of them, and how many of the user's wait at other patients. A visit outlasts its first token where the EHR knows
``online_access``."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}")
_BASE: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9\-._~]+)*")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-\[\]]+(:[1-9][0-9]{0,4})?")
_CLIENT_ID: Final = re.compile(r"[!-~]{1,300}")
_SECRET: Final = re.compile(r"[ -~]{8,1000}")


class Issuers:
    """The register of EHRs that may launch."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet

    def all(self, now: datetime) -> Sequence[Issuer]:
        """All of them by name. Raises DependencyDown, and IntegrityError if one was not written with our key."""
        return tuple(map(_issuer, self._cabinet.all(KIND, now)))

    def named(self, name: str, now: datetime) -> Issuer:
        """The one of this name. Raises NotFound."""
        found = self._cabinet.read(KIND, name, now)
        if found is None:
            raise NotFound("there is no such issuer; `twinline issuers list` tells all", field="name")
        return _issuer(found)

    def at(self, iss: str, now: datetime) -> Issuer | None:
        """The one with exactly this FHIR base, with or without a slash at its end."""
        return next((one for one in self.all(now) if one.iss == iss.removesuffix("/")), None)

    def add(self, issuer: Issuer, now: datetime) -> None:
        """Write durably. Raises SettingsError if the name or the FHIR base is taken."""
        if self.at(issuer.iss, now) is not None:
            raise SettingsError("an issuer with this FHIR base is registered already", field="iss")
        try:
            self._cabinet.write(
                Document(kind=KIND, name=issuer.name, version=0, content=msgspec.json.encode(issuer)), now
            )
        except Conflict:
            raise SettingsError("an issuer of this name is registered already", field="name") from None

    def remove(self, name: str, now: datetime) -> None:
        """Let it launch no more. Raises NotFound."""
        if self._cabinet.take(KIND, name, now) is None:
            raise NotFound("there is no such issuer; `twinline issuers list` tells all", field="name")


def _issuer(document: Document) -> Issuer:
    try:
        return msgspec.json.decode(document.content, type=Issuer)
    except msgspec.MsgspecError:
        raise IntegrityError("an issuer's record is malformed") from None  # the cause may quote the secret


def new_issuer(  # noqa: PLR0913 - one for each field of the record
    *,
    name: str,
    iss: str,
    client_id: str,
    method: str = Method.PRIVATE_KEY_JWT,
    secret: str = "",
    alg: str = "ES384",
    scopes: Iterable[str] = (),
    client: str = "",
    tenant: str = "",
    frames: Iterable[str] = (),
) -> Issuer:
    """A record, checked. The parameters are those of `Issuer`; no scopes are the usual ones.

    Raises
    ------
    SettingsError
        Naming the field that is wrong, and never the secret.
    """
    must(_NAME.fullmatch(name), "name", "up to 63 lower-case letters, digits and hyphens")
    base = iss.removesuffix("/")
    fine = _BASE.fullmatch(base) and is_url(base, secure=True) and not _climbs(base)
    must(fine, "iss", "must be a plain https URL without query; http on loopback only")
    must(_CLIENT_ID.fullmatch(client_id), "client_id", "must be up to 300 visible characters")
    must(method in tuple(Method), "method", f"must be one of {', '.join(Method)}")
    how = Method(method)
    _check_secret(how, secret)
    known = [one for one in SIGNING_ALGS if one == alg]
    must(known, "alg", f"must be one of {', '.join(SIGNING_ALGS)}")
    asked = tuple(dict.fromkeys(scopes)) or DEFAULT_SCOPES
    must(all(read_scopes(one) == {one} for one in asked), "scope", "must be one scope without blanks")
    must(client or not tenant, "tenant", "is one of a client: name the client too")
    origins = tuple(dict.fromkeys(frames))
    must(all(map(_is_origin, origins)), "frame", "must be an origin in lower case: scheme://host[:port]; no *")
    return Issuer(
        name=name,
        iss=base,
        client_id=client_id,
        method=how,
        secret=secret,
        alg=known[0],
        scopes=asked,
        client=client,
        tenant=tenant,
        frames=origins,
    )


def client_of(issuer: Issuer, clients: Sequence[Client]) -> Client | None:
    """The CDS client whose patients are this issuer's; None if it has none of its own.

    Raises
    ------
    SettingsError
        If it is not registered, or may not speak for the tenant: then nobody can say whose patient is meant.
    """
    if not issuer.client:
        return None
    found = next((one for one in clients if one.name == issuer.client), None)
    if found is None:
        raise SettingsError("the issuer's client is not registered", field="client")
    if issuer.tenant not in (found.tenants or {""}):
        raise SettingsError("the issuer's client may not speak for this tenant", field="tenant")
    return found


def _check_secret(method: Method, secret: str) -> None:
    if method is Method.PRIVATE_KEY_JWT:
        must(not secret, "secret", "is not used with private_key_jwt")
    else:
        must(_SECRET.fullmatch(secret), "secret", f"{method} needs one of 8 to 1000 characters of ASCII")


def _climbs(base: str) -> bool:
    return any(part and not part.strip(".") for part in base.split("/"))


def _is_origin(text: str) -> bool:
    return _ORIGIN.fullmatch(text) is not None and is_url(text, secure=True)
