"""tables that searches read, filled from the rows of instances; metadata that are still to be made

What instances of earlier versions didn't keep (ContentDate, ContentTime, request attributes) isn't in their rows:
`python -m app.store check --repair` reads it from the files. Their metadata are made when somebody asks for them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

from app.store.index import renewal
from app.store.index.tables import FURTHER, INSTANCE, SERIES, STUDY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = (STUDY, SERIES, INSTANCE, FURTHER)
OF_INSTANCES = sa.table("instance", sa.column("study_uid", sa.String))


def upgrade() -> None:
    op.add_column("instance", sa.Column("metadata_due", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_instance_study_uid", table_name="instance")
    op.create_index("ix_instance_places", "instance", ["study_uid", "series_uid", "sop_uid"], unique=False)
    op.create_index(
        "ix_instance_metadata_due",
        "instance",
        ["study_uid"],
        sqlite_where=sa.text("metadata_due = 1"),
        postgresql_where=sa.text("metadata_due"),
    )
    # Written out only once, in app/store/index/tables.py: these tables hold nothing that can't be made again, so a
    # later migration that changes them drops them and makes and fills them anew, and this one no longer does.
    for table in TABLES:
        table.create(op.get_bind())
    with Session(op.get_bind()) as session:
        for uid in session.scalars(sa.select(OF_INSTANCES.c.study_uid).distinct()).all():
            renewal.renew(session, uid)
        session.flush()


def downgrade() -> None:
    for table in reversed(TABLES):
        table.drop(op.get_bind())
    op.drop_index("ix_instance_metadata_due", table_name="instance")
    op.drop_index("ix_instance_places", table_name="instance")
    op.create_index("ix_instance_study_uid", "instance", ["study_uid"], unique=False)
    op.drop_column("instance", "metadata_due")
