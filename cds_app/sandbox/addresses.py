"""Where the sandbox is, as the caller reached it."""

from __future__ import annotations

from flask import request


def base_url() -> str:
    """The FHIR base of this server as the caller reached it."""
    return f"{request.host_url.rstrip('/')}/fhir"
