"""what modalities say about their work on a study (MPPS)"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "performed_step",
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("series", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("begun", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index(op.f("ix_performed_step_study_uid"), "performed_step", ["study_uid"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_performed_step_study_uid"), table_name="performed_step")
    op.drop_table("performed_step")
