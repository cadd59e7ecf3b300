"""Every statement of the SQL store, built once: each is then worded once per database, too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)

from cds_app.adapters.sealed.drafting import PatientRow
from cds_app.adapters.sql.schema import arrivals, clients, documents, log, log_head, mentions, patients, segments

_LENGTHS: Final = 64  # for so many lengths of a list the statement is kept
_PATIENT: BindParameter[str] = bindparam("patient")
_AFTER: BindParameter[int] = bindparam("after")

# A patient without new rows still comes as one row, with nothing in the other columns: the key says who was erased.
SEGMENTS_AFTER = (
    select(patients.c.wrapped_key, *segments.c)
    .outerjoin_from(patients, segments, and_(segments.c.patient == patients.c.pseudonym, segments.c.number > _AFTER))
    .where(patients.c.pseudonym == _PATIENT)
    .order_by(segments.c.number)
)
ENTRIES_AFTER = (
    select(patients.c.wrapped_key, *log.c)
    .outerjoin_from(patients, log, and_(log.c.patient == patients.c.pseudonym, log.c.number > _AFTER))
    .where(patients.c.pseudonym == _PATIENT)
    .order_by(log.c.number)
)
DECISION = (
    select(patients.c.wrapped_key, *log.c)
    .outerjoin_from(log, patients, log.c.patient == patients.c.pseudonym)
    .where(log.c.id == bindparam("id"), log.c.kind == "decision")
)
JOURNAL_AFTER = (
    select(patients.c.wrapped_key, *log.c)
    .outerjoin_from(log, patients, log.c.patient == patients.c.pseudonym)
    .where(log.c.number > _AFTER)
    .order_by(log.c.number)
    .limit(bindparam("many"))
)
TURNS = (
    select(patients.c.wrapped_key, *log.c)
    .outerjoin_from(log, patients, log.c.patient == patients.c.pseudonym)
    .where(log.c.kind == literal_column("'switch'"))  # spelled out, or the partial index is not considered
    .order_by(log.c.number)
)
# Times are stored as texts of fixed width, so the hour is their beginning.
_HOUR = func.substr(log.c.at, 1, 13)
_SAME = (log.c.service, log.c.topic, log.c.tier, log.c.suppression, log.c.outcome)
COUNTS = (
    select(_HOUR.label("hour"), *_SAME, func.count())
    .where(log.c.at >= bindparam("since"), log.c.at < bindparam("until"))
    .where(or_(log.c.kind == "decision", log.c.kind == "feedback", log.c.kind == "untaken"))
    .group_by(text("1"), *_SAME)
    .order_by(text("1"), *_SAME)
)

ADD_ARRIVALS = insert(arrivals)
COUNT_ARRIVALS = (
    select(
        arrivals.c.source,
        arrivals.c.refused,
        func.count(),
        func.sum(arrivals.c.facts),
        func.min(arrivals.c.received),
        func.max(arrivals.c.received),
    )
    .group_by(arrivals.c.source, arrivals.c.refused)
    .order_by(arrivals.c.source, arrivals.c.refused)
)
ALIASES = (
    select(arrivals.c.source, arrivals.c.patient)
    .where(arrivals.c.alias == literal_column("1"), arrivals.c.patient != literal_column("''"))
    .distinct()
    .order_by(arrivals.c.source, arrivals.c.patient)
)
SWEEP_ARRIVALS = delete(arrivals).where(arrivals.c.received < bindparam("before"))

WHOLE_LOG = select(log).order_by(log.c.number)
# Each patient of the log: the key, and the first entry, from the index alone: the rows hold whole cards.
_FIRST = select(log.c.patient, func.min(log.c.number).label("number")).group_by(log.c.patient).subquery()
KEYS_OF_LOG = select(_FIRST.c.patient, patients.c.wrapped_key, _FIRST.c.number, patients.c.erased).outerjoin_from(
    _FIRST, patients, _FIRST.c.patient == patients.c.pseudonym
)
# Each segment with its patient's key, when the patient came, and what it is of: nothing in place of what is not there.
WHOLE_SEGMENTS = (
    select(*segments.c, patients.c.wrapped_key, patients.c.created, mentions.c.number, mentions.c.resources)
    .outerjoin_from(segments, patients, segments.c.patient == patients.c.pseudonym)
    .outerjoin(mentions, and_(mentions.c.patient == segments.c.patient, mentions.c.number == segments.c.number))
    .order_by(segments.c.patient, segments.c.number)
)
WHOLE_DOCUMENTS = select(documents)
WHOLE_CLIENTS = select(clients)
_LAST = select(func.max(log.c.number)).where(log.c.kind == "decision").group_by(log.c.patient)
LAST_DECISIONS = (
    select(*log.c, patients.c.wrapped_key)
    .join_from(log, patients, log.c.patient == patients.c.pseudonym)
    .where(log.c.number.in_(_LAST), patients.c.wrapped_key.is_not(None))
)
HEAD = select(log_head.c.number, log_head.c.mac, log_head.c.seal).where(log_head.c.id == 1)
LAST_LINK = select(log.c.number, log.c.mac).order_by(log.c.number.desc()).limit(1)

# On PostgreSQL whoever holds the head's row makes all other writers wait; on SQLite they wait already.
HEAD_LOCKED = HEAD.with_for_update()
ADD_PATIENTS = insert(patients).values({name: bindparam(name) for name in PatientRow._fields})
ADD_SEGMENTS = insert(segments)
ADD_ENTRIES = insert(log)
SET_HEAD = (
    update(log_head).where(log_head.c.id == 1).values({name: bindparam(name) for name in ("number", "mac", "seal")})
)
TOUCH_HEAD = update(log_head).values(probes=log_head.c.probes + 1)
_TRIAL = "trial"  # no kind of document
PUT_TRIAL = insert(documents).values(kind=_TRIAL, name="", version=0, sealed=bytes(1 << 20))  # more than most calls
TAKE_TRIAL = delete(documents).where(documents.c.kind == _TRIAL)
DESTROY_KEY = update(patients).where(patients.c.pseudonym == _PATIENT).values(wrapped_key=None, erased=bindparam("at"))
ADD_MENTIONS = insert(mentions)
MENTIONS = select(mentions.c.patient, mentions.c.resources).where(
    or_(mentions.c.resources.is_(None), mentions.c.resources != literal(b""))
)
DROP_MENTIONS = delete(mentions).where(mentions.c.patient == _PATIENT)
DROP_SEGMENTS = delete(segments).where(segments.c.patient == _PATIENT)


@lru_cache(_LENGTHS)
def standings(count: int) -> Select[Any]:
    """What the store holds of so many patients, named by `listed`."""
    return select(
        patients.c.pseudonym,
        patients.c.wrapped_key,
        select(func.max(segments.c.number)).where(segments.c.patient == patients.c.pseudonym).scalar_subquery(),
        select(func.max(log.c.number)).where(log.c.patient == patients.c.pseudonym).scalar_subquery(),
    ).where(_among(patients.c.pseudonym, count))


@lru_cache(_LENGTHS)
def known_ids(count: int) -> Select[Any]:
    """Which of so many ids, named by `listed`, are in the log."""
    return select(log.c.id).where(_among(log.c.id, count))


@lru_cache(_LENGTHS)
def known_arrivals(count: int) -> Select[Any]:
    """Which of so many messages of a source, named by `listed`, are there."""
    return select(arrivals.c.message).where(arrivals.c.source == bindparam("source"), _among(arrivals.c.message, count))


def listed(values: Sequence[object]) -> dict[str, object]:
    """Values of a list by the names that they have in `standings` and `known_ids`."""
    return {f"value_{position}": value for position, value in enumerate(values)}


def _among(column: ColumnElement[Any], count: int) -> ColumnElement[bool]:
    return column.in_([bindparam(f"value_{position}") for position in range(count)])
