"""first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("prediction", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("prediction", "target"),
    )
    op.create_index(op.f("ix_delivery_due"), "delivery", ["due"], unique=False)
    op.create_table(
        "instance",
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sop_uid"),
    )
    op.create_index(op.f("ix_instance_series_uid"), "instance", ["series_uid"], unique=False)
    op.create_index(op.f("ix_instance_study_uid"), "instance", ["study_uid"], unique=False)
    op.create_table(
        "prediction",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("created", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("study", sa.JSON(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("footprint", sa.JSON(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_prediction_created"), "prediction", ["created"], unique=False)
    op.create_index(op.f("ix_prediction_published"), "prediction", ["published"], unique=False)
    op.create_index(op.f("ix_prediction_status"), "prediction", ["status"], unique=False)
    op.create_index(op.f("ix_prediction_study_uid"), "prediction", ["study_uid"], unique=False)
    op.create_table(
        "study",
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.Column("prediction", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index(op.f("ix_study_state"), "study", ["state"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_study_state"), table_name="study")
    op.drop_table("study")
    op.drop_index(op.f("ix_prediction_study_uid"), table_name="prediction")
    op.drop_index(op.f("ix_prediction_status"), table_name="prediction")
    op.drop_index(op.f("ix_prediction_published"), table_name="prediction")
    op.drop_index(op.f("ix_prediction_created"), table_name="prediction")
    op.drop_table("prediction")
    op.drop_index(op.f("ix_instance_study_uid"), table_name="instance")
    op.drop_index(op.f("ix_instance_series_uid"), table_name="instance")
    op.drop_table("instance")
    op.drop_index(op.f("ix_delivery_due"), table_name="delivery")
    op.drop_table("delivery")
