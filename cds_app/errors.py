"""One tree of errors: every failure that leaves Twinline has a stable code, an HTTP status and a FHIR issue type.

Messages name the field that is wrong and never repeat its value: an error text may end in a log.
"""

from __future__ import annotations

from typing import Literal


class TwinlineError(Exception):
    """Root of every error that Twinline raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong, for a reader. Names fields, never values.
    field : str, optional
        Where, as a path into the request or file (``context.patientId``).
    """

    code = "internal"
    status = 500
    issue_type = "exception"
    retry_after_s = 1  # said with every 503

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    @property
    def said(self) -> str:
        """What is wrong, and where, in a line."""
        return f"{self.message} ({self.field})" if self.field else self.message


class ContentError(TwinlineError):
    """hooks/, templates/ or models/ hold something that does not resolve: start-up stops."""

    code = "content-invalid"


class TreesUnsupported(ContentError):
    """Trees of a kind that Twinline does not read itself; xgboost may."""

    code = "trees-unsupported"


class SettingsError(TwinlineError):
    """A setting is unknown, malformed or unsafe: start-up stops."""

    code = "settings-invalid"


class DataError(TwinlineError):
    """A file given on the command line is not what the command can work on; the message names the column or row."""

    code = "data-invalid"
    status = 400
    issue_type = "invalid"


class BadRequest(TwinlineError):
    """The request itself is malformed."""

    code = "request-invalid"
    status = 400
    issue_type = "invalid"


class Unauthorised(TwinlineError):
    """The caller did not prove who it is. The reason is for the log: the answer is the same for all of them."""

    code = "unauthorised"
    status = 401
    issue_type = "login"

    def __init__(self, reason: str) -> None:
        super().__init__("not authorised")
        self.reason = reason


class SessionExpired(TwinlineError):
    """A visit is unknown, over, idle for too long, another browser's, or the EHR gives no token for it any more."""

    code = "session-expired"
    status = 401
    issue_type = "expired"

    def __init__(self) -> None:
        super().__init__("the visit is over: launch again from the EHR")


class OtherPatient(TwinlineError):
    """The browser has since launched for another patient. Nothing is said of either.

    Parameters
    ----------
    frames : tuple of str
        Origins that may embed the pages of the visit: its user is to see what happened.
    """

    code = "other-patient"
    status = 409
    issue_type = "conflict"

    def __init__(self, frames: tuple[str, ...] = ()) -> None:
        super().__init__("another patient was opened in the EHR since")
        self.frames = frames


class Forbidden(TwinlineError):
    """A form was not sent from a page of ours, or not by whom it was made for."""

    code = "forbidden"
    status = 403
    issue_type = "forbidden"


class LaunchRefused(TwinlineError):
    """A launch does not lead to a visit.

    Parameters
    ----------
    reason : str
        One of a closed list. Holds nothing of the request, and nothing that the EHR wrote.
    status : int
        HTTP status.
    """

    code = "launch-refused"
    issue_type = "security"

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(f"the launch is refused: {reason}")
        self.reason = reason
        self.status = status


class GrantRefused(TwinlineError):
    """An authorisation server gives no token.

    Parameters
    ----------
    reason : str
        Its code of RFC 6749, 5.2; ``other`` for any other.
    """

    code = "grant-refused"
    status = 403
    issue_type = "security"

    def __init__(self, reason: str) -> None:
        super().__init__("the authorisation server gives no token")
        self.reason = reason


class UnknownService(TwinlineError):
    """No CDS service has this id."""

    code = "service-unknown"
    status = 404
    issue_type = "not-found"


class NotFound(TwinlineError):
    """The addressed thing does not exist here."""

    code = "not-found"
    status = 404
    issue_type = "not-found"


class UnsupportedMedia(TwinlineError):
    """The body is not ``application/json``."""

    code = "media-type-unsupported"
    status = 415
    issue_type = "invalid"


class TooLarge(TwinlineError):
    """The body, its nesting or its number of entries is over the limit."""

    code = "request-too-large"
    status = 413
    issue_type = "too-long"


class DataUnavailable(TwinlineError):
    """FHIR data that the service needs can be had neither from prefetch nor from the FHIR server."""

    code = "data-unavailable"
    status = 412
    issue_type = "incomplete"


class TryLater(DataUnavailable):
    """The FHIR server may give it later: too many asked, it failed itself, or the connection broke.

    Parameters
    ----------
    after_s : float
        How long it wants to be left alone, seconds; 0 if it did not say.
    """

    code = "try-later"
    status = 503
    issue_type = "transient"

    def __init__(self, message: str, *, after_s: float = 0.0, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.after_s = after_s


class Gone(DataUnavailable):
    """What the FHIR server had prepared is not there any more."""

    code = "data-gone"


class TokenRefused(DataUnavailable):
    """The FHIR server does not accept the access token (any more)."""

    code = "token-refused"


class DataChanged(TwinlineError):
    """The record is not what the page was made from: nothing was done, look again."""

    code = "data-changed"
    status = 409
    issue_type = "conflict"


class DependencyDown(TwinlineError):
    """The store or another thing the service stands on does not answer."""

    code = "dependency-down"
    status = 503
    issue_type = "transient"


class ClockBehind(DependencyDown):
    """What is on record was so, and was learned, after what this machine calls now: freshness cannot be told."""

    code = "clock-behind"
    retry_after_s = 60


class ServiceOff(TwinlineError):
    """Clinical governance switched the service off: it is not asked, and says so."""

    code = "service-off"
    status = 503
    issue_type = "business-rule"
    retry_after_s = 60


class Conflict(TwinlineError):
    """Somebody else wrote to the same patient first; recompute on what is there now."""

    code = "version-conflict"
    status = 503
    issue_type = "conflict"


class PatientErased(TwinlineError):
    """The patient's key was destroyed; nothing of theirs can be read or added."""

    code = "patient-erased"
    status = 410
    issue_type = "deleted"


class IntegrityError(TwinlineError):
    """Stored bytes do not match their seal, hash or chain."""

    code = "integrity-broken"
    issue_type = "exception"


class UnitError(TwinlineError):
    """A unit cannot be read or has the wrong dimension for its variable.

    Parameters
    ----------
    message : str
        As for every error.
    reason : {"unknown-unit", "wrong-dimension"}
        Which of the two.
    field : str, optional
        The variable.
    """

    code = "unit-invalid"
    status = 400
    issue_type = "value"

    def __init__(
        self,
        message: str,
        *,
        reason: Literal["unknown-unit", "wrong-dimension"] = "unknown-unit",
        field: str | None = None,
    ) -> None:
        super().__init__(message, field=field)
        self.reason: Literal["unknown-unit", "wrong-dimension"] = reason
