"""Settings come from four places in a fixed order, and unsafe ones refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_app.errors import SettingsError
from cds_app.settings import ISSUER_SECRET, MQTT_PASSWORD, host_and_port, is_loopback, load_settings

EXPOSED = {"host": "10.0.0.1", "public_url": "https://cds.example"}
NO_BASE_URLS = ["cds.example", "ftp://x", "https://a.example/?b", "https://a.example/#b", "https://u@a.example", "//a",
                "https://[x", "https://a.example:port"]  # fmt: skip
NO_FHIR_BASES = ["fhir", "http://ehr.example/r4", "ftp://ehr.example", "https://ehr.example/r4?x"]
NO_ORIGINS = ["*", "null", "a.example", "https://A.example", "https://a.example/", "https://a.example:443",
              "http://a.example:80", "https://*.example", "https://a.example:x", "https://a.example:", ""]  # fmt: skip


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "twinline.toml"
    file.write_text('port = 1001\nworkers = 3\ntimezone = "Europe/Berlin"\n')
    settings = load_settings({"port": 1003, "workers": None}, {"TWINLINE_PORT": "1002", "HOME": "x"}, file)
    assert (settings.port, settings.workers, settings.timezone, settings.threads) == (1003, 3, "Europe/Berlin", 4)


def test_lists_come_comma_separated() -> None:
    settings = load_settings({}, {"TWINLINE_FHIR_SERVERS": "https://a.example/r4, https://b.example"}, None)
    assert settings.fhir_servers == ("https://a.example/r4", "https://b.example")


@pytest.mark.parametrize("name", [ISSUER_SECRET, MQTT_PASSWORD])
def test_a_secret_of_one_command_may_be_there_for_every_command(name: str) -> None:
    assert load_settings({}, {name: "x"}, None) == load_settings()


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ({"prot": 1}, "prot"),
        ({"port": "eighty"}, "port"),
        ({"host": "0.0.0.0"}, "beyond loopback, public_url"),  # noqa: S104 - that it is refused is the point
        ({"host": "ehr.example"}, "beyond loopback, public_url"),
        ({"host": "ehr.example", "public_url": "http://cds.example"}, "https"),
        *(({**EXPOSED, flag: True}, "only loopback") for flag in ("open_to_this_machine", "simulated_time")),
        ({"public_url": "https://cds.example", "open_to_this_machine": True}, "only loopback"),
        ({"public_url": "https://cds.example", "simulated_time": True}, "only loopback"),
        ({"public_url": "http://cds.example"}, "https"),
        *(({"public_url": url}, "public_url") for url in NO_BASE_URLS),
        *(({"fhir_servers": ("https://a.example", url)}, "fhir_servers") for url in NO_FHIR_BASES),
        ({"fhir_servers": "https://a.example"}, "fhir_servers: must be a list"),
        *(({"cors_origins": (origin,)}, "cors_origins") for origin in NO_ORIGINS),
        ({"token_max_age_s": 3601}, "token_max_age_s"),
        ({"token_max_age_s": 0}, "token_max_age_s"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"workers": 0}, "workers"),
    ],
)
def test_what_is_unknown_malformed_or_unsafe_refuses_and_is_named(flags: dict[str, object], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        load_settings(flags)


def test_a_file_of_settings_that_cannot_be_read_refuses(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"twinline\.toml cannot be read"):
        load_settings(file=tmp_path)


def test_beyond_loopback_a_public_url_is_enough() -> None:
    settings = load_settings({**EXPOSED, "public_url": "https://cds.example/twinline/"})
    assert settings.base_url == "https://cds.example/twinline"


@pytest.mark.parametrize(
    ("flags", "url"),
    [
        ({}, "http://127.0.0.1:8717"),
        ({"host": "::1", "port": 9}, "http://[::1]:9"),
        ({"public_url": "http://127.0.0.1:1/x"}, "http://127.0.0.1:1/x"),
    ],
)
def test_callers_know_the_service_under_its_public_url(flags: dict[str, object], url: str) -> None:
    assert load_settings(flags).base_url == url


def test_origins_are_as_browsers_send_them() -> None:
    origins = "https://a.example, http://localhost:8080,https://a.example:8443,http://[::1]:9"
    settings = load_settings({}, {"TWINLINE_CORS_ORIGINS": origins})
    assert len(settings.cors_origins) == 4


def test_a_service_is_closed_unless_told_otherwise() -> None:
    assert load_settings().open_to_this_machine is False
    assert load_settings({}, {"TWINLINE_OPEN_TO_THIS_MACHINE": "true"}).open_to_this_machine is True


def test_a_broken_file_refuses(tmp_path: Path) -> None:
    file = tmp_path / "twinline.toml"
    file.write_text("port = = 3")
    with pytest.raises(SettingsError):
        load_settings({}, {}, file)


def test_the_key_is_never_shown() -> None:
    assert "abcdef" not in repr(load_settings({"master_key": "abcdef"}))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("", False)],
)
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("text", ["", "x", ":1883", "x:", "x:0", "x:-1", "x:65536", "x:1e3"])
def test_what_does_not_say_host_and_port_refuses(text: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        host_and_port(text, "broker")


def test_host_and_port_are_read_without_the_brackets_of_ipv6() -> None:
    assert host_and_port("[::1]:1883", "broker") == ("::1", 1883)
    assert host_and_port("localhost:0", "listen", 0) == ("localhost", 0)


def test_the_default_store_is_sqlite_in_the_data_folder(tmp_path: Path) -> None:
    assert load_settings({"data_dir": tmp_path}).store_url == f"sqlite:///{tmp_path / 'twinline.sqlite'}"
    assert load_settings({"database_url": "postgresql+psycopg://x"}).store_url == "postgresql+psycopg://x"


def test_a_misspelt_setting_is_named_with_the_one_that_is_meant() -> None:
    with pytest.raises(SettingsError) as told:
        load_settings(environ={"TWINLINE_MAX_WAITNG": "7"})
    assert "max_waitng: there is no such setting; perhaps max_waiting (TWINLINE_MAX_WAITING)" in told.value.message
    with pytest.raises(SettingsError, match=r"zzz: there is no such setting$"):
        load_settings({"zzz": 1})
