"""one word for one thing"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STUDY = sa.table("study", sa.column("state", sa.String))


def upgrade() -> None:
    op.alter_column("prediction", "sources", new_column_name="origins")
    op.execute(STUDY.update().where(STUDY.c.state == "judged").values(state="predicted"))


def downgrade() -> None:
    op.alter_column("prediction", "origins", new_column_name="sources")
    op.execute(STUDY.update().where(STUDY.c.state == "predicted").values(state="judged"))
