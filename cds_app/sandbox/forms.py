"""Who may send a form: a page of this server, and nobody else's."""

from __future__ import annotations

from flask import request

from cds_app.errors import TwinlineError


class Forbidden(TwinlineError):
    """The caller is known, or needs no name, and may not do this."""

    code = "forbidden"
    status = 403
    issue_type = "forbidden"


def same_origin() -> None:
    """Refuse what another site's page sends.

    Browsers say where a POST comes from. A client that is no browser says nothing, and must then send JSON, which no
    foreign page can do without asking first.

    Raises
    ------
    Forbidden
    """
    if request.method != "POST":
        return
    origin = request.headers.get("Origin")
    ours = f"{request.scheme}://{request.host}"
    if origin != ours and not (origin is None and request.is_json):
        raise Forbidden("this form was not sent from a page of the sandbox")
