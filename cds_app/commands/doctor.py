"""``twinline doctor``: what is wrong with this installation, and how to mend it. Nothing is made or changed."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click
import requests

from cds_app.adapters.clock import SystemClock
from cds_app.adapters.sql.cabinet import SqlCabinet
from cds_app.adapters.sql.client_register import SqlClients
from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.migrate import is_current, is_newer
from cds_app.bootstrap import quiet_logs
from cds_app.commands.examples import examples
from cds_app.commands.stores import open_store, with_store
from cds_app.databases import vault_of
from cds_app.deps import knowledge_of
from cds_app.errors import SettingsError, TwinlineError
from cds_app.services.smart.backend import Finding
from cds_app.services.smart.issuers import Issuers
from cds_app.services.smart.signing import SigningKeys
from cds_app.services.sources.subscriptions import Heard, Subscriptions
from cds_app.services.watch.watching import is_behind
from cds_app.settings import Settings, configured

_LEAST_FREE: Final = 2 * 1024**3
_WRONG: Final = 1
_ASK_S: Final = 2.0


@click.command(epilog=examples("twinline doctor", "twinline doctor --log --json"))
@with_store
@click.option("--log", is_flag=True, help="Check every entry of the decision log too: a minute for some millions.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON array.")
def doctor(*, log: bool, as_json: bool, **flags: Any) -> None:
    """Say what is wrong with this installation, and how to mend it.

    Looks at settings, content and models, folder, key, database, clients, EHRs that launch, and the port. Exit status
    0: nothing is wrong; 1: something is.
    """
    quiet_logs()
    found = []
    for one in findings(flags, whole_log=log):
        found.append(one)
        if not as_json:
            click.echo("\n".join(_lines(one)))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
    if not all(one.fine for one in found):
        raise SystemExit(_WRONG)


def findings(flags: Mapping[str, Any], *, whole_log: bool) -> Iterator[Finding]:
    """Look at everything, in the order in which things rest on each other; each finding comes when it is known."""
    try:
        settings = configured(flags)
    except TwinlineError as error:
        yield Finding(
            what=f"settings: {error.message}", fine=False, mend="correct the flag, TWINLINE_* or twinline.toml"
        )
        return
    yield Finding(what=f"settings, for {settings.base_url}", fine=True)
    yield from _content(settings)
    yield from _folder(settings)
    if not settings.database_url and not settings.database_file.exists():
        yield Finding(what="database: none yet, the first `twinline serve` or `clients add` makes it", fine=True)
    else:
        yield from _database(settings, flags, whole_log=whole_log)
    yield _port(settings)


def _content(settings: Settings) -> Iterator[Finding]:
    try:
        knowledge = knowledge_of(settings)
    except TwinlineError as error:
        own = (error.field or "").startswith("site_mapping")
        released = "put the files back as they were released, or see `twinline content check`"
        mend = f"twinline fabric check {settings.site_mapping}" if own else released
        yield Finding(what=f"content: {error.message}", fine=False, mend=mend)
        return
    yield Finding(what=f"content: {len(knowledge.services)} services", fine=True)
    for name in sorted(knowledge.learned.failed):
        mend = f"put models/{name} back as it was released: until then this risk is not estimated"
        yield Finding(what=f"model {name}: failed its check", fine=False, mend=mend)
    yield Finding(what=f"models: {', '.join(sorted(knowledge.learned.models))}", fine=True)


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    if not folder.exists():
        able = os.access(folder.absolute().parent, os.W_OK)
        yield Finding(what=f"folder {folder}: will be made", fine=able, mend="make it")
        return
    yield Finding(
        what=f"folder {folder}: {'can' if os.access(folder, os.W_OK) else 'cannot'} be written",
        fine=os.access(folder, os.W_OK),
        mend=f"let the service's user own it: chown USER {folder}",
    )
    private = not folder.stat().st_mode & 0o077
    state = "closed" if private else "open"
    yield Finding(what=f"folder {folder}: {state} to others", fine=private, mend=f"chmod 700 {folder}")
    free, mend = shutil.disk_usage(folder).free, "make room: a full disk stops all writing"
    yield Finding(what=f"disk: {free / 1024**3:.0f} GiB free", fine=free >= _LEAST_FREE, mend=mend)


def _database(settings: Settings, flags: Mapping[str, Any], *, whole_log: bool) -> Iterator[Finding]:
    try:
        vault_of(settings)
        current, newer = is_current(settings.store_url), is_newer(settings.store_url)
    except SettingsError as error:
        yield _unusable(error, settings)
        return
    except TwinlineError as error:
        mend = "check TWINLINE_DATABASE_URL, and that the server runs" if settings.database_url else "restore a backup"
        yield Finding(what=f"database: {error.message}", fine=False, mend=mend)
        return
    state = "as this version has it" if current else f"of {'a newer' if newer else 'an older'} version"
    update = "the next command that opens it brings it up to date: `twinline db backup` before, which does not"
    mend = "upgrade Twinline, or restore a backup from before" if newer else update
    yield Finding(what=f"database: tables {state}", fine=current, mend=mend)
    if current:
        yield from _registers(settings)
        yield from _clock(settings, flags)
    if current and whole_log:
        yield from _log(flags)


def _unusable(error: SettingsError, settings: Settings) -> Finding:
    """A database that is not named rightly, or a key that cannot be one."""
    if error.field == "database_url":
        return Finding(what=error.message, fine=False, mend="correct TWINLINE_DATABASE_URL, or database_url")
    file = f"put {settings.data_dir}/master.key back from a backup, of its owner only (chmod 600)"
    given = "set TWINLINE_MASTER_KEY to the key of this database, from the secret store of the house"
    return Finding(what=f"key: {error.message}", fine=False, mend=given if settings.master_key else file)


def _registers(settings: Settings) -> Iterator[Finding]:
    database, now = Database(settings.store_url), datetime.now(UTC)
    try:
        cabinet = SqlCabinet(database, vault_of(settings))
        clients = SqlClients(database, vault_of(settings)).clients()
        issuers, keys = Issuers(cabinet).all(now), SigningKeys(cabinet).all(now)
        subscriptions = Subscriptions(cabinet, SystemClock()).all()
    except TwinlineError as error:
        given = (
            "set TWINLINE_MASTER_KEY to the key of this database" if settings.master_key else "put its key file back"
        )
        mend = f"the key and the database do not belong together: {given}, or restore both from one backup"
        yield Finding(what=f"registers: {error.message}", fine=False, mend=mend)
        return
    finally:
        database.close()
    open_ = settings.open_to_this_machine
    said = f"{len(clients)} may call" if clients else ("open to this machine" if open_ else "nobody may call")
    mend = "twinline clients add NAME --iss URL --jku URL"
    yield Finding(what=f"clients: {said}", fine=bool(clients) or open_, mend=mend)
    yield Finding(what=f"EHRs that may launch the sidebar: {len(issuers)}", fine=True)
    if issuers:
        yield Finding(what=f"keys to sign with: {len(keys)}", fine=bool(keys), mend="twinline keys new")
    for name, _, heard in subscriptions:
        yield standing_of(name, heard)


def standing_of(name: str, heard: Heard) -> Finding:
    """Whether an EHR's notifications come, and come whole."""
    if not heard.shaken:
        mend = "the EHR must reach POST /fhir-notifications: look at `twinline subscribe list`, and into the EHR's log"
        return Finding(what=f"subscription {name}: no handshake yet", fine=False, mend=mend)
    mend = "keep `twinline ingest subscriptions` running; if it cannot get them, `twinline ingest bulk`"
    said = "something is missing" if heard.behind else "nothing is missing"
    return Finding(what=f"subscription {name}: {said}", fine=not heard.behind, mend=mend)


def _clock(settings: Settings, flags: Mapping[str, Any]) -> Iterator[Finding]:
    """Held against the log. Where the EHR's simulated time stands for it there is nothing to say."""
    if settings.simulated_time:
        return
    try:
        with open_store(flags) as (_, store):
            behind = is_behind(store, SystemClock().now())
    except TwinlineError as error:
        yield Finding(what=f"clock: {error.message}", fine=False, mend="run `twinline doctor --log`")
        return
    said = "behind what is in the decision log" if behind else "not behind the decision log"
    mend = (
        "set it by NTP, here or on the machine that wrote last; until then patients may be refused (clock-behind). "
        "Where the clocks are right, the database once ran with --simulated-time, and keeps what was said of times to "
        "come: go back to a backup of before (`twinline db restore`), or begin a new one (--data-dir, --database-url)"
    )
    yield Finding(what=f"clock: {said}", fine=not behind, mend=mend)


def _log(flags: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        with open_store(flags) as (_, store):
            verdict = store.verify()
    except TwinlineError as error:
        yield Finding(what=f"decision log: {error.message}", fine=False, mend="restore a backup")
        return
    fine = not verdict.problem
    said = f"{verdict.entries} entries" if fine else f"broken: {verdict.said}"
    mend = "somebody changed the database: keep it for those who investigate, and restore a backup"
    yield Finding(what=f"decision log: {said}", fine=fine, mend=mend)


def _port(settings: Settings) -> Finding:
    """Free, or a Twinline that answers there."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            return _taken(settings)
    return Finding(what=f"port {settings.port}: free, no service runs here", fine=True)


def _taken(settings: Settings) -> Finding:
    try:
        answer = requests.get(f"http://{settings.host}:{settings.port}/readyz", timeout=_ASK_S)
        body = answer.json()
    except (requests.RequestException, ValueError):
        mend = "end the other program, or choose another --port"
        return Finding(what=f"port {settings.port}: taken by another program", fine=False, mend=mend)
    parts = [f"{name} {state}" for name, state in body.get("parts", {}).items() if state not in ("ok", "not-run")]
    said = f"port {settings.port}: a service runs here, {body.get('status', 'unknown')}"
    mend = "see deploy/docs/watch.md for what each part means"
    return Finding(what=", ".join((said, *parts)), fine=answer.ok, mend=mend)


def _lines(one: Finding) -> Iterator[str]:
    yield f"{'fine ' if one.fine else 'WRONG'}  {one.what}"
    if not one.fine and one.mend:
        yield f"       mend: {one.mend}"
