"""leases of jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("prediction", sa.Column("lease", sa.String(length=32), nullable=True))
    op.add_column("prediction", sa.Column("beats", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("prediction", "beats")
    op.drop_column("prediction", "lease")
