"""Tables of the durable memory. Changed only together with a revision in ``migrations/``.

Everything clinical is inside sealed columns. The clear columns of the log are what monitoring needs, without anything
that says who or how ill.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite keeps a table in the order of a key that is called INTEGER, and only of that one.
COUNT: Final = BigInteger().with_variant(Integer(), "sqlite")

patients = Table(
    "patients",
    metadata,
    Column("pseudonym", Text, primary_key=True),
    Column("wrapped_key", LargeBinary, nullable=True),  # null once erased
    Column("created", Text, nullable=False),
    Column("erased", Text, nullable=True),
)

segments = Table(
    "segments",
    metadata,
    Column("patient", Text, ForeignKey("patients.pseudonym"), primary_key=True),
    Column("number", COUNT, primary_key=True, autoincrement=False),
    Column("learned", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# Which resources a segment is of: eight bytes for each, under our key. Read as a whole when the EHR deletes some.
mentions = Table(
    "mentions",
    metadata,
    Column("patient", Text, primary_key=True),
    Column("number", COUNT, primary_key=True, autoincrement=False),
    Column("resources", LargeBinary, nullable=True),  # null in segments of before this table
    ForeignKeyConstraint(["patient", "number"], ["segments.patient", "segments.number"], name="fk_mentions_segment"),
    sqlite_with_rowid=False,
)

log = Table(
    "log",
    metadata,
    Column("number", COUNT, primary_key=True, autoincrement=False),
    Column("patient", Text, ForeignKey("patients.pseudonym"), nullable=False),
    Column("kind", Text, nullable=False),  # as `cds_app.adapters.sealed.ledger.Kind` has them
    Column("id", Text, nullable=False, unique=True),  # the decision's uuid, or a digest of what is said
    Column("service", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("tier", Integer, nullable=True),
    Column("suppression", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
Index(None, log.c.patient, log.c.number)
# What fires is counted by time, from the index alone: the rows hold whole cards.
Index(
    "ix_log_fired",
    *(log.c.at, log.c.kind, log.c.service, log.c.topic, log.c.tier, log.c.suppression, log.c.outcome),
)
_TURNED: Final = text("kind = 'switch'")  # few among many, and asked for every second
Index("ix_log_turns", log.c.number, sqlite_where=_TURNED, postgresql_where=_TURNED)

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("number", COUNT, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    # Goes up whenever the store looks whether it can write: SQLite writes nothing for a row that stays as it was.
    Column("probes", COUNT, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("name", Text, primary_key=True),
    Column("iss", Text, nullable=False, unique=True),
    Column("jku", Text, nullable=False),
    Column("jwks", Text, nullable=False),
    Column("audiences", Text, nullable=False),  # these three: JSON arrays, sorted
    Column("tenants", Text, nullable=False),
    Column("algs", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

seen_tokens = Table(
    "seen_tokens",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("token", LargeBinary, primary_key=True),  # SHA-256 of the issuer's name for it
    Column("until", BigInteger, nullable=False),  # seconds since 1970
    sqlite_with_rowid=False,
)
Index(None, seen_tokens.c.until)

arrivals = Table(
    "arrivals",
    metadata,
    Column("source", Text, primary_key=True),
    Column("message", LargeBinary, primary_key=True),  # under our key: a source's name for it may name a person
    Column("patient", Text, nullable=False),  # "" if it was refused
    Column("alias", Integer, nullable=False),  # 1 if that is the pseudonym of an identifier
    Column("received", Text, nullable=False),
    Column("refused", Text, nullable=False),
    Column("facts", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, arrivals.c.received)

documents = Table(
    "documents",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", COUNT, nullable=False),
    Column("until", BigInteger, nullable=True),  # seconds since 1970; null for never
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, documents.c.until)
