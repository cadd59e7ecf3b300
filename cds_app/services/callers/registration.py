"""Making a trust record out of what an administrator states: everything is checked before it can be trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from cds_app.domain.clients import ALGS, DEFAULT_ALGS, Client
from cds_app.errors import BadRequest, SettingsError, TooLarge
from cds_app.ports import ClientRegister
from cds_app.services.callers.keys import UnusableKey, read_key, stated_keys
from cds_app.settings import Settings, is_loopback

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[!\"$-~]{1,500}")  # no blank, no fragment
_TENANT: Final = re.compile(r"[!\"$-~]{1,200}")
_PUBLIC: Final = ("kty", "kid", "use", "alg", "key_ops", "crv", "x", "y", "n", "e")


def new_client(  # noqa: PLR0913 - one for each field of the record
    *,
    name: str,
    iss: str,
    jku: str = "",
    jwks: str = "",
    audiences: Iterable[str] = (),
    tenants: Iterable[str] = (),
    algs: Iterable[str] = (),
) -> Client:
    """A trust record.

    Parameters
    ----------
    jku : str
        Where the client publishes its keys; https, or http on loopback. Not together with ``jwks``.
    jwks : str
        Its public keys as a JSON Web Key Set.
    algs : iterable of str
        What it may sign with, and nothing else; ES384 and RS384 if empty.

    Raises
    ------
    SettingsError
        Naming the field that is wrong, and never a key.
    """
    must(_NAME.fullmatch(name), "name", "up to 63 lower-case letters, digits and hyphens")
    must(_URI.fullmatch(iss), "iss", "must be an absolute URI without blanks or fragment")
    must(bool(jku) != bool(jwks), "jwks", "either a jku or a key set must be given (--jku URL, --jwks FILE)")
    must(not jku or is_url(jku, secure=True), "jku", "must be an https URL; http on loopback only")
    audiences, tenants, algs = frozenset(audiences), frozenset(tenants), frozenset(algs) or DEFAULT_ALGS
    must(all(is_url(one, secure=False) for one in audiences), "audience", "must be a URL")
    must(all(map(_TENANT.fullmatch, tenants)), "tenant", "up to 200 visible characters without #")
    must(algs <= ALGS, "alg", f"must be of {', '.join(sorted(ALGS))}")
    keys = _public_keys(jwks, algs) if jwks else ""
    return Client(name=name, iss=iss, jku=jku, jwks=keys, audiences=audiences, tenants=tenants, algs=algs)


def must(fine: object, field: str, rule: str) -> None:
    """Refuse a field of a record that does not keep a rule. Raises SettingsError."""
    if not fine:
        raise SettingsError(rule, field=field)


def is_url(text: str, *, secure: bool) -> bool:
    """Whether this is an absolute URL without user, blank or fragment; if ``secure``, https, or http on loopback."""
    if _URI.fullmatch(text) is None:
        return False
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or "\\" in text:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (not secure or is_loopback(host)))


def _public_keys(jwks: str, algs: frozenset[str]) -> str:
    """The set with nothing in it but public keys, each of which can be used."""
    try:
        stated = stated_keys(jwks.encode())
    except (BadRequest, TooLarge) as error:
        raise SettingsError("not a JSON Web Key Set", field="jwks") from error
    kept: dict[str, Mapping[str, Any]] = {}
    for number, one in enumerate(stated):
        kid, key = _usable(one, number, algs)
        must(kid not in kept, f"jwks.keys[{number}]", "has the kid of a key before it")
        kept[kid] = key
    must(kept, "jwks", "holds no key")
    return json.dumps({"keys": list(kept.values())}, sort_keys=True)


def _usable(stated: object, number: int, algs: frozenset[str]) -> tuple[str, Mapping[str, Any]]:
    field = f"jwks.keys[{number}]"
    try:
        kid, key = read_key(stated)
    except UnusableKey as why:
        raise SettingsError(str(why), field=field) from None
    fits = "ES384" in algs if key.key_type == "EC" else bool(algs & {"RS384", "RS256"})
    must(fits and isinstance(stated, dict), field, "is of a kind that this client may not sign with")
    public = stated if isinstance(stated, dict) else {}
    return kid, {name: public[name] for name in _PUBLIC if name in public}


def check_callers(settings: Settings, clients: ClientRegister) -> None:
    """Refuse to serve nobody, or everybody without having been told so.

    Raises
    ------
    SettingsError
    """
    if not settings.open_to_this_machine and not clients.clients():
        raise SettingsError(
            "no client may call: register one with `twinline clients add`, or say --open-to-this-machine to answer "
            "every program on this machine without asking who it is (demonstrations and tests only)",
            field="open_to_this_machine",
        )
