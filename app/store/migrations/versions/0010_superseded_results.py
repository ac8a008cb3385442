"""superseded results: what replaces what, which objects left, and how many instances headers announce"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# What was made of a prediction before. Each object has its own series, whose UID was made of the kind and the id.
NAMESPACE = uuid.UUID("5b2e6f0c-6d0a-5c1f-9a53-3c0f5d6b8e41")
CLASSES = {
    "sr": "1.2.840.10008.5.1.4.1.1.88.34",
    "map": "1.2.840.10008.5.1.4.1.1.30",
    "key-image": "1.2.840.10008.5.1.4.1.1.7",
}

PREDICTION = sa.table("prediction", sa.column("id"), sa.column("published", sa.Boolean))
INSTANCE = sa.table("instance", sa.column("sop_uid"), sa.column("series_uid"), sa.column("ours", sa.Boolean))
COLUMNS = "sop_uid", "prediction", "series_uid", "sop_class_uid"
RESULT_OBJECT = sa.table("result_object", *(sa.column(name) for name in COLUMNS))


def upgrade() -> None:
    op.add_column("prediction", sa.Column("superseded_by", sa.String(length=32), nullable=True))
    op.add_column("prediction", sa.Column("superseded", sa.String(length=32), nullable=True))
    op.add_column("prediction", sa.Column("supersedes", sa.JSON(none_as_null=True), nullable=True))
    op.create_index(op.f("ix_prediction_superseded_by"), "prediction", ["superseded_by"], unique=False)
    op.add_column("delivery", sa.Column("note", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "result_object",
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("prediction", sa.String(length=32), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("sop_uid"),
    )
    op.create_index(op.f("ix_result_object_prediction"), "result_object", ["prediction"], unique=False)
    op.create_table(
        "announced",
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", "series_uid"),
    )
    _fill()


def _fill() -> None:
    """Write down the results that lie beside their studies, so that a later result can replace them."""
    known = op.get_bind()
    series = {
        f"2.25.{uuid.uuid5(NAMESPACE, f'series/{kind}/{id_}').int}": (id_, sop_class)
        for id_ in known.scalars(sa.select(PREDICTION.c.id).where(PREDICTION.c.published))
        for kind, sop_class in CLASSES.items()
    }
    ours = sa.select(INSTANCE.c.sop_uid, INSTANCE.c.series_uid).where(INSTANCE.c.ours)
    found = [
        dict(zip(COLUMNS, (sop_uid, series[uid][0], uid, series[uid][1]), strict=True))
        for sop_uid, uid in known.execute(ours)
        if uid in series
    ]
    if found:
        op.bulk_insert(RESULT_OBJECT, found)


def downgrade() -> None:
    op.drop_table("announced")
    op.drop_index(op.f("ix_result_object_prediction"), table_name="result_object")
    op.drop_table("result_object")
    op.drop_column("delivery", "note")
    op.drop_index(op.f("ix_prediction_superseded_by"), table_name="prediction")
    for name in ("supersedes", "superseded", "superseded_by"):
        op.drop_column("prediction", name)
