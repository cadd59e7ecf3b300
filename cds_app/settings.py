"""Settings: frozen, read once, from flags, then ``TWINLINE_*``, then ``twinline.toml``, then defaults.

Unknown keys are errors. Combinations that would be unsafe refuse to start and say why.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from cds_app.errors import SettingsError

PREFIX = "TWINLINE_"
ISSUER_SECRET: Final = "TWINLINE_ISSUER_SECRET"  # noqa: S105 - the name of the variable
MQTT_PASSWORD: Final = "TWINLINE_MQTT_PASSWORD"  # noqa: S105 - the same
_OF_ONE_COMMAND: Final = frozenset({ISSUER_SECRET, MQTT_PASSWORD})
"""Secrets that one command reads where it needs them: no settings."""
_LISTS: Final = frozenset({"fhir_servers", "cors_origins", "identifier_systems"})
_BASE_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9\-._~]+)*")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-\[\]:]+")


class Settings(BaseModel):
    """What a site can set. What stands below each is told by ``twinline serve --help``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Where the service listens."""
    port: int = Field(default=8717, ge=0, le=65535)
    """Where the service listens."""
    public_url: str = ""
    """Base URL under which callers know the service, the audience of their tokens; http://host:port when empty, which
    only loopback may be."""
    open_to_this_machine: bool = False
    """Answer calls without a token as long as no client is registered: whoever can run a program on this machine can
    then read and write. Loopback only."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages in a browser may call, separated by commas."""
    sidebar_links: bool = False
    """Give cards a link that launches the sidebar (SMART App Launch); for EHRs in which it is registered."""
    token_max_age_s: int = Field(default=900, ge=60, le=3600)
    """The longest life of a client's token, seconds."""
    workers: int = Field(default=2, ge=1, le=64)
    """Worker processes."""
    threads: int = Field(default=4, ge=1, le=64)
    """Calls that a worker works on at once."""
    data_dir: Path = Path("twinline-data")
    """Where the database, the key file and the log head live by default."""
    database_url: str = ""
    """SQLAlchemy URL: postgresql://USER:PASSWORD@HOST/NAME, or sqlite:///FILE; SQLite in data_dir when empty."""
    master_key: str = Field(default="", repr=False)
    """64 hexadecimal digits; when empty the key file data_dir/master.key is used (made if missing)."""
    fhir_servers: tuple[str, ...] = ()
    """FHIR base URLs that may be called back with the token of the call, separated by commas."""
    identifier_systems: tuple[str, ...] = ()
    """Systems of the Patient identifiers (Patient.identifier.system) by which other sources name people: what those
    tell is then the patient's whose Patient carries the identifier. Separated by commas."""
    fetch_budget_s: float = Field(default=0.8, gt=0, le=10)
    """Time for everything that prefetch left out, seconds."""
    page_budget_s: float = Field(default=5.0, gt=0, le=30)
    """Time for the record that a page of the sidebar asks for, seconds."""
    timezone: str = "UTC"
    """IANA name of the zone of the site: in it times are shown, and dates and times without an offset are read."""
    site_mapping: Path | None = None
    """File with the codes and unit texts of this site (twinline fabric check); none when empty."""
    units: str = "conventional"
    """In which units clinicians read: a preset of the ontology, and after commas what is told otherwise
    (si, pco2=mm[Hg])."""
    simulated_time: bool = False
    """Honour the event time a replay or the demo states; never on a ward."""
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Limit of one request, bytes."""
    max_entries: int = Field(default=25_000, ge=1)
    """Limit of one request, resources."""
    metrics: bool = False
    """Serve /metrics; without metrics_token to this machine only."""
    metrics_token: str = Field(default="", repr=False)
    """The bearer token that /metrics asks for."""
    max_waiting: int = Field(default=12, ge=0, le=1000)
    """How many calls may wait for a thread of one worker; more are refused at once with 503."""
    canary_every_s: float = Field(default=300.0, ge=0, le=3600)
    """How often each worker asks for the canary patients, seconds; 0 for never."""
    firing_every_s: float = Field(default=60.0, ge=0, le=3600)
    """How often each worker looks at what fires, seconds; 0 for never, and no storm breaker."""
    cached_facts: int = Field(default=100_000, ge=0)
    """How many facts the twins in memory may hold together, per worker."""

    @model_validator(mode="after")
    def _safe(self) -> Settings:
        if self.public_url and not _is_base_url(self.public_url):
            raise ValueError("public_url: not a plain URL without query, user or fragment")
        # A proxy may stand before a service that is bound to loopback: then its public URL says so.
        if not is_loopback(self.host) or not is_loopback(urlsplit(self.base_url).hostname or ""):
            self._check_exposed()
        if not all(map(_is_fhir_base, self.fhir_servers)):
            raise ValueError(
                "fhir_servers: each must be a plain https URL without query, user or fragment; http on loopback only"
            )
        if not all(map(_is_origin, self.cors_origins)):
            raise ValueError("cors_origins: each must be scheme://host[:port] in lower case; no *, no null")
        if self.timezone not in available_timezones():
            raise ValueError("timezone: not an IANA time zone")
        return self

    def _check_exposed(self) -> None:
        """What must hold beyond loopback."""
        if self.open_to_this_machine:
            raise ValueError("host, public_url: only loopback while the service is open to this machine")
        if self.simulated_time:
            raise ValueError("host, public_url: only loopback while stated event times are honoured")
        if not self.public_url.startswith("https://"):
            raise ValueError(
                "host: beyond loopback, public_url must say under which https URL callers know the service"
            )

    @property
    def base_url(self) -> str:
        """Under which callers know the service, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url.removesuffix("/") or f"http://{host}:{self.port}"

    @property
    def database_file(self) -> Path:
        """Where the SQLite database is when no other database is named."""
        return self.data_dir / "twinline.sqlite"

    @property
    def store_url(self) -> str:
        """The database to use."""
        return self.database_url or f"sqlite:///{self.database_file}"


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and _BASE_URL.fullmatch(text.removesuffix("/")) is not None


def _is_fhir_base(text: str) -> bool:
    return _is_base_url(text) and (text.startswith("https://") or is_loopback(urlsplit(text).hostname or ""))


def _is_origin(text: str) -> bool:
    """Whether this is what a browser sends as ``Origin``: scheme, host and a port that is not the scheme's own."""
    if _ORIGIN.fullmatch(text) is None:
        return False
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and not text.endswith(":") and port != {"http": 80, "https": 443}[parts.scheme]


def host_and_port(text: str, flag: str, least: int = 1) -> tuple[str, int]:
    """What ``HOST:PORT`` says, the brackets of IPv6 taken off; the port is ``least`` at least (0: any free one).

    Raises
    ------
    SettingsError
        If it does not say both.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not least <= int(port) <= 65535:
        raise SettingsError("must be HOST:PORT", field=flag)
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Merge the sources and check the result.

    Parameters
    ----------
    flags : mapping, optional
        From the command line; None values do not count.
    environ : mapping, optional
        Environment; only ``TWINLINE_*`` names that are settings are read, lists separated by commas.
    file : Path, optional
        ``twinline.toml``; may be absent.

    Raises
    ------
    SettingsError
        Naming each setting that is unknown, malformed or unsafe.
    """
    merged = {**_from_file(file), **_from_environ(environ or {})}
    merged |= {key: value for key, value in (flags or {}).items() if value is not None}
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


def configured(flags: Mapping[str, object] | None = None) -> Settings:
    """The settings of this process: its flags, its environment, and ``twinline.toml`` where it was started."""
    return load_settings(flags, os.environ, Path("twinline.toml"))


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None or not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("twinline.toml is not valid TOML") from error
    except OSError as error:
        raise SettingsError("twinline.toml cannot be read") from error


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in environ.items():
        if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_") and name not in _OF_ONE_COMMAND:
            key = name.removeprefix(PREFIX).lower()
            many = key in _LISTS
            found[key] = tuple(part.strip() for part in text.split(",") if part.strip()) if many else text
    return found


def _explain(error: ValidationError) -> str:
    said = ((".".join(map(str, one["loc"])), _said(one)) for one in error.errors(include_url=False))
    return "; ".join(f"{where}: {text}" if where else text for where, text in said)


def _said(one: ErrorDetails) -> str:
    if one["type"] == "tuple_type":
        return "must be a list of texts"
    if one["type"] != "extra_forbidden":
        return one["msg"].removeprefix("Value error, ")
    near = get_close_matches(str(one["loc"][0]), Settings.model_fields, n=1)
    meant = f"; perhaps {near[0]} ({PREFIX}{near[0].upper()}) is meant" if near else ""
    return f"there is no such setting{meant}"
