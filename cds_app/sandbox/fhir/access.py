"""Who may read and write what over FHIR: the scopes of the token that a call brings, and the patient it is about.

RFC 6750; SMART App Launch 2.2. A token is never passed over: with one that does not hold, a call fails even where a
call without one would succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flask import g, request

from cds_app.errors import Unauthorised
from cds_app.sandbox.forms import Forbidden
from cds_app.sandbox.smart.scopes import Reach, reach
from cds_app.sandbox.smart.tokens import Access, Tokens

Visible = Callable[[str], bool]
"""Whether what is about the patient of this id may be seen or written."""

PATIENT_FREE: Final = frozenset({"Practitioner"})
"""Types about no patient: within reach of every token that has the scope."""


class ScopeLacking(Forbidden):
    """The token does not go that far."""

    code = "scope-lacking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What stands before the FHIR endpoint.

    Parameters
    ----------
    open : bool
        Whether calls without a token may do everything.
    """

    tokens: Tokens
    open: bool = False

    def admit(self) -> None:
        """Look at the token of the call that is being answered.

        Raises
        ------
        Unauthorised
        """
        header = request.headers.get("Authorization")
        g.access = None
        if header is None:
            if not self.open:
                raise Unauthorised("no token")
            return
        scheme, _, token = header.partition(" ")
        g.access = self.tokens.find(token.strip()) if scheme.lower() == "bearer" else None
        if g.access is None:
            raise Unauthorised("unknown or ended token")


def visible(kind: str, letter: str) -> Visible:
    """What the call that is being answered may do this to, as a test.

    Parameters
    ----------
    kind : str
        Type of the resources.
    letter : str
        One of ``cruds``.

    Raises
    ------
    ScopeLacking
        If it may not do so to any resource of the type.
    """
    access: Access | None = g.access
    if access is None:
        return _everything
    far = reach(access.scopes, kind, letter)
    patient = access.context.patient
    if far is Reach.NOTHING or (far is Reach.PATIENT and not patient):
        raise ScopeLacking("the token has no scope for this interaction with this type", field=kind)
    if far is Reach.ALL or kind in PATIENT_FREE:
        return _everything
    return lambda one: one == patient


def check_visible(kind: str, patient: str, test: Visible) -> None:
    """Refuse what belongs to another patient. Raises ScopeLacking."""
    if not test(patient):
        raise ScopeLacking("the token is for another patient", field=kind)


def check_everyone(kind: str, letter: str) -> None:
    """Refuse a call about all patients at once to a token that is for one. Raises ScopeLacking."""
    if visible(kind, letter) is not _everything:
        raise ScopeLacking("the token is for one patient", field=kind)


def check_query(kind: str, query: Sequence[tuple[str, str]]) -> None:
    """Refuse a search for another patient aloud: an empty answer would look as if there were nothing.

    Raises
    ------
    ScopeLacking
    """
    access: Access | None = g.access
    if access is None or reach(access.scopes, kind, "s") is not Reach.PATIENT or kind in PATIENT_FREE:
        return
    names = ("_id",) if kind == "Patient" else ("patient", "subject")
    asked = {one.rpartition("/")[2] for name, value in query if name in names for one in value.split(",")}
    if asked - {access.context.patient}:
        raise ScopeLacking("the token is for another patient", field=names[0])


def _everything(_: str) -> bool:
    return True
