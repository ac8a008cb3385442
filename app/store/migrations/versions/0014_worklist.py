"""sessions of people; what the worklist searches, filled from the rows of predictions"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

from app.store.index.summaries import ROWS, SUMMARY, summarise

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logged_in",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("bound", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    # Written out only once, in app/store/index/summaries.py, for the same reason as in 0009.
    SUMMARY.create(op.get_bind())
    with Session(op.get_bind()) as session:
        for id_ in session.scalars(sa.select(ROWS.c.id).where(ROWS.c.status != "arriving")).all():
            summarise(session, id_)
        session.flush()


def downgrade() -> None:
    SUMMARY.drop(op.get_bind())
    op.drop_table("logged_in")
