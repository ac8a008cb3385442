"""retention: when things were stored, what has expired, and the time to go by"""

import time
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PREDICTION = sa.table("prediction", sa.column("id"), sa.column("status"), sa.column("created"), sa.column("finished"))
STUDY = sa.table("study", sa.column("uid"), sa.column("received"))
INSTANCE = sa.table("instance", sa.column("study_uid"), sa.column("stored"))
MARKS = ("pixels_expired", "maps_expired", "results_expired")


def upgrade() -> None:
    op.add_column("prediction", sa.Column("finished", sa.Double(), nullable=True))
    for mark in MARKS:
        op.add_column("prediction", sa.Column(mark, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("instance", sa.Column("stored", sa.Double(), nullable=False, server_default="0"))
    op.create_index("ix_instance_sizes", "instance", ["ours", "study_uid", "size", "stored"], unique=False)
    op.create_table(
        "calendar",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    _fill()


def _fill() -> None:
    """Predictions get the time when they were accepted, instances that of their study, or the present."""
    received = sa.select(STUDY.c.received).where(STUDY.c.uid == INSTANCE.c.study_uid).scalar_subquery()
    op.execute(INSTANCE.update().values(stored=sa.func.coalesce(received, time.time())))
    answered = sa.select(PREDICTION.c.id, PREDICTION.c.created).where(PREDICTION.c.status.in_(["done", "failed"]))
    for id_, created in op.get_bind().execute(answered).all():
        finished = datetime.fromisoformat(created).timestamp()
        op.execute(PREDICTION.update().where(PREDICTION.c.id == id_).values(finished=finished))


def downgrade() -> None:
    op.drop_table("calendar")
    op.drop_index("ix_instance_sizes", table_name="instance")
    op.drop_column("instance", "stored")
    for mark in (*MARKS, "finished"):
        op.drop_column("prediction", mark)
