"""EHRs that may launch Twinline: what is registered of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from cds_app.domain.clients import Caller, Client
from cds_app.domain.scopes import resource_scope

SigningAlg = Literal["ES384", "RS384"]
SIGNING_ALGS: Final[tuple[SigningAlg, ...]] = ("ES384", "RS384")
"""What a SMART client must be able to sign with (SMART App Launch 2.2, client-confidential-asymmetric)."""


class Method(StrEnum):
    """How Twinline proves to an authorisation server who it is."""

    PRIVATE_KEY_JWT = "private_key_jwt"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One EHR as it is registered here, and Twinline as it is registered there.

    Parameters
    ----------
    name : str
        What the hospital calls it.
    iss : str
        FHIR base URL, character by character but for a trailing slash.
    client_id : str
        Twinline's, as the EHR gave it.
    secret : str
        For the two methods that have one; "" otherwise.
    alg : {"ES384", "RS384"}
        What assertions are signed with.
    scopes : tuple of str
        Asked for: at a launch those of patient and user, by the server itself those of ``system/``.
    client : str
        Name of the CDS client (`cds_app.domain.clients.Client`) whose patients are this EHR's; "" for none.
    tenant : str
        Organisation of that client for which this EHR stands; "" for none.
    frames : tuple of str
        Origins whose pages may embed ours.
    """

    name: str
    iss: str
    client_id: str
    method: Method = Method.PRIVATE_KEY_JWT
    secret: str = field(default="", repr=False)
    alg: SigningAlg = "ES384"
    scopes: tuple[str, ...] = ()
    client: str = ""
    tenant: str = ""
    frames: tuple[str, ...] = ()

    @property
    def system_scopes(self) -> tuple[str, ...]:
        """What the server asks for itself, without a user."""
        return tuple(one for one in self.scopes if _is_system(one))

    def launch_scopes(self, *, from_ehr: bool) -> tuple[str, ...]:
        """What a launch asks for: the EHR knows which patient, or shall ask the user."""
        asked = (one for one in self.scopes if not _is_system(one) and one not in ("launch", "launch/patient"))
        return ("launch" if from_ehr else "launch/patient", *asked)

    def realm(self, client: Client | None) -> str:
        """Within which a patient's id names one person: the same that this EHR's CDS Hooks calls have."""
        if client is None:
            return self.iss
        return Caller(client=client.name, iss=client.iss, tenant=self.tenant).realm(self.iss)


def _is_system(scope: str) -> bool:
    found = resource_scope(scope)
    return found is not None and found.level == "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What is asked of a token endpoint, and how we prove who we are.

    Parameters
    ----------
    form : mapping
        ``grant_type`` and what belongs to it.
    client_id, client_secret : str
        For the two methods with a secret.
    assertion : str
        For ``private_key_jwt``.
    """

    url: str
    form: Mapping[str, str] = field(repr=False)
    method: Method
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    assertion: str = field(default="", repr=False)
