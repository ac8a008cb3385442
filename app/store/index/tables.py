"""The tables that searches read: one entry for each study, series and instance, with a column for each key.

A column holds a key's first value (place 0, see `values.values_of`), and the table of further values the others: those
of attributes with several values, names in other scripts, further items of a sequence. Text is compared byte by byte.

Entries are narrow, and PostgreSQL's indexes hold every value (at most `LONGEST` characters), so no value is too long to
be stored. The rest of what a search returns is in the rows of instances.
"""

from sqlalchemy import JSON, Column, Double, Index, Integer, MetaData, String, Table

from app.store.index.keys import KEYS, Level
from app.store.index.values import LONGEST

# Also of the service's other tables (app/store/database.py).
METADATA = MetaData()
TEXT = String(LONGEST).with_variant(String(LONGEST, collation="C"), "postgresql")
UID = String(64).with_variant(String(64, collation="C"), "postgresql")
# Date and time of a study, or when it came, see `entries.moment`.
MOMENT = String(32).with_variant(String(32, collation="C"), "postgresql")


def _of_keys(level: Level) -> list[Column[str]]:
    keys = [key for key in KEYS[level] if key.column != "uid"]
    return [Column(key.column, TEXT, index=key.is_indexed) for key in keys]


# example: the SOPInstanceUID of the instance whose attributes stand for the study. series, instances: how many it has.
# stored: when its first instance came, in seconds since 1970. attributes: what a search returns, as DICOM JSON.
STUDY = Table(
    "study_entry",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("uid", UID, nullable=False, unique=True),
    Column("moment", MOMENT, nullable=False),
    Column("example", UID, nullable=False),
    Column("stored", Double, nullable=False),
    Column("series", Integer, nullable=False),
    Column("instances", Integer, nullable=False),
    *_of_keys(Level.STUDY),
    Column("attributes", JSON, nullable=False),
)
Index("ix_study_entry_newest", STUDY.c.moment, STUDY.c.id)

# example: the SOPInstanceUID of the instance whose attributes stand for the series.
SERIES = Table(
    "series_entry",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", Integer, nullable=False),
    Column("uid", UID, nullable=False, index=True),
    Column("example", UID, nullable=False),
    Column("instances", Integer, nullable=False),
    *_of_keys(Level.SERIES),
)
Index("ix_series_entry_place", SERIES.c.study_id, SERIES.c.uid, unique=True)

INSTANCE = Table(
    "instance_entry",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("series_id", Integer, nullable=False, index=True),
    Column("uid", UID, nullable=False, unique=True),
    *_of_keys(Level.INSTANCE),
)

# owner: the id of an entry; the key says of which table.
FURTHER = Table(
    "further_value",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("owner", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("value", TEXT, nullable=False),
)
Index("ix_further_value", FURTHER.c.key, FURTHER.c.value)

ENTRIES = {Level.STUDY: STUDY, Level.SERIES: SERIES, Level.INSTANCE: INSTANCE}
