"""Who has sent a study, for rules."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study", sa.Column("callers", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("study", "callers")
